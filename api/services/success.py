"""The overview's questions to the database: the newest of each domain, never a whole history.

A few queries of a handful of index probes each, however long the tenant has been told of.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from shared.contracts.success import Overview
from shared.contracts.words import Scope
from shared.data.connection import Row
from shared.data.session import TenantSession
from shared.domain import overview, periods, trends
from shared.domain.catalogue import Catalogue
from shared.domain.overview import (
    AdoptionSeen,
    EditionsSeen,
    PlansSeen,
    PlanTally,
    ReadinessSeen,
    ReportSeen,
    RunSeen,
    Standing,
)
from shared.domain.snapshots import (
    AdoptionSnapshot,
    EditionsSnapshot,
    ExecutiveReportSnapshot,
    LifecycleRunSnapshot,
    ReadinessSnapshot,
)
from shared.domain.trends import Point
from shared.errors import NotFoundError

S = TypeVar("S")

COMPUTATIONS = 20
"""How many edition computations are looked through for each edition's newest fit."""

SERIES_DOMAINS = (Scope.READINESS, Scope.ADOPTION, Scope.EDITIONS)


async def tell_overview(session: TenantSession, catalogue: Catalogue, *, now: datetime) -> Overview:
    """Tell how the tenant stands; a tenant nobody told of gets six missing blocks.

    Raises:
        NotFoundError: the tenant was deleted a moment ago.
    """
    newest = {Scope(row["domain"]): row for row in await _newest(session)}
    weekly = await _weekly(session, now)
    once = await _once(session, now)
    standing = Standing(
        tenant_id=session.tenant_id,
        tenant_name=once["name"],
        readiness=_readiness(newest, weekly, first_at=once["first_at"]),
        editions=await _editions(session, newest, weekly),
        uplift=await _uplift(session, newest, now),
        adoption=_adoption(newest, weekly),
        executive=_executive(newest, count=once["report_count"]),
        lifecycle=_lifecycle(newest),
    )
    return overview.overview(standing, catalogue, now=now)


NEWEST = """
SELECT told.domain, newest.observed_at, newest.score, newest.is_derived, newest.formula_version,
  newest.body, previous.score AS previous_score, previous.body AS previous_body,
  week.score AS score_1w, week.body AS body_1w, month.score AS score_4w, month.body AS body_4w
FROM unnest($2::text[]) AS told (domain)
CROSS JOIN LATERAL (
  SELECT * FROM observation WHERE tenant_id = $1 AND domain = told.domain
  ORDER BY observed_at DESC, id DESC LIMIT 1
) newest
LEFT JOIN LATERAL (
  SELECT score, body FROM observation WHERE tenant_id = $1 AND domain = told.domain
    AND (observed_at, id) < (newest.observed_at, newest.id)
  ORDER BY observed_at DESC, id DESC LIMIT 1
) previous ON true
LEFT JOIN LATERAL (
  SELECT score, body FROM observation WHERE tenant_id = $1 AND domain = told.domain
    AND observed_at <= newest.observed_at - $3::interval
  ORDER BY observed_at DESC, id DESC LIMIT 1
) week ON true
LEFT JOIN LATERAL (
  SELECT score, body FROM observation WHERE tenant_id = $1 AND domain = told.domain
    AND observed_at <= newest.observed_at - $4::interval
  ORDER BY observed_at DESC, id DESC LIMIT 1
) month ON true
"""

WEEKLY = """
SELECT told.domain, week.number, newest.observed_at, newest.score,
  CASE WHEN told.domain = 'editions' THEN newest.body END AS body
FROM unnest($2::text[]) AS told (domain)
CROSS JOIN unnest($3::timestamptz[], $4::timestamptz[])
  WITH ORDINALITY AS week (starts, ends, number)
CROSS JOIN LATERAL (
  SELECT observed_at, score, body FROM observation
  WHERE tenant_id = $1 AND domain = told.domain
    AND observed_at >= week.starts AND observed_at < week.ends
  ORDER BY observed_at DESC, id DESC LIMIT 1
) newest
"""

ONCE = """
SELECT (SELECT name FROM tenant WHERE id = $1) AS name,
  (SELECT observed_at FROM observation WHERE tenant_id = $1 AND domain = 'readiness'
    ORDER BY observed_at, id LIMIT 1) AS first_at,
  (SELECT count(*) FROM observation WHERE tenant_id = $1 AND domain = 'executive_reports'
    AND observed_at >= $2) AS report_count
"""

PLANS = """
SELECT plan.status, plan.created_at, plan.starts_on, plan.target_on, tally.*
FROM uplift_plan plan CROSS JOIN LATERAL (
  SELECT count(*) AS total,
    count(*) FILTER (WHERE status = 'done') AS done,
    count(*) FILTER (WHERE status = 'blocked') AS blocked,
    count(*) FILTER (WHERE status <> 'done' AND due_on < $2) AS overdue,
    max(completed_at) AS last_completed_at,
    count(*) FILTER (WHERE first_seen_at <= $3) AS total_1w,
    count(*) FILTER (WHERE completed_at <= $3) AS done_1w,
    count(*) FILTER (WHERE first_seen_at <= $4) AS total_4w,
    count(*) FILTER (WHERE completed_at <= $4) AS done_4w
  FROM uplift_task task
  WHERE task.tenant_id = plan.tenant_id AND task.plan_id = plan.id AND plan.status = 'active'
) tally
WHERE plan.tenant_id = $1 AND plan.status IN ('active', 'draft')
"""

Weekly = Mapping[Scope, Mapping[int, Row]]


async def _newest(session: TenantSession) -> list[Row]:
    return await session.connection.fetch(
        NEWEST,
        session.tenant_id,
        list(Scope),
        trends.reach(trends.ONE_WEEK),
        trends.reach(trends.FOUR_WEEKS),
    )


async def _weekly(session: TenantSession, now: datetime) -> Weekly:
    weeks = periods.weeks_until(now, trends.SERIES_WEEKS)
    rows = await session.connection.fetch(
        WEEKLY,
        session.tenant_id,
        list(SERIES_DOMAINS),
        [week.start for week in weeks],
        [week.end for week in weeks],
    )
    found: dict[Scope, dict[int, Row]] = {domain: {} for domain in SERIES_DOMAINS}
    for row in rows:
        found[Scope(row["domain"])][row["number"]] = row
    return found


async def _once(session: TenantSession, now: datetime) -> Row:
    """Single values, for a tenant that was not deleted a moment ago."""
    row = await session.connection.fetchrow(ONCE, session.tenant_id, now - overview.REPORTS_WINDOW)
    if row is None or row["name"] is None:
        raise NotFoundError
    return row


def _readiness(
    newest: Mapping[Scope, Row], weekly: Weekly, *, first_at: datetime
) -> ReadinessSeen | None:
    row = newest.get(Scope.READINESS)
    if row is None:
        return None
    return ReadinessSeen(
        **_seen(row),
        newest=msgspec.json.decode(row["body"], type=ReadinessSnapshot),
        previous=_decoded(row["previous_body"], ReadinessSnapshot),
        score_1w=row["score_1w"],
        score_4w=row["score_4w"],
        weekly=_points(weekly[Scope.READINESS]),
        first_at=first_at,
    )


async def _editions(
    session: TenantSession, newest: Mapping[Scope, Row], weekly: Weekly
) -> EditionsSeen | None:
    row = newest.get(Scope.EDITIONS)
    if row is None:
        return None
    latest = await session.connection.fetch(
        """
        SELECT body FROM observation WHERE tenant_id = $1 AND domain = 'editions'
        ORDER BY observed_at DESC, id DESC LIMIT $2
        """,
        session.tenant_id,
        COMPUTATIONS,
    )
    return EditionsSeen(
        **_seen(row),
        latest=[msgspec.json.decode(one["body"], type=EditionsSnapshot) for one in latest],
        snapshot_1w=_decoded(row["body_1w"], EditionsSnapshot),
        snapshot_4w=_decoded(row["body_4w"], EditionsSnapshot),
        weekly=[
            (one["observed_at"], msgspec.json.decode(one["body"], type=EditionsSnapshot))
            if (one := weekly[Scope.EDITIONS].get(number))
            else None
            for number in range(1, trends.SERIES_WEEKS + 1)
        ],
    )


async def _uplift(
    session: TenantSession, newest: Mapping[Scope, Row], now: datetime
) -> PlansSeen | None:
    row = newest.get(Scope.UPLIFT)
    if row is None:
        return None
    plans = await session.connection.fetch(
        PLANS,
        session.tenant_id,
        now.astimezone(UTC).date(),
        now - trends.ONE_WEEK,
        now - trends.FOUR_WEEKS,
    )
    return PlansSeen(
        **_seen(row),
        active=[
            PlanTally(**{name: value for name, value in plan.items() if name != "status"})
            for plan in plans
            if plan["status"] == "active"
        ],
        draft_count=sum(plan["status"] == "draft" for plan in plans),
    )


def _adoption(newest: Mapping[Scope, Row], weekly: Weekly) -> AdoptionSeen | None:
    row = newest.get(Scope.ADOPTION)
    if row is None:
        return None
    return AdoptionSeen(
        **_seen(row),
        newest=msgspec.json.decode(row["body"], type=AdoptionSnapshot),
        previous_score=row["previous_score"],
        score_1w=row["score_1w"],
        snapshot_4w=_decoded(row["body_4w"], AdoptionSnapshot),
        weekly=_points(weekly[Scope.ADOPTION]),
    )


def _executive(newest: Mapping[Scope, Row], *, count: int) -> ReportSeen | None:
    row = newest.get(Scope.EXECUTIVE_REPORTS)
    if row is None:
        return None
    return ReportSeen(
        **_seen(row),
        newest=msgspec.json.decode(row["body"], type=ExecutiveReportSnapshot),
        previous_score=row["previous_score"],
        score_1w=row["score_1w"],
        score_4w=row["score_4w"],
        count_in_window=count,
    )


def _lifecycle(newest: Mapping[Scope, Row]) -> RunSeen | None:
    row = newest.get(Scope.LIFECYCLE)
    if row is None:
        return None
    return RunSeen(**_seen(row), newest=msgspec.json.decode(row["body"], type=LifecycleRunSnapshot))


def _seen(row: Row) -> dict[str, Any]:
    return {
        "at": row["observed_at"],
        "is_derived": row["is_derived"],
        "formula_version": row["formula_version"],
    }


def _decoded(body: str | None, kind: type[S]) -> S | None:
    return None if body is None else msgspec.json.decode(body, type=kind)


def _points(weeks: Mapping[int, Row]) -> list[Point | None]:
    return [
        Point(one["observed_at"], one["score"]) if (one := weeks.get(number)) else None
        for number in range(1, trends.SERIES_WEEKS + 1)
    ]
