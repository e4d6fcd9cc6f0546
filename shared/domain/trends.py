"""How a value moved: arrows, changes over one and four weeks, freshness."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.contracts.words import Freshness, Scope, Trend

DEAD_BAND = 1.0
"""Points; a smaller change is noise, so the arrow stays flat."""

MATERIAL = 5.0
"""Points; from here on a change is worth a conversation."""

ONE_WEEK = timedelta(weeks=1)
FOUR_WEEKS = timedelta(weeks=4)

SLACK = timedelta(hours=12)
"""Producers never run at the same second, so "a week earlier" gives half a day: otherwise every
other weekly snapshot would be compared with the one two weeks before it."""

SERIES_WEEKS = 18

CADENCE = {
    Scope.READINESS: timedelta(days=8),
    Scope.ADOPTION: timedelta(days=8),
    Scope.EDITIONS: timedelta(days=35),
    Scope.UPLIFT: timedelta(days=35),
    Scope.EXECUTIVE_REPORTS: timedelta(days=35),
    Scope.LIFECYCLE: timedelta(days=35),
}
"""Beyond this age data is stale. Weekly work gets a day of grace, monthly work four."""

_DAY = timedelta(days=1)
_DECIMALS = 2


class Point(NamedTuple):
    """One value and when it was observed."""

    at: datetime
    value: float


def reach(span: timedelta) -> timedelta:
    """How long before the newest value the one to compare it with was observed, at least."""
    return span - SLACK


def change(now: float | None, then: float | None) -> float | None:
    """Points gained, to two decimals; None where there is nothing to compare."""
    return None if now is None or then is None else round(now - then, _DECIMALS)


def trend(points: float | None) -> Trend:
    """Turn a change into an arrow."""
    if points is None:
        return Trend.UNKNOWN
    if abs(points) < DEAD_BAND:
        return Trend.FLAT
    return Trend.UP if points > 0 else Trend.DOWN


def is_material(points: float | None) -> bool:
    """Whether a change is one to talk about."""
    return points is not None and abs(points) >= MATERIAL


def age_days(as_of: datetime, now: datetime) -> float:
    """Age in days, to two decimals; a clock that runs ahead of ours gives 0."""
    return round(max((now - as_of) / _DAY, 0.0), _DECIMALS)


def freshness(domain: Scope, as_of: datetime | None, now: datetime) -> Freshness:
    """Judge whether the newest observation may be relied on."""
    if as_of is None:
        return Freshness.MISSING
    return Freshness.STALE if now - as_of > CADENCE[domain] else Freshness.OK


def held_since(points: Sequence[Point], edge: float) -> datetime | None:
    """When the unbroken run of values below `edge` began that lasts until the newest.

    Args:
        points: oldest first.
        edge: values strictly below it belong to the run.

    Returns:
        None where the newest value is not below the edge.
    """
    since = None
    for point in reversed(points):
        if point.value >= edge:
            break
        since = point.at
    return since
