"""The `data` of each event type: typed allow-lists. What is not a field here is never sent.

No field is free text: strings are enums, catalogue entries, generated labels or dates.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shared.contracts.postures import Count, Key, Score
from shared.contracts.words import (
    AdoptionStatus,
    Band,
    Dimension,
    EventType,
    FitStatus,
    PlanStatus,
    Scope,
)

CatalogueLabel = Annotated[
    str, Meta(pattern=r"\A[A-Z][A-Za-z0-9 ()/&-]{0,63}\Z", description="From the catalogue.")
]
PlanTitle = Annotated[str, Meta(pattern=r"\AUplift plan [0-9a-f]{4}\Z")]
ReportTitle = Annotated[str, Meta(pattern=r"\AExecutive report [0-9]{4}-[0-9]{2}\Z")]

TEST_MESSAGE = "This is a test event from Guardian. It carries no data of yours."


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may leave the house."""


class CapabilitySummary(Payload, frozen=True, kw_only=True):
    """One capability's score under its catalogue label."""

    key: Key
    label: CatalogueLabel
    score: Score


class ReadinessData(Payload, frozen=True, kw_only=True):
    """`readiness_updated`."""

    overall_score: Score
    band: Band
    capability_count: Count
    capabilities_summary: list[CapabilitySummary]


class TaskCounts(Payload, frozen=True, kw_only=True):
    """A plan's tasks by status; todo is what remains of the total."""

    total: Count
    completed: Count
    in_progress: Count
    blocked: Count
    completion_percentage: Annotated[int, Meta(ge=0, le=100)]


class UpliftPlanData(Payload, frozen=True, kw_only=True):
    """`uplift_plan_created` and `uplift_plan_updated`."""

    plan_id: UUID
    plan_title: PlanTitle
    plan_status: PlanStatus
    tasks: TaskCounts


class EditionFitData(Payload, frozen=True, kw_only=True):
    """`edition_fit_computed`."""

    edition_key: Key
    edition_label: CatalogueLabel
    fit_score: Score
    fit_status: FitStatus


class ExecutiveReportData(Payload, frozen=True, kw_only=True):
    """`executive_report_created`."""

    report_id: UUID
    report_title: ReportTitle
    overall_health_score: Score | None
    period_start: date
    period_end: date


class DimensionScore(Payload, frozen=True, kw_only=True):
    """One dimension's roll-up."""

    dimension: Dimension
    status: AdoptionStatus
    score: Score


class AdoptionData(Payload, frozen=True, kw_only=True):
    """`adoption_scores_computed`."""

    dimensions: list[DimensionScore]
    overall_adoption_status: AdoptionStatus


class LifecycleData(Payload, frozen=True, kw_only=True):
    """`meta_lifecycle_run_completed`."""

    total_compacted: Count
    total_deleted: Count
    operations_successful: Count
    operations_failed: Count


class TestData(Payload, frozen=True, kw_only=True):
    """`test`."""

    __test__ = False  # pytest collects by name

    message: Literal["This is a test event from Guardian. It carries no data of yours."]


Data = (
    ReadinessData
    | UpliftPlanData
    | EditionFitData
    | ExecutiveReportData
    | AdoptionData
    | LifecycleData
    | TestData
)

DATA_OF: dict[EventType, type[Payload]] = {
    EventType.READINESS_UPDATED: ReadinessData,
    EventType.UPLIFT_PLAN_CREATED: UpliftPlanData,
    EventType.UPLIFT_PLAN_UPDATED: UpliftPlanData,
    EventType.EDITION_FIT_COMPUTED: EditionFitData,
    EventType.EXECUTIVE_REPORT_CREATED: ExecutiveReportData,
    EventType.ADOPTION_SCORES_COMPUTED: AdoptionData,
    EventType.META_LIFECYCLE_RUN_COMPLETED: LifecycleData,
    EventType.TEST: TestData,
}

SCHEMA_VERSION = 1


class Envelope(Payload, frozen=True, kw_only=True):
    """The body of the `standard` format; `data` is one of `DATA_OF`, already encoded."""

    type: EventType
    timestamp: datetime
    scope: Scope | None
    schema_version: int
    data: msgspec.Raw
