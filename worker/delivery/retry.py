"""When a failed delivery is tried again: ten attempts spread over a little more than three days."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SCHEDULE: tuple[timedelta, ...] = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.2
ATTEMPT_TAKES = timedelta(seconds=15)
LEAST_LIFETIME = timedelta(hours=24)
LONGEST_RETRY_AFTER = timedelta(hours=24)

_SECONDS = re.compile(r"[0-9]+")
_LONGEST_VALUE = 64


def next_due(
    attempt_number: int,
    *,
    ended_at: datetime,
    spread: float,
    schedule: Sequence[timedelta] = SCHEDULE,
) -> datetime | None:
    """Say when to try again after the attempt with this number failed.

    Args:
        attempt_number: 1 for the first attempt.
        ended_at: when that attempt ended.
        spread: a random number from 0 to 1 that moves the wait by -20 % to +20 %, so that the
            deliveries of one outage do not all come back in the same second; 0.5 moves nothing.
        schedule: the waits, the first after the first attempt.

    Returns:
        The instant, or None when the schedule is exhausted.

    Raises:
        ValueError: `attempt_number` is below 1 or `spread` outside 0 to 1.
    """
    if attempt_number < 1:
        raise ValueError("attempts are counted from 1")
    if not 0 <= spread <= 1:
        raise ValueError("spread goes from 0 to 1")
    if attempt_number > len(schedule):
        return None
    return ended_at + schedule[attempt_number - 1] * (1 - JITTER + 2 * JITTER * spread)


def lifetime(schedule: Sequence[timedelta] = SCHEDULE) -> timedelta:
    """How old a delivery may become: as long as the schedule can take, but a day at least.

    One that was never tried, since its receiver does not answer, is given up at this age.
    """
    attempts = len(schedule) + 1
    longest = sum(schedule, timedelta(0)) * (1 + JITTER) + ATTEMPT_TAKES * attempts
    return max(longest, LEAST_LIFETIME)


def retry_after(value: str, *, now: datetime) -> timedelta | None:
    """Read the header `Retry-After`, seconds or an HTTP date.

    Args:
        value: the header as it came.
        now: the instant from which a date is counted.

    Returns:
        How long to wait, from zero to 24 hours, or None when the value means nothing.
    """
    text = value.strip()
    if len(text) > _LONGEST_VALUE:
        return None
    if _SECONDS.fullmatch(text):
        seconds = min(int(text), int(LONGEST_RETRY_AFTER.total_seconds()))
        return timedelta(seconds=seconds)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(max(date - now, timedelta(0)), LONGEST_RETRY_AFTER)
