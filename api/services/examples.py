"""One true example of each event's `data`, for the catalogue; a test holds them to the schemas."""

from datetime import date
from uuid import UUID

from shared.contracts.payloads import (
    TEST_MESSAGE,
    AdoptionData,
    CapabilitySummary,
    DimensionScore,
    EditionFitData,
    ExecutiveReportData,
    LifecycleData,
    Payload,
    ReadinessData,
    TaskCounts,
    TestData,
    UpliftPlanData,
)
from shared.contracts.words import (
    AdoptionStatus,
    Band,
    Dimension,
    EventType,
    FitStatus,
    PlanStatus,
)

_PLAN = UpliftPlanData(
    plan_id=UUID("01930a5e-7c00-7000-8000-000000003f2a"),
    plan_title="Uplift plan 3f2a",
    plan_status=PlanStatus.ACTIVE,
    tasks=TaskCounts(total=10, completed=6, in_progress=3, blocked=1, completion_percentage=60),
)

EXAMPLES: dict[EventType, Payload] = {
    EventType.READINESS_UPDATED: ReadinessData(
        overall_score=72,
        band=Band.MATURE,
        capability_count=1,
        capabilities_summary=[
            CapabilitySummary(key="guardian.core.rules", label="Rule engine", score=70)
        ],
    ),
    EventType.UPLIFT_PLAN_CREATED: _PLAN,
    EventType.UPLIFT_PLAN_UPDATED: _PLAN,
    EventType.EDITION_FIT_COMPUTED: EditionFitData(
        edition_key="guardian_pro",
        edition_label="Guardian Pro",
        fit_score=78,
        fit_status=FitStatus.ALIGNED,
    ),
    EventType.EXECUTIVE_REPORT_CREATED: ExecutiveReportData(
        report_id=UUID("01930a5e-7c00-7000-8000-00000000c0de"),
        report_title="Executive report 2026-10",
        overall_health_score=72,
        period_start=date(2026, 10, 1),
        period_end=date(2026, 10, 31),
    ),
    EventType.ADOPTION_SCORES_COMPUTED: AdoptionData(
        dimensions=[
            DimensionScore(dimension=Dimension.CORE, status=AdoptionStatus.REGULAR, score=75)
        ],
        overall_adoption_status=AdoptionStatus.REGULAR,
    ),
    EventType.META_LIFECYCLE_RUN_COMPLETED: LifecycleData(
        total_compacted=500, total_deleted=50, operations_successful=4, operations_failed=0
    ),
    EventType.TEST: TestData(message=TEST_MESSAGE),
}
