"""What Guardian answers about a tenant's success."""

from datetime import date
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from shared.contracts.postures import Instant, Resource
from shared.contracts.words import (
    ActionCode,
    AdoptionStatus,
    Band,
    CapabilityStatus,
    Dimension,
    FitStatus,
    Freshness,
    Granularity,
    RiskCode,
    Severity,
    Trend,
)


class Movement(Resource, frozen=True, kw_only=True):
    """How a block's main value moved: points, null where there is nothing to compare with."""

    previous: float | None = None
    delta_1w: float | None = None
    delta_4w: float | None = None
    trend: Trend = Trend.UNKNOWN


class Block(Movement, frozen=True, kw_only=True):
    """What all six blocks share; `missing` means nothing was ever observed, never 0."""

    status: Freshness
    as_of: Annotated[Instant | None, Meta(description="When the newest observation was made.")] = (
        None
    )
    age_days: float | None = None
    is_derived: bool = False
    formula_version: int | None = None


class CapabilityItem(Resource, frozen=True, kw_only=True):
    """One capability's score, and how it moved since the snapshot before."""

    key: str
    label: str
    score: float
    status: CapabilityStatus
    delta: float | None = None


class ReadinessBlock(Block, frozen=True, kw_only=True):
    """Readiness, from the newest snapshot."""

    overall_score: float | None = None
    band: Band | None = None
    last_computed_at: Instant | None = None
    capability_count: int = 0
    coverage: Annotated[
        float | None, Meta(description="Share of the catalogue's capabilities scored, 0 to 1.")
    ] = None
    capabilities: list[CapabilityItem] = []
    largest_gain: CapabilityItem | None = None
    largest_loss: CapabilityItem | None = None
    series: Annotated[
        list[float | None], Meta(description="Last value of each of 18 ISO weeks, oldest first.")
    ] = []


class EditionItem(Resource, frozen=True, kw_only=True):
    """One edition's fit."""

    key: str
    label: str
    fit_score: float
    fit_status: FitStatus
    is_primary: bool = False


class EditionsBlock(Block, frozen=True, kw_only=True):
    """Each active edition's newest fit, best first; the movement is of the main edition's fit.

    The main edition is the one the producer calls primary, else the one that fits best.
    """

    items: list[EditionItem] = []
    main_key: str | None = None
    series: list[float | None] = []


class UpliftBlock(Block, frozen=True, kw_only=True):
    """Active plans and their tasks; the percentage is null where there is no task.

    The movement is of the percentage of the plans that are active now; its previous value is that
    of one week before, null where none of their tasks existed then.
    """

    active_plans: int | None = None
    draft_plans: int | None = None
    tasks_done: int | None = None
    tasks_total: int | None = None
    tasks_blocked: int | None = None
    tasks_overdue: int | None = None
    completion_percentage: int | None = None
    expected_percentage: Annotated[
        int | None, Meta(description="Where the active plans' dates say today should stand.")
    ] = None
    days_since_completion: Annotated[
        float | None, Meta(description="Since a task of an active plan was last done.")
    ] = None


class DimensionItem(Resource, frozen=True, kw_only=True):
    """One dimension's roll-up."""

    dimension: Dimension
    status: AdoptionStatus
    score: float
    delta_4w: float | None = None


class AdoptionBlock(Block, frozen=True, kw_only=True):
    """Adoption, rolled up from the newest snapshot."""

    overall_status: AdoptionStatus = AdoptionStatus.UNKNOWN
    overall_score: float | None = None
    worst_dimension: Dimension | None = None
    breadth: Annotated[
        float | None, Meta(description="Share of the six dimensions at regular or above, 0 to 1.")
    ] = None
    dimensions: list[DimensionItem] = []
    series: list[float | None] = []


class ExecutiveBlock(Block, frozen=True, kw_only=True):
    """Executive reports; the movement is of the reports' health score."""

    reports_last_90d: int | None = None
    last_report_date: Instant | None = None
    last_period_end: date | None = None
    overall_health_score: float | None = None
    health_trend: Trend = Trend.UNKNOWN


class LifecycleBlock(Block, frozen=True, kw_only=True):
    """The newest lifecycle run."""

    last_run_at: Instant | None = None
    total_compacted: int | None = None
    total_deleted: int | None = None
    operations_successful: int | None = None
    operations_skipped: int | None = None
    operations_failed: int | None = None


class Risk(Resource, frozen=True, kw_only=True):
    """One risk with its evidence and the one action that answers it."""

    code: RiskCode
    severity: Severity
    since: Annotated[
        Instant | None, Meta(description="Since when it is known to hold, at most 18 weeks back.")
    ] = None
    evidence: dict[str, float | int | str | None]
    action_code: ActionCode


class Overview(Resource, frozen=True, kw_only=True):
    """The six blocks and the risks of one tenant."""

    tenant_id: UUID
    tenant_name: Annotated[str, Meta(description="What people call it; never in a payload.")] = ""
    as_of: Instant
    readiness: ReadinessBlock
    editions: EditionsBlock
    uplift: UpliftBlock
    adoption: AdoptionBlock
    executive: ExecutiveBlock
    lifecycle: LifecycleBlock
    risks: list[Risk]


class Spread(Resource, frozen=True, kw_only=True):
    """Every value of a period, beside its last one."""

    min: float
    max: float
    count: Annotated[int, Meta(ge=1, description="How many values there were.")]
    formula_version: Annotated[
        int,
        Meta(description="Of the last value; where it changes, the formula may have, too."),
    ]


class Period(Resource, frozen=True, kw_only=True):
    """One bucket, `[period_start, period_end)` in UTC; null where nothing was observed in it."""

    period_start: Instant
    period_end: Instant
    readiness_score: float | None = None
    readiness_band: Band | None = None
    edition_fit_score: float | None = None
    adoption_overall_status: AdoptionStatus | None = None
    adoption_score: float | None = None
    uplift_tasks_done: int | None = None
    uplift_tasks_total: int | None = None
    report_count: int = 0
    readiness_spread: Spread | None = None
    edition_fit_spread: Spread | None = None
    adoption_spread: Spread | None = None


class History(Resource, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The periods of a range."""

    granularity: Granularity
    from_: Instant
    to: Instant
    as_of: Instant
    periods: list[Period]
