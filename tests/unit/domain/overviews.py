"""Overviews for the narrative's tests: one that is always the same, and all that can be."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from shared.contracts.success import (
    AdoptionBlock,
    CapabilityItem,
    DimensionItem,
    EditionItem,
    EditionsBlock,
    ExecutiveBlock,
    LifecycleBlock,
    Overview,
    ReadinessBlock,
    Risk,
    UpliftBlock,
)
from shared.contracts.words import (
    ActionCode,
    AdoptionStatus,
    Band,
    CapabilityStatus,
    Dimension,
    FitStatus,
    Freshness,
    RiskCode,
    Severity,
    Trend,
)

AS_OF = datetime(2026, 11, 1, 6, tzinfo=UTC)
TENANT = UUID(int=7)


def reference(**changed: Any) -> Overview:
    """Readiness rises, adoption falls, the plan is blocked, a lifecycle run was never seen."""
    blocks: dict[str, Any] = {
        "readiness": ReadinessBlock(
            status=Freshness.OK,
            as_of=AS_OF,
            age_days=1.2,
            overall_score=72.4,
            band=Band.MATURE,
            previous=70.0,
            delta_1w=1.5,
            delta_4w=6.2,
            trend=Trend.UP,
            capabilities=[capability("guardian.core.rules", "Rule engine", 34.0)],
            largest_gain=capability("guardian.core.alerts", "Alerts", 80.0, delta=9.0),
        ),
        "editions": EditionsBlock(
            status=Freshness.OK,
            as_of=AS_OF,
            age_days=1.2,
            items=[
                EditionItem(
                    key="guardian_pro",
                    label="Guardian Pro",
                    fit_score=78.0,
                    fit_status=FitStatus.ALIGNED,
                )
            ],
            main_key="guardian_pro",
            delta_4w=0.2,
            trend=Trend.FLAT,
        ),
        "uplift": UpliftBlock(
            status=Freshness.OK,
            as_of=AS_OF,
            age_days=1.2,
            active_plans=1,
            tasks_done=6,
            tasks_total=10,
            tasks_blocked=2,
            tasks_overdue=1,
            completion_percentage=60,
            expected_percentage=72,
            days_since_completion=9.5,
        ),
        "adoption": AdoptionBlock(
            status=Freshness.OK,
            as_of=AS_OF,
            age_days=1.2,
            overall_status=AdoptionStatus.LIGHT,
            overall_score=37.0,
            delta_4w=-3.0,
            trend=Trend.DOWN,
            breadth=2 / 6,
            dimensions=[
                DimensionItem(dimension=Dimension.CORE, status=AdoptionStatus.REGULAR, score=70.0),
                DimensionItem(
                    dimension=Dimension.GOVERNANCE, status=AdoptionStatus.LIGHT, score=22.0
                ),
            ],
        ),
        "executive": ExecutiveBlock(
            status=Freshness.OK,
            as_of=AS_OF,
            age_days=1.2,
            reports_last_90d=3,
            last_report_date=AS_OF,
            last_period_end=date(2026, 10, 31),
            overall_health_score=71.0,
            health_trend=Trend.FLAT,
        ),
        "lifecycle": LifecycleBlock(status=Freshness.MISSING),
        "risks": [
            risk(RiskCode.PLAN_BLOCKED, ActionCode.UNBLOCK_TASKS),
            risk(RiskCode.ADOPTION_NARROW, ActionCode.ACTIVATE_NEXT_DIMENSION),
        ],
    }
    return Overview(tenant_id=TENANT, as_of=AS_OF, **{**blocks, **changed})


def nothing() -> Overview:
    """A tenant of whom nothing was ever observed."""
    missing = Freshness.MISSING
    return Overview(
        tenant_id=TENANT,
        as_of=AS_OF,
        readiness=ReadinessBlock(status=missing),
        editions=EditionsBlock(status=missing),
        uplift=UpliftBlock(status=missing),
        adoption=AdoptionBlock(status=missing),
        executive=ExecutiveBlock(status=missing),
        lifecycle=LifecycleBlock(status=missing),
        risks=[],
    )


def capability(key: str, label: str, score: float, *, delta: float | None = None) -> CapabilityItem:
    return CapabilityItem(
        key=key, label=label, score=score, status=CapabilityStatus.PARTIAL, delta=delta
    )


def risk(code: RiskCode, action: ActionCode) -> Risk:
    return Risk(code=code, severity=Severity.HIGH, evidence={}, action_code=action)


scores = st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 2))
deltas = st.none() | st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 2))
counts = st.integers(0, 1_000_000)
labels = st.text(min_size=1, max_size=120) | st.sampled_from(
    [
        "Rule engine",
        "Web 2.0",
        "jane.doe@example.com",
        "call +49 30 1234567",
        "https://example.com/x",
        "{f1}",
        "<b>bold</b>",
        "A label of rather many words that goes on and on and on until nobody listens",
        "4111 1111 1111 1111",
    ]
)
keys = st.from_regex(r"[a-z][a-z0-9]{0,9}(\.[a-z0-9]{1,12}){0,3}", fullmatch=True)


@st.composite
def overviews(draw: st.DrawFn) -> Overview:
    """Any overview whatever, labels included that should not have been let in."""
    return Overview(
        tenant_id=TENANT,
        as_of=AS_OF,
        readiness=draw(_readiness()),
        editions=draw(_editions()),
        uplift=draw(_uplift()),
        adoption=draw(_adoption()),
        executive=draw(_executive()),
        lifecycle=draw(_lifecycle()),
        risks=draw(_risks()),
    )


def _seen() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "status": st.sampled_from([Freshness.OK, Freshness.STALE]),
            "as_of": st.just(AS_OF),
            "age_days": st.floats(0, 900).map(lambda value: round(value, 2)),
            "previous": st.none() | scores,
            "delta_1w": deltas,
            "delta_4w": deltas,
            "trend": st.sampled_from(Trend),
        }
    )


@st.composite
def _capabilities(draw: st.DrawFn) -> CapabilityItem:
    return capability(draw(keys), draw(labels), draw(scores), delta=draw(deltas))


@st.composite
def _readiness(draw: st.DrawFn) -> ReadinessBlock:
    if draw(st.booleans()):
        return ReadinessBlock(status=Freshness.MISSING)
    items = draw(st.lists(_capabilities(), max_size=3))
    return ReadinessBlock(
        **draw(_seen()),
        overall_score=draw(scores),
        band=draw(st.none() | st.sampled_from(Band)),
        capabilities=items,
        largest_gain=draw(st.none() | _capabilities()),
        largest_loss=draw(st.none() | _capabilities()),
    )


@st.composite
def _editions(draw: st.DrawFn) -> EditionsBlock:
    if draw(st.booleans()):
        return EditionsBlock(status=Freshness.MISSING)
    key = draw(keys)
    item = EditionItem(
        key=key, label=draw(labels), fit_score=draw(scores), fit_status=FitStatus.EMERGING
    )
    return EditionsBlock(**draw(_seen()), items=[item], main_key=key)


@st.composite
def _uplift(draw: st.DrawFn) -> UpliftBlock:
    if draw(st.booleans()):
        return UpliftBlock(status=Freshness.MISSING)
    total = draw(counts)
    return UpliftBlock(
        **draw(_seen()),
        active_plans=draw(counts),
        draft_plans=draw(counts),
        tasks_done=draw(st.integers(0, total)),
        tasks_total=total,
        tasks_blocked=draw(st.integers(0, total)),
        tasks_overdue=draw(st.integers(0, total)),
        completion_percentage=draw(st.none() | st.integers(0, 100)),
        expected_percentage=draw(st.none() | st.integers(0, 100)),
        days_since_completion=draw(st.none() | st.floats(0, 900)),
    )


@st.composite
def _adoption(draw: st.DrawFn) -> AdoptionBlock:
    if draw(st.booleans()):
        return AdoptionBlock(status=Freshness.MISSING)
    dimensions = [
        DimensionItem(dimension=one, status=AdoptionStatus.LIGHT, score=draw(scores))
        for one in draw(st.sets(st.sampled_from(Dimension)))
    ]
    return AdoptionBlock(
        **draw(_seen()),
        overall_status=draw(st.sampled_from(AdoptionStatus)),
        overall_score=draw(scores),
        breadth=draw(st.none() | st.integers(0, 6).map(lambda count: count / 6)),
        dimensions=dimensions,
    )


@st.composite
def _executive(draw: st.DrawFn) -> ExecutiveBlock:
    if draw(st.booleans()):
        return ExecutiveBlock(status=Freshness.MISSING)
    return ExecutiveBlock(
        **draw(_seen()),
        reports_last_90d=draw(counts),
        overall_health_score=draw(st.none() | scores),
        health_trend=draw(st.sampled_from(Trend)),
    )


@st.composite
def _lifecycle(draw: st.DrawFn) -> LifecycleBlock:
    if draw(st.booleans()):
        return LifecycleBlock(status=Freshness.MISSING)
    return LifecycleBlock(
        **draw(_seen()), operations_successful=draw(counts), operations_failed=draw(counts)
    )


@st.composite
def _risks(draw: st.DrawFn) -> list[Risk]:
    codes = draw(st.lists(st.sampled_from(RiskCode), unique=True))
    return [risk(code, draw(st.sampled_from(ActionCode))) for code in codes]
