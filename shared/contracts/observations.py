"""What producers tell Guardian they have seen, one body per domain."""

from datetime import date
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from shared.contracts.postures import Count, Instant, Key, Label, Request, Resource, Score
from shared.contracts.words import (
    Band,
    CapabilityStatus,
    Category,
    Dimension,
    FitStatus,
    PlanStatus,
    Priority,
    ReportType,
    SubDimensionStatus,
    TaskStatus,
)


class CapabilityScore(Request, frozen=True, kw_only=True):
    """How ready one capability of the catalogue is."""

    key: Key
    score: Score
    status: CapabilityStatus | None = None


class ReadinessObservation(Request, frozen=True, kw_only=True):
    """One readiness snapshot. Left-out overall values are derived by weight."""

    computed_at: Instant
    capabilities: Annotated[list[CapabilityScore], Meta(min_length=1, max_length=200)]
    overall_score: Score | None = None
    band: Band | None = None


class AdoptionScore(Request, frozen=True, kw_only=True):
    """How much one sub-dimension of the catalogue is used."""

    dimension: Dimension
    sub_dimension: Key
    score: Score
    status: SubDimensionStatus | None = None


class AdoptionObservation(Request, frozen=True, kw_only=True):
    """One adoption snapshot."""

    computed_at: Instant
    scores: Annotated[list[AdoptionScore], Meta(min_length=1, max_length=200)]


class EditionFit(Request, frozen=True, kw_only=True):
    """How well one edition of the catalogue fits."""

    edition_key: Key
    fit_score: Score
    fit_status: FitStatus | None = None
    is_primary: bool = False


class EditionsObservation(Request, frozen=True, kw_only=True):
    """One computation of edition fit; each fit is told as an event of its own."""

    computed_at: Instant
    fits: Annotated[list[EditionFit], Meta(min_length=1, max_length=50)]


class UpliftTask(Request, frozen=True, kw_only=True):
    """One task of a plan. `completed_at` is recorded when it first becomes done."""

    task_id: UUID
    status: TaskStatus
    priority: Priority = Priority.MEDIUM
    category: Category = Category.OTHER
    due_on: date | None = None
    completed_at: Instant | None = None


class UpliftPlanObservation(Request, frozen=True, kw_only=True):
    """A whole uplift plan, as it stands now."""

    title: Label
    status: PlanStatus
    starts_on: date | None = None
    target_on: date | None = None
    tasks: Annotated[list[UpliftTask], Meta(max_length=1000)]
    changed_at: Instant | None = None


class ExecutiveReportObservation(Request, frozen=True, kw_only=True):
    """One executive report over a period; both ends are days that belong to it."""

    report_id: UUID | None = None
    report_type: ReportType
    title: Label | None = None
    period_start: date
    period_end: date
    overall_health_score: Score | None = None
    created_at: Instant | None = None


class LifecycleRunObservation(Request, frozen=True, kw_only=True):
    """One finished lifecycle run: rows compacted and deleted, operations by outcome."""

    run_at: Instant
    total_compacted: Count
    total_deleted: Count
    operations_successful: Count
    operations_skipped: Count = 0
    operations_failed: Count


class ObservationReceipt(Resource, frozen=True, kw_only=True):
    """Proof of acceptance: what was stored, and what it started."""

    observation_id: UUID
    event_ids: list[UUID]
    delivery_count: int


class LineResult(Resource, frozen=True, kw_only=True):
    """What became of one line of a batch; `line` counts from 1."""

    line: int
    receipt: ObservationReceipt | None = None
    code: str | None = None
    detail: str | None = None


class BatchReceipt(Resource, frozen=True, kw_only=True):
    """What became of a batch; refused lines are named, accepted lines are stored."""

    accepted: int
    refused: int
    results: list[LineResult]
