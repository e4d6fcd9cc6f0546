"""What leaves in rows: tidy streams, one row per fact, for warehouses and BI tools."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from shared.contracts.postures import Instant, Resource
from shared.contracts.words import (
    AdoptionStatus,
    Band,
    CapabilityStatus,
    Dimension,
    FitStatus,
    PlanStatus,
    ReportType,
    SubDimensionStatus,
)


class Stream(StrEnum):
    """A stream; each is a view of the same name, behind `export_`."""

    READINESS_SNAPSHOTS = "readiness_snapshots"
    READINESS_CAPABILITIES = "readiness_capabilities"
    ADOPTION_SCORES = "adoption_scores"
    UPLIFT_PLANS = "uplift_plans"
    EDITION_FITS = "edition_fits"
    EXECUTIVE_REPORTS = "executive_reports"
    LIFECYCLE_RUNS = "lifecycle_runs"
    DELETIONS = "deletions"


class ExportFormat(StrEnum):
    """How a page is written; without it, as one JSON object."""

    JSONL = "jsonl"
    CSV = "csv"


class ExportRow(Resource, frozen=True, kw_only=True):
    """What every row has; a row that changed comes again under the same id."""

    id: Annotated[str, Meta(description="The primary key.")]
    tenant_id: UUID
    updated_at: Annotated[Instant, Meta(description="When it was stored; the cursor field.")]


class ReadinessSnapshotRow(ExportRow, frozen=True, kw_only=True):
    """One readiness snapshot."""

    computed_at: Instant
    overall_score: float
    band: Band
    capability_count: int
    is_derived: bool
    formula_version: int


class ReadinessCapabilityRow(ExportRow, frozen=True, kw_only=True):
    """One capability of one readiness snapshot."""

    snapshot_id: UUID
    computed_at: Instant
    capability_key: str
    score: float
    status: CapabilityStatus


class AdoptionScoreRow(ExportRow, frozen=True, kw_only=True):
    """One sub-dimension of one adoption snapshot, beside the snapshot's roll-up."""

    snapshot_id: UUID
    computed_at: Instant
    dimension: Dimension
    sub_dimension: str
    score: float
    status: SubDimensionStatus
    overall_score: float
    overall_status: AdoptionStatus


class UpliftPlanRow(ExportRow, frozen=True, kw_only=True):
    """One uplift plan as it stands."""

    title: str
    status: PlanStatus
    starts_on: date | None
    target_on: date | None
    created_at: Instant
    changed_at: Instant
    tasks_total: int
    tasks_done: int
    tasks_in_progress: int
    tasks_blocked: int
    completion_percentage: int | None


class EditionFitRow(ExportRow, frozen=True, kw_only=True):
    """One edition of one computation of fit."""

    computation_id: UUID
    computed_at: Instant
    edition_key: str
    fit_score: float
    fit_status: FitStatus
    is_primary: bool


class ExecutiveReportRow(ExportRow, frozen=True, kw_only=True):
    """One executive report."""

    report_type: ReportType
    title: str | None
    period_start: date
    period_end: date
    created_at: Instant
    overall_health_score: float | None
    is_derived: bool


class LifecycleRunRow(ExportRow, frozen=True, kw_only=True):
    """One lifecycle run."""

    run_at: Instant
    total_compacted: int
    total_deleted: int
    operations_successful: int
    operations_skipped: int
    operations_failed: int


class DeletionRow(ExportRow, frozen=True, kw_only=True):
    """Something that was deleted; whoever keeps a copy deletes it too."""

    kind: str
    deleted_id: UUID


ROWS: dict[Stream, type[ExportRow]] = {
    Stream.READINESS_SNAPSHOTS: ReadinessSnapshotRow,
    Stream.READINESS_CAPABILITIES: ReadinessCapabilityRow,
    Stream.ADOPTION_SCORES: AdoptionScoreRow,
    Stream.UPLIFT_PLANS: UpliftPlanRow,
    Stream.EDITION_FITS: EditionFitRow,
    Stream.EXECUTIVE_REPORTS: ExecutiveReportRow,
    Stream.LIFECYCLE_RUNS: LifecycleRunRow,
    Stream.DELETIONS: DeletionRow,
}


class ExportPage(Resource, frozen=True, kw_only=True):
    """One page of a stream, in the order of `(updated_at, id)`."""

    data: Annotated[
        list[dict[str, Any]], Meta(description="Rows as `/export/{stream}/schema` tells.")
    ]
    next_cursor: str | None


class StreamInfo(Resource, frozen=True, kw_only=True):
    """How a stream is read, and the JSON Schema of its rows."""

    stream: Stream
    primary_key: list[str]
    cursor_field: str
    row_schema: dict[str, Any]
