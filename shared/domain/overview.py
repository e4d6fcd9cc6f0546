"""One tenant's success at a glance, from what was read of its observations and plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

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
    UpliftBlock,
)
from shared.contracts.words import Freshness, Scope
from shared.domain import risks, rollups, trends
from shared.domain.catalogue import Catalogue
from shared.domain.snapshots import (
    AdoptionSnapshot,
    EditionsSnapshot,
    ExecutiveReportSnapshot,
    LifecycleRunSnapshot,
    ReadinessSnapshot,
    ScoredEdition,
)
from shared.domain.trends import Point

REPORTS_WINDOW = timedelta(days=90)
SHARE_DECIMALS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """When the newest observation of a domain was made, and how it came to its values."""

    at: datetime
    is_derived: bool
    formula_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessSeen(Seen):
    """The newest readiness and what it is compared with; None where there is none so old."""

    newest: ReadinessSnapshot
    previous: ReadinessSnapshot | None
    score_1w: float | None
    score_4w: float | None
    weekly: Sequence[Point | None]
    first_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionSeen(Seen):
    """The newest adoption and what it is compared with."""

    newest: AdoptionSnapshot
    previous_score: float | None
    score_1w: float | None
    snapshot_4w: AdoptionSnapshot | None
    weekly: Sequence[Point | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionsSeen(Seen):
    """The latest computations, newest first, and those of one week and four weeks before."""

    latest: Sequence[EditionsSnapshot]
    snapshot_1w: EditionsSnapshot | None
    snapshot_4w: EditionsSnapshot | None
    weekly: Sequence[tuple[datetime, EditionsSnapshot] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSeen(Seen):
    """The newest report, and the health scores it is compared with."""

    newest: ExecutiveReportSnapshot
    previous_score: float | None
    score_1w: float | None
    score_4w: float | None
    count_in_window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen(Seen):
    """The newest lifecycle run."""

    newest: LifecycleRunSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTally:
    """An active plan's tasks, now and as they stood one week and four weeks before."""

    created_at: datetime
    starts_on: date | None
    target_on: date | None
    total: int
    done: int
    blocked: int
    overdue: int
    last_completed_at: datetime | None
    total_1w: int
    done_1w: int
    total_4w: int
    done_4w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlansSeen(Seen):
    """The active plans, and how many drafts there are."""

    active: Sequence[PlanTally]
    draft_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that the overview is made of; None where a domain was never observed."""

    tenant_id: UUID
    tenant_name: str
    readiness: ReadinessSeen | None = None
    editions: EditionsSeen | None = None
    uplift: PlansSeen | None = None
    adoption: AdoptionSeen | None = None
    executive: ReportSeen | None = None
    lifecycle: RunSeen | None = None


def overview(standing: Standing, catalogue: Catalogue, *, now: datetime) -> Overview:
    """Tell all six blocks; what was never observed is missing, which is not 0."""
    return Overview(
        tenant_id=standing.tenant_id,
        tenant_name=standing.tenant_name,
        as_of=now,
        readiness=_readiness(standing.readiness, catalogue, now),
        editions=_editions(standing.editions, catalogue, now),
        uplift=_uplift(standing.uplift, now),
        adoption=_adoption(standing.adoption, now),
        executive=_executive(standing.executive, now),
        lifecycle=_lifecycle(standing.lifecycle, now),
        risks=risks.risks(_facts(standing, now)),
    )


def _readiness(seen: ReadinessSeen | None, catalogue: Catalogue, now: datetime) -> ReadinessBlock:
    if seen is None:
        return ReadinessBlock(status=Freshness.MISSING, series=_no_series())
    before = {one.key: one.score for one in seen.previous.capabilities} if seen.previous else {}
    items = [
        CapabilityItem(
            key=one.key,
            label=_label(catalogue.capabilities.get(one.key), one.key),
            score=one.score,
            status=one.status,
            delta=trends.change(one.score, before.get(one.key)),
        )
        for one in seen.newest.capabilities
    ]
    moved = sorted((one for one in items if one.delta), key=lambda one: (one.delta or 0.0, one.key))
    previous = seen.previous.overall_score if seen.previous else None
    score = seen.newest.overall_score
    step = trends.change(score, previous)
    return ReadinessBlock(
        status=trends.freshness(Scope.READINESS, seen.at, now),
        as_of=seen.at,
        age_days=trends.age_days(seen.at, now),
        is_derived=seen.is_derived,
        formula_version=seen.formula_version,
        previous=previous,
        delta_1w=trends.change(score, seen.score_1w),
        delta_4w=trends.change(score, seen.score_4w),
        trend=trends.trend(step),
        overall_score=score,
        band=seen.newest.band,
        last_computed_at=seen.at,
        capability_count=len(items),
        coverage=_share(len(items), len(catalogue.capabilities)),
        capabilities=items,
        largest_gain=moved[-1] if moved and (moved[-1].delta or 0.0) > 0 else None,
        largest_loss=moved[0] if moved and (moved[0].delta or 0.0) < 0 else None,
        series=[point.value if point else None for point in seen.weekly],
    )


def _editions(seen: EditionsSeen | None, catalogue: Catalogue, now: datetime) -> EditionsBlock:
    if seen is None:
        return EditionsBlock(status=Freshness.MISSING, series=_no_series())
    newest: dict[str, ScoredEdition] = {}
    for snapshot in seen.latest:
        for fit in snapshot.fits:
            newest.setdefault(fit.edition_key, fit)
    main_key = seen.latest[0].main_key
    shown = [
        EditionItem(
            key=fit.edition_key,
            label=_label(catalogue.editions.get(fit.edition_key), fit.edition_key),
            fit_score=fit.fit_score,
            fit_status=fit.fit_status,
            is_primary=fit.is_primary and fit.edition_key == main_key,
        )
        for fit in sorted(newest.values(), key=lambda one: (-one.fit_score, one.edition_key))
        if (entry := catalogue.editions.get(fit.edition_key)) is None or entry.is_active
    ]
    score = newest[main_key].fit_score
    earlier = (_fit_of(one, main_key) for one in seen.latest[1:])
    previous = next((one for one in earlier if one is not None), None)
    return EditionsBlock(
        status=trends.freshness(Scope.EDITIONS, seen.at, now),
        as_of=seen.at,
        age_days=trends.age_days(seen.at, now),
        is_derived=seen.is_derived,
        formula_version=seen.formula_version,
        previous=previous,
        delta_1w=trends.change(score, _fit_of(seen.snapshot_1w, main_key)),
        delta_4w=trends.change(score, _fit_of(seen.snapshot_4w, main_key)),
        trend=trends.trend(trends.change(score, previous)),
        items=shown,
        main_key=main_key,
        series=[_fit_of(week[1], main_key) if week else None for week in seen.weekly],
    )


def _uplift(seen: PlansSeen | None, now: datetime) -> UpliftBlock:
    if seen is None:
        return UpliftBlock(status=Freshness.MISSING)
    done, total = sum(one.done for one in seen.active), sum(one.total for one in seen.active)
    percentage = rollups.completion_percentage(done, total)
    week_ago = rollups.completion_percentage(
        sum(one.done_1w for one in seen.active), sum(one.total_1w for one in seen.active)
    )
    month_ago = rollups.completion_percentage(
        sum(one.done_4w for one in seen.active), sum(one.total_4w for one in seen.active)
    )
    step = trends.change(percentage, week_ago)
    completed = [one.last_completed_at for one in seen.active if one.last_completed_at]
    return UpliftBlock(
        status=trends.freshness(Scope.UPLIFT, seen.at, now),
        as_of=seen.at,
        age_days=trends.age_days(seen.at, now),
        is_derived=seen.is_derived,
        formula_version=seen.formula_version,
        previous=week_ago,
        delta_1w=step,
        delta_4w=trends.change(percentage, month_ago),
        trend=trends.trend(step),
        active_plans=len(seen.active),
        draft_plans=seen.draft_count,
        tasks_done=done,
        tasks_total=total,
        tasks_blocked=sum(one.blocked for one in seen.active),
        tasks_overdue=sum(one.overdue for one in seen.active),
        completion_percentage=percentage,
        expected_percentage=_expected(seen.active, now.astimezone(UTC).date()),
        days_since_completion=trends.age_days(max(completed), now) if completed else None,
    )


def _adoption(seen: AdoptionSeen | None, now: datetime) -> AdoptionBlock:
    if seen is None:
        return AdoptionBlock(status=Freshness.MISSING, series=_no_series())
    month_ago = (
        {one.dimension: one.score for one in seen.snapshot_4w.dimensions}
        if seen.snapshot_4w
        else {}
    )
    score = seen.newest.overall_score
    return AdoptionBlock(
        status=trends.freshness(Scope.ADOPTION, seen.at, now),
        as_of=seen.at,
        age_days=trends.age_days(seen.at, now),
        is_derived=seen.is_derived,
        formula_version=seen.formula_version,
        previous=seen.previous_score,
        delta_1w=trends.change(score, seen.score_1w),
        delta_4w=trends.change(score, seen.snapshot_4w.overall_score if seen.snapshot_4w else None),
        trend=trends.trend(trends.change(score, seen.previous_score)),
        overall_status=seen.newest.overall_status,
        overall_score=score,
        worst_dimension=seen.newest.worst_dimension,
        breadth=seen.newest.breadth,
        dimensions=[
            DimensionItem(
                dimension=one.dimension,
                status=one.status,
                score=one.score,
                delta_4w=trends.change(one.score, month_ago.get(one.dimension)),
            )
            for one in seen.newest.dimensions
        ],
        series=[point.value if point else None for point in seen.weekly],
    )


def _executive(seen: ReportSeen | None, now: datetime) -> ExecutiveBlock:
    if seen is None:
        return ExecutiveBlock(status=Freshness.MISSING)
    score = seen.newest.overall_health_score
    arrow = trends.trend(trends.change(score, seen.previous_score))
    return ExecutiveBlock(
        status=trends.freshness(Scope.EXECUTIVE_REPORTS, seen.at, now),
        as_of=seen.at,
        age_days=trends.age_days(seen.at, now),
        is_derived=seen.is_derived,
        formula_version=seen.formula_version,
        previous=seen.previous_score,
        delta_1w=trends.change(score, seen.score_1w),
        delta_4w=trends.change(score, seen.score_4w),
        trend=arrow,
        reports_last_90d=seen.count_in_window,
        last_report_date=seen.at,
        last_period_end=seen.newest.period_end,
        overall_health_score=score,
        health_trend=arrow,
    )


def _lifecycle(seen: RunSeen | None, now: datetime) -> LifecycleBlock:
    if seen is None:
        return LifecycleBlock(status=Freshness.MISSING)
    return LifecycleBlock(
        status=trends.freshness(Scope.LIFECYCLE, seen.at, now),
        as_of=seen.at,
        age_days=trends.age_days(seen.at, now),
        is_derived=seen.is_derived,
        formula_version=seen.formula_version,
        last_run_at=seen.at,
        total_compacted=seen.newest.total_compacted,
        total_deleted=seen.newest.total_deleted,
        operations_successful=seen.newest.operations_successful,
        operations_skipped=seen.newest.operations_skipped,
        operations_failed=seen.newest.operations_failed,
    )


def _facts(standing: Standing, now: datetime) -> risks.Facts:
    readiness, adoption, editions = standing.readiness, standing.adoption, standing.editions
    active = standing.uplift.active if standing.uplift else ()
    waiting = [_progressed_at(one) for one in active if one.done < one.total]
    return risks.Facts(
        now=now,
        newest=_newest(standing),
        first_seen=readiness.first_at if readiness else None,
        readiness=[
            *[point for point in readiness.weekly if point and point.at < readiness.at],
            Point(readiness.at, readiness.newest.overall_score),
        ]
        if readiness
        else [],
        readiness_delta_4w=trends.change(readiness.newest.overall_score, readiness.score_4w)
        if readiness
        else None,
        breadth=adoption.newest.breadth if adoption else None,
        open_tasks=sum(one.total - one.done for one in active),
        blocked_tasks=sum(one.blocked for one in active),
        last_progress=min(waiting) if waiting else None,
        main_edition=editions.latest[0].main_key if editions else None,
        fits=_fit_points(editions) if editions else [],
    )


def _newest(standing: Standing) -> Mapping[Scope, datetime]:
    seen: dict[Scope, Seen | None] = {
        Scope.READINESS: standing.readiness,
        Scope.EDITIONS: standing.editions,
        Scope.UPLIFT: standing.uplift,
        Scope.ADOPTION: standing.adoption,
        Scope.EXECUTIVE_REPORTS: standing.executive,
        Scope.LIFECYCLE: standing.lifecycle,
    }
    return {domain: one.at for domain, one in seen.items() if one}


def _fit_points(seen: EditionsSeen) -> list[Point]:
    key = seen.latest[0].main_key
    told = [week for week in seen.weekly if week and week[0] < seen.at]
    told.append((seen.at, seen.latest[0]))
    return [Point(at, fit) for at, snapshot in told if (fit := _fit_of(snapshot, key)) is not None]


def _fit_of(snapshot: EditionsSnapshot | None, key: str) -> float | None:
    fits = snapshot.fits if snapshot else []
    return next((one.fit_score for one in fits if one.edition_key == key), None)


def _progressed_at(plan: PlanTally) -> datetime:
    """When the plan last moved: a completion, else when it began."""
    began = datetime.combine(plan.starts_on, time(), UTC) if plan.starts_on else plan.created_at
    return max(plan.last_completed_at or began, began, plan.created_at)


def _expected(plans: Sequence[PlanTally], today: date) -> int | None:
    """Plans without both dates expect nothing, so they do not count."""
    dated = [
        (one.total, rollups.expected_share(one.starts_on, one.target_on, today))
        for one in plans
        if one.starts_on and one.target_on and one.total
    ]
    total = sum(tasks for tasks, _ in dated)
    return round(100 * sum(tasks * share for tasks, share in dated) / total) if total else None


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, SHARE_DECIMALS) if whole else None


def _no_series() -> list[float | None]:
    return [None] * trends.SERIES_WEEKS


def _label(entry: object, key: str) -> str:
    """An entry that has left the catalogue is shown by its key."""
    return getattr(entry, "label", key)
