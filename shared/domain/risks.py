"""What is at risk, since when, on what evidence, and which one action answers it.

Deterministic: the same facts give the same risks. Every threshold stands in `Thresholds`; each
code of the list is told at most once, most severe first.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.success import Risk
from shared.contracts.words import ActionCode, RiskCode, Scope, Severity
from shared.domain.trends import CADENCE, MATERIAL, Point, held_since


class Thresholds:
    """Where each risk begins and where it becomes high; scores in points, shares 0 to 1."""

    SCORE_LOW_BELOW = 40.0
    """The band `baseline`."""
    SCORE_LOW_HIGH_BELOW = 20.0
    DROP_FROM = MATERIAL
    DROP_HIGH_FROM = 15.0
    BREADTH_BELOW = 0.5
    """Fewer than three of the six dimensions in regular use."""
    BREADTH_HIGH_BELOW = 0.2
    """Fewer than two."""
    STALLED_AFTER = timedelta(days=28)
    STALLED_HIGH_AFTER = timedelta(days=56)
    BLOCKED_SHARE_FROM = 0.2
    """Of the tasks still open."""
    BLOCKED_SHARE_HIGH_FROM = 0.5
    MISFIT_BELOW = 60.0
    """Not yet `aligned`."""
    MISFIT_HIGH_BELOW = 25.0
    """`not_started`."""
    STALE_HIGH_AFTER_CADENCES = 3


WATCHED = (Scope.READINESS, Scope.ADOPTION, Scope.EDITIONS)
"""Whose age `data_stale` tells; plans and reports have risks of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What risks are judged by.

    Attributes:
        now: the instant of judging.
        newest: the newest observation of each domain that has one.
        first_seen: the oldest instant at which the tenant is known to have sent readiness.
        readiness: weekly last values and the newest, oldest first; the newest is the last.
        readiness_delta_4w: points since four weeks before.
        breadth: share of dimensions in regular use or above; None where nothing was measured.
        open_tasks: tasks of active plans that are not done.
        blocked_tasks: those of them that are blocked.
        last_progress: the last completion in the active plans, else the start of the oldest.
        main_edition: the main edition's key.
        fits: its weekly last fits and the newest, oldest first.
    """

    now: datetime
    newest: Mapping[Scope, datetime]
    first_seen: datetime | None = None
    readiness: Sequence[Point] = ()
    readiness_delta_4w: float | None = None
    breadth: float | None = None
    open_tasks: int = 0
    blocked_tasks: int = 0
    last_progress: datetime | None = None
    main_edition: str | None = None
    fits: Sequence[Point] = ()


def risks(facts: Facts) -> list[Risk]:
    """Judge every rule; the most severe first, then in the order of `RiskCode`."""
    order = {severity: rank for rank, severity in enumerate(reversed(Severity))}
    return sorted(_judged(facts), key=lambda one: order[one.severity])


def _judged(facts: Facts) -> Iterator[Risk]:
    yield from _score_low(facts)
    yield from _score_drop(facts)
    yield from _adoption_narrow(facts)
    yield from _plan_stalled(facts)
    yield from _plan_blocked(facts)
    yield from _edition_misfit(facts)
    yield from _data_stale(facts)
    yield from _report_missing(facts)


def _score_low(facts: Facts) -> Iterator[Risk]:
    since = held_since(facts.readiness, Thresholds.SCORE_LOW_BELOW)
    if since is None:
        return
    score = facts.readiness[-1].value
    yield Risk(
        code=RiskCode.SCORE_LOW,
        severity=_severity(is_high=score < Thresholds.SCORE_LOW_HIGH_BELOW),
        since=since,
        evidence={"overall_score": score, "below": Thresholds.SCORE_LOW_BELOW},
        action_code=ActionCode.RAISE_WEAKEST_CAPABILITY,
    )


def _score_drop(facts: Facts) -> Iterator[Risk]:
    delta = facts.readiness_delta_4w
    if delta is None or delta > -Thresholds.DROP_FROM:
        return
    score = facts.readiness[-1].value
    yield Risk(
        code=RiskCode.SCORE_DROP_4W,
        severity=_severity(is_high=delta <= -Thresholds.DROP_HIGH_FROM),
        # Since when it has stayed a material step below where it was.
        since=held_since(facts.readiness, math.nextafter(score - delta - MATERIAL, math.inf)),
        evidence={"overall_score": score, "delta_4w": delta},
        action_code=ActionCode.REVIEW_LARGEST_LOSS,
    )


def _adoption_narrow(facts: Facts) -> Iterator[Risk]:
    if facts.breadth is None or facts.breadth >= Thresholds.BREADTH_BELOW:
        return
    yield Risk(
        code=RiskCode.ADOPTION_NARROW,
        severity=_severity(is_high=facts.breadth < Thresholds.BREADTH_HIGH_BELOW),
        since=facts.newest.get(Scope.ADOPTION),
        evidence={"breadth": facts.breadth, "below": Thresholds.BREADTH_BELOW},
        action_code=ActionCode.ACTIVATE_NEXT_DIMENSION,
    )


def _plan_stalled(facts: Facts) -> Iterator[Risk]:
    last = facts.last_progress
    if last is None or not facts.open_tasks or facts.now - last <= Thresholds.STALLED_AFTER:
        return
    yield Risk(
        code=RiskCode.PLAN_STALLED,
        severity=_severity(is_high=facts.now - last > Thresholds.STALLED_HIGH_AFTER),
        since=last + Thresholds.STALLED_AFTER,
        evidence={"days_without_completion": (facts.now - last).days, "open": facts.open_tasks},
        action_code=ActionCode.RESUME_PLAN,
    )


def _plan_blocked(facts: Facts) -> Iterator[Risk]:
    share = facts.blocked_tasks / facts.open_tasks if facts.open_tasks else 0.0
    if share < Thresholds.BLOCKED_SHARE_FROM:
        return
    yield Risk(
        code=RiskCode.PLAN_BLOCKED,
        severity=_severity(is_high=share >= Thresholds.BLOCKED_SHARE_HIGH_FROM),
        # A plan tells that a task is blocked, not since when.
        since=None,
        evidence={"blocked": facts.blocked_tasks, "open": facts.open_tasks},
        action_code=ActionCode.UNBLOCK_TASKS,
    )


def _edition_misfit(facts: Facts) -> Iterator[Risk]:
    since = held_since(facts.fits, Thresholds.MISFIT_BELOW)
    if since is None:
        return
    fit = facts.fits[-1].value
    yield Risk(
        code=RiskCode.EDITION_MISFIT,
        severity=_severity(is_high=fit < Thresholds.MISFIT_HIGH_BELOW),
        since=since,
        evidence={
            "edition_key": facts.main_edition,
            "fit_score": fit,
            "below": Thresholds.MISFIT_BELOW,
        },
        action_code=ActionCode.REVIEW_EDITION,
    )


def _data_stale(facts: Facts) -> Iterator[Risk]:
    stale = {
        domain: newest
        for domain in WATCHED
        if (newest := facts.newest.get(domain)) and facts.now - newest > CADENCE[domain]
    }
    if not stale:
        return
    patience = Thresholds.STALE_HIGH_AFTER_CADENCES
    yield Risk(
        code=RiskCode.DATA_STALE,
        severity=_severity(
            is_high=any(
                facts.now - newest > CADENCE[domain] * patience for domain, newest in stale.items()
            )
        ),
        since=min(newest + CADENCE[domain] for domain, newest in stale.items()),
        evidence={
            f"{domain}_age_days": (facts.now - newest).days for domain, newest in stale.items()
        },
        action_code=ActionCode.CHECK_PRODUCER,
    )


def _report_missing(facts: Facts) -> Iterator[Risk]:
    """A tenant that sends readiness should hear about it in a report at the usual cadence."""
    last = facts.newest.get(Scope.EXECUTIVE_REPORTS)
    counted_from = last or facts.first_seen
    cadence = CADENCE[Scope.EXECUTIVE_REPORTS]
    if counted_from is None or facts.now - counted_from <= cadence:
        return
    yield Risk(
        code=RiskCode.REPORT_MISSING,
        severity=Severity.LOW,
        since=counted_from + cadence,
        evidence={"days_since_report": None if last is None else (facts.now - last).days},
        action_code=ActionCode.PUBLISH_REPORT,
    )


def _severity(*, is_high: bool) -> Severity:
    return Severity.HIGH if is_high else Severity.MEDIUM
