"""The history: the last value of each period, and what happened in it.

Uplift counts by `completed_at`. A period's total is the tasks that existed at its end, in plans
that are no drafts today; what was told of after it was done existed when it was done, and with it
the other tasks of a plan that was new then. A task that a later plan leaves out is gone from the
past as well.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import NamedTuple

import msgspec

from shared.contracts.success import History, Period, Spread
from shared.contracts.words import AdoptionStatus, Band, Granularity, Scope
from shared.data.connection import Row
from shared.data.session import TenantSession
from shared.domain import periods
from shared.domain.periods import Bucket
from shared.errors import FieldError, InvalidError

DEFAULT_SPAN = timedelta(days=90)

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_VALUED = (Scope.READINESS, Scope.EDITIONS, Scope.ADOPTION)
_COUNTED = (*_VALUED, Scope.EXECUTIVE_REPORTS)
_MINUTE = timedelta(minutes=1)


class Question(NamedTuple):
    """What is asked: a range, half-open, and how it is cut."""

    start: datetime
    end: datetime
    granularity: Granularity
    buckets: list[Bucket]


def question(
    start: str | None, end: str | None, granularity: str | None, *, now: datetime
) -> Question:
    """Read a query; by default the 90 days until now, in weeks.

    A day stands for its first instant. Without `to` the range ends with the running minute, so what
    was told a moment ago is in it, and asking again within the minute is the same question.

    Raises:
        InvalidError: something is no date, has no offset, or makes no or too many periods.
    """
    running = now.replace(second=0, microsecond=0)
    until = _instant("to", end) if end is not None else running + _MINUTE
    since = _instant("from", start) if start is not None else until - DEFAULT_SPAN
    try:
        cut = Granularity(granularity or Granularity.WEEKLY)
    except ValueError:
        known = ", ".join(Granularity)
        refused = FieldError("granularity", "not_allowed", f"It must be one of {known}.")
        raise InvalidError(errors=[refused]) from None
    try:
        return Question(since, until, cut, periods.buckets(since, until, cut))
    except ValueError as error:
        refused = FieldError("from", "out_of_range", f"{error}".capitalize() + ".")
        raise InvalidError(errors=[refused]) from None


async def tell_history(session: TenantSession, asked: Question, *, now: datetime) -> History:
    """Tell each period's last values; null where nothing was observed in it."""
    last = await _last_values(session, asked.buckets)
    spreads = await _spreads(session, asked)
    done, total = await _uplift(session, asked)
    return History(
        granularity=asked.granularity,
        from_=asked.start,
        to=asked.end,
        as_of=now,
        periods=[
            _period(
                bucket,
                {domain: last.get((domain, number)) for domain in _VALUED},
                {domain: spreads.get((domain, number)) for domain in _COUNTED},
                done=done[number] if total[number] else None,
                total=total[number] or None,
            )
            for number, bucket in enumerate(asked.buckets)
        ],
    )


LAST_VALUES = """
SELECT told.domain, period.number - 1 AS number, newest.score, newest.level,
  newest.formula_version
FROM unnest($2::text[]) AS told (domain)
CROSS JOIN unnest($3::timestamptz[], $4::timestamptz[])
  WITH ORDINALITY AS period (starts, ends, number)
CROSS JOIN LATERAL (
  SELECT score, level, formula_version FROM observation
  WHERE tenant_id = $1 AND domain = told.domain
    AND observed_at >= period.starts AND observed_at < period.ends
  ORDER BY observed_at DESC, id DESC LIMIT 1
) newest
"""

SPREADS = """
SELECT domain, width_bucket(observed_at, $3::timestamptz[]) - 1 AS number, count(*),
  min(score), max(score)
FROM observation
WHERE tenant_id = $1 AND domain = ANY ($2) AND observed_at >= $4 AND observed_at < $5
GROUP BY domain, number
"""

TASKS = """
WITH task AS (
  SELECT task.completed_at, task.first_seen_at FROM uplift_task task
  JOIN uplift_plan plan ON plan.tenant_id = task.tenant_id AND plan.id = task.plan_id
  WHERE task.tenant_id = $1 AND plan.status <> 'draft'
)
SELECT 'done' AS what, width_bucket(completed_at, $2::timestamptz[]) - 1 AS number, count(*)
FROM task WHERE completed_at >= $3 AND completed_at < $4 GROUP BY number
UNION ALL
SELECT 'seen', greatest(width_bucket(first_seen_at, $2::timestamptz[]) - 1, 0) AS number, count(*)
FROM task WHERE first_seen_at < $4 GROUP BY number
"""


async def _last_values(
    session: TenantSession, buckets: Sequence[Bucket]
) -> dict[tuple[Scope, int], Row]:
    rows = await session.connection.fetch(
        LAST_VALUES,
        session.tenant_id,
        list(_VALUED),
        [one.start for one in buckets],
        [one.end for one in buckets],
    )
    return {(Scope(row["domain"]), row["number"]): row for row in rows}


async def _spreads(session: TenantSession, asked: Question) -> dict[tuple[Scope, int], Row]:
    rows = await session.connection.fetch(
        SPREADS,
        session.tenant_id,
        list(_COUNTED),
        [one.start for one in asked.buckets],
        asked.start,
        asked.end,
    )
    return {(Scope(row["domain"]), row["number"]): row for row in rows}


async def _uplift(session: TenantSession, asked: Question) -> tuple[list[int], list[int]]:
    """Tasks done in each period, and tasks that existed at its end."""
    rows = await session.connection.fetch(
        TASKS,
        session.tenant_id,
        [one.start for one in asked.buckets],
        asked.start,
        asked.end,
    )
    counts = {(row["what"], row["number"]): row["count"] for row in rows}
    numbers = range(len(asked.buckets))
    done = [counts.get(("done", number), 0) for number in numbers]
    return done, list(accumulate(counts.get(("seen", number), 0) for number in numbers))


def _period(
    bucket: Bucket,
    last: Mapping[Scope, Row | None],
    spreads: Mapping[Scope, Row | None],
    *,
    done: int | None,
    total: int | None,
) -> Period:
    readiness, editions, adoption = (last[domain] for domain in _VALUED)
    reports = spreads[Scope.EXECUTIVE_REPORTS]
    return Period(
        period_start=bucket.start,
        period_end=bucket.end,
        readiness_score=readiness["score"] if readiness else None,
        readiness_band=Band(readiness["level"]) if readiness else None,
        edition_fit_score=editions["score"] if editions else None,
        adoption_overall_status=AdoptionStatus(adoption["level"]) if adoption else None,
        adoption_score=adoption["score"] if adoption else None,
        uplift_tasks_done=done,
        uplift_tasks_total=total,
        report_count=reports["count"] if reports else 0,
        readiness_spread=_spread(readiness, spreads[Scope.READINESS]),
        edition_fit_spread=_spread(editions, spreads[Scope.EDITIONS]),
        adoption_spread=_spread(adoption, spreads[Scope.ADOPTION]),
    )


def _spread(last: Row | None, values: Row | None) -> Spread | None:
    if last is None or values is None or values["min"] is None:
        return None  # one was stored between the two questions
    return Spread(
        min=values["min"],
        max=values["max"],
        count=values["count"],
        formula_version=last["formula_version"],
    )


def _instant(name: str, text: str) -> datetime:
    try:
        at = (
            datetime.combine(date.fromisoformat(text), time(), UTC)
            if _DAY.fullmatch(text)
            else msgspec.convert(text, datetime)
        )
    except ValueError:
        refused = FieldError(name, "malformed", "A date or an RFC 3339 instant is expected.")
        raise InvalidError(errors=[refused]) from None
    if at.tzinfo is None:
        refused = FieldError(
            name, "malformed", "An instant needs its offset from UTC, such as `Z`."
        )
        raise InvalidError(errors=[refused])
    if not periods.MIN_YEAR <= at.year <= periods.MAX_YEAR:
        years = f"{periods.MIN_YEAR} to {periods.MAX_YEAR}"
        raise InvalidError(errors=[FieldError(name, "out_of_range", f"The years are {years}.")])
    return at
