"""One event of each type, and the largest that the types of three of them allow."""

from datetime import UTC, date, datetime
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

EVENT_ID = UUID("019a0000-0000-7000-8000-000000000001")
INSTANT = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)

_PLAN = UpliftPlanData(
    plan_id=UUID("3f2a0000-0000-4000-8000-000000000002"),
    plan_title="Uplift plan 3f2a",
    plan_status=PlanStatus.ACTIVE,
    tasks=TaskCounts(total=10, completed=6, in_progress=3, blocked=1, completion_percentage=60),
)

EXAMPLES: dict[EventType, Payload] = {
    EventType.READINESS_UPDATED: ReadinessData(
        overall_score=72,
        band=Band.MATURE,
        capability_count=4,
        capabilities_summary=[
            CapabilitySummary(key="guardian.core.rules", label="Rule engine", score=70),
            CapabilitySummary(key="guardian.core.alerts", label="Alerts", score=74.5),
            CapabilitySummary(key="guardian.core.incidents", label="Incidents", score=91),
            CapabilitySummary(key="guardian.qa.i_series.simulation", label="Simulation", score=52),
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
        report_id=UUID("5b1c0000-0000-4000-8000-000000000003"),
        report_title="Executive report 2026-10",
        overall_health_score=72,
        period_start=date(2026, 10, 1),
        period_end=date(2026, 10, 31),
    ),
    EventType.ADOPTION_SCORES_COMPUTED: AdoptionData(
        dimensions=[
            DimensionScore(dimension=Dimension.CORE, status=AdoptionStatus.REGULAR, score=75),
            DimensionScore(
                dimension=Dimension.AI_INTELLIGENCE, status=AdoptionStatus.LIGHT, score=30.5
            ),
        ],
        overall_adoption_status=AdoptionStatus.REGULAR,
    ),
    EventType.META_LIFECYCLE_RUN_COMPLETED: LifecycleData(
        total_compacted=500, total_deleted=50, operations_successful=4, operations_failed=0
    ),
    EventType.TEST: TestData(message=TEST_MESSAGE),
}

LARGEST: dict[EventType, Payload] = {
    EventType.READINESS_UPDATED: ReadinessData(
        overall_score=70.123456789,
        band=Band.NETWORK_INTELLIGENT,
        capability_count=60,
        capabilities_summary=[
            CapabilitySummary(key=f"k{one:02}." + "k" * 92, label="L" + "& " * 31, score=1 / 3)
            for one in range(60)
        ],
    ),
    EventType.ADOPTION_SCORES_COMPUTED: AdoptionData(
        dimensions=[
            DimensionScore(dimension=one, status=AdoptionStatus.REGULAR, score=100 / 3)
            for one in Dimension
        ],
        overall_adoption_status=AdoptionStatus.REGULAR,
    ),
    EventType.EDITION_FIT_COMPUTED: EditionFitData(
        edition_key="e" * 96,
        edition_label="L" + "&" * 63,
        fit_score=100 / 3,
        fit_status=FitStatus.NOT_STARTED,
    ),
}
