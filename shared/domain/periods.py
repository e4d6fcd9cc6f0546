"""Calendar periods: days, ISO weeks and months in UTC, half-open, clipped to what was asked for."""

from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from shared.contracts.words import Granularity

MAX_PERIODS = 800
MIN_YEAR = 1970
MAX_YEAR = 9000
"""Python's calendar runs from 1 to 9999; these keep its ends out of reach."""

_MONTHS = 12


class Bucket(NamedTuple):
    """`[start, end)`."""

    start: datetime
    end: datetime


def buckets(start: datetime, end: datetime, granularity: Granularity) -> list[Bucket]:
    """Cut `[start, end)` at every midnight, Monday or first of the month, in UTC.

    The first and the last bucket are clipped, so that together they are exactly what was asked.

    Raises:
        ValueError: it is empty, leaves the years 1970 to 9000, or makes more than 800 buckets.
    """
    if start >= end:
        raise ValueError("the range is empty")
    if start.year < MIN_YEAR or end.year > MAX_YEAR:
        raise ValueError(f"the range must lie within the years {MIN_YEAR} to {MAX_YEAR}")
    made: list[Bucket] = []
    at = start.astimezone(UTC)
    while at < end:
        if len(made) == MAX_PERIODS:
            raise ValueError(f"the range makes more than {MAX_PERIODS} periods")
        after = min(_next_edge(at, granularity), end.astimezone(UTC))
        made.append(Bucket(at, after))
        at = after
    return made


def floor(at: datetime, granularity: Granularity) -> datetime:
    """Give the start of the calendar period that holds `at`."""
    day = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
    match granularity:
        case Granularity.DAILY:
            return day
        case Granularity.WEEKLY:
            return day - timedelta(days=day.weekday())
        case Granularity.MONTHLY:
            return day.replace(day=1)


def weeks_until(now: datetime, count: int) -> list[Bucket]:
    """Give the last `count` ISO weeks, oldest first; the last one holds `now`."""
    monday = floor(now, Granularity.WEEKLY)
    week = timedelta(weeks=1)
    starts = [monday - week * back for back in range(count - 1, -1, -1)]
    return [Bucket(start, start + week) for start in starts]


def _next_edge(at: datetime, granularity: Granularity) -> datetime:
    start = floor(at, granularity)
    match granularity:
        case Granularity.DAILY:
            return start + timedelta(days=1)
        case Granularity.WEEKLY:
            return start + timedelta(weeks=1)
        case Granularity.MONTHLY:
            year, month = divmod(start.year * _MONTHS + start.month, _MONTHS)
            return start.replace(year=year, month=month + 1)
