"""What overview, portfolio and digest ask the database: the newest of each domain, never a history.

A handful of queries of a few index probes for each tenant, however long it has been told of. A
tenant's session asks about its own tenant, an operator's about any number.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from shared.contracts.words import Scope
from shared.data.connection import Row
from shared.data.session import AnySession
from shared.domain import overview, periods, trends
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

S = TypeVar("S")

COMPUTATIONS = 20
"""How many edition computations are looked through for each edition's newest fit."""

SERIES_DOMAINS = (Scope.READINESS, Scope.ADOPTION, Scope.EDITIONS)


async def read_standings(
    session: AnySession,
    tenant_ids: Sequence[UUID],
    *,
    now: datetime,
    computations: int = COMPUTATIONS,
) -> list[Standing]:
    """How each of the tenants stands, in their order; one that there is not is left out."""
    tenants = await _tenants(session, tenant_ids, now)
    newest = await _newest(session, tenant_ids)
    weekly = await _weekly(session, tenant_ids, now)
    editions = await _editions(session, tenant_ids, computations)
    plans = await _plans(session, tenant_ids, now)
    return [
        Standing(
            tenant_id=tenant_id,
            tenant_name=tenants[tenant_id]["name"],
            readiness=_readiness(
                newest[tenant_id], weekly[tenant_id], first_at=tenants[tenant_id]["first_at"]
            ),
            editions=_editions_seen(newest[tenant_id], weekly[tenant_id], editions[tenant_id]),
            uplift=_uplift(newest[tenant_id], plans[tenant_id]),
            adoption=_adoption(newest[tenant_id], weekly[tenant_id]),
            executive=_executive(newest[tenant_id], count=tenants[tenant_id]["report_count"]),
            lifecycle=_lifecycle(newest[tenant_id]),
        )
        for tenant_id in tenant_ids
        if tenant_id in tenants
    ]


TENANTS = """
SELECT tenant.id, tenant.name,
  (SELECT observed_at FROM observation WHERE tenant_id = tenant.id AND domain = 'readiness'
    ORDER BY observed_at, id LIMIT 1) AS first_at,
  (SELECT count(*) FROM observation WHERE tenant_id = tenant.id AND domain = 'executive_reports'
    AND observed_at >= $2) AS report_count
FROM tenant WHERE id = ANY ($1)
"""

NEWEST = """
SELECT tenant.id AS tenant_id, told.domain, newest.observed_at, newest.score, newest.is_derived,
  newest.formula_version, newest.body, previous.score AS previous_score,
  previous.body AS previous_body, week.score AS score_1w, week.body AS body_1w,
  month.score AS score_4w, month.body AS body_4w
FROM unnest($1::uuid[]) AS tenant (id) CROSS JOIN unnest($2::text[]) AS told (domain)
CROSS JOIN LATERAL (
  SELECT * FROM observation WHERE tenant_id = tenant.id AND domain = told.domain
  ORDER BY observed_at DESC, id DESC LIMIT 1
) newest
LEFT JOIN LATERAL (
  SELECT score, body FROM observation WHERE tenant_id = tenant.id AND domain = told.domain
    AND (observed_at, id) < (newest.observed_at, newest.id)
  ORDER BY observed_at DESC, id DESC LIMIT 1
) previous ON true
LEFT JOIN LATERAL (
  SELECT score, body FROM observation WHERE tenant_id = tenant.id AND domain = told.domain
    AND observed_at <= newest.observed_at - $3::interval
  ORDER BY observed_at DESC, id DESC LIMIT 1
) week ON true
LEFT JOIN LATERAL (
  SELECT score, body FROM observation WHERE tenant_id = tenant.id AND domain = told.domain
    AND observed_at <= newest.observed_at - $4::interval
  ORDER BY observed_at DESC, id DESC LIMIT 1
) month ON true
"""

WEEKLY = """
SELECT tenant.id AS tenant_id, told.domain, week.number, newest.observed_at, newest.score, body
FROM unnest($1::uuid[]) AS tenant (id) CROSS JOIN unnest($2::text[]) AS told (domain)
CROSS JOIN unnest($3::timestamptz[], $4::timestamptz[])
  WITH ORDINALITY AS week (starts, ends, number)
CROSS JOIN LATERAL (
  SELECT id, observed_at, score FROM observation
  WHERE tenant_id = tenant.id AND domain = told.domain
    AND observed_at >= week.starts AND observed_at < week.ends
  ORDER BY observed_at DESC, id DESC LIMIT 1
) newest
LEFT JOIN LATERAL (
  SELECT body FROM observation
  WHERE told.domain = 'editions' AND tenant_id = tenant.id AND id = newest.id
) whole ON true
"""

EDITIONS = """
SELECT tenant.id AS tenant_id, latest.body
FROM unnest($1::uuid[]) AS tenant (id) CROSS JOIN LATERAL (
  SELECT observed_at, id, body FROM observation WHERE tenant_id = tenant.id AND domain = 'editions'
  ORDER BY observed_at DESC, id DESC LIMIT $2
) latest
ORDER BY tenant.id, latest.observed_at DESC, latest.id DESC
"""

PLANS = """
SELECT plan.tenant_id, plan.status, plan.created_at, plan.starts_on, plan.target_on, tally.*
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
WHERE plan.tenant_id = ANY ($1) AND plan.status IN ('active', 'draft')
"""

Newest = Mapping[Scope, Row]
Weekly = Mapping[Scope, Mapping[int, Row]]


async def _tenants(
    session: AnySession,
    tenant_ids: Sequence[UUID],
    now: datetime,
) -> dict[UUID, Row]:
    rows = await session.connection.fetch(TENANTS, list(tenant_ids), now - overview.REPORTS_WINDOW)
    return {row["id"]: row for row in rows}


async def _newest(session: AnySession, tenant_ids: Sequence[UUID]) -> Mapping[UUID, Newest]:
    rows = await session.connection.fetch(
        NEWEST,
        list(tenant_ids),
        list(Scope),
        trends.reach(trends.ONE_WEEK),
        trends.reach(trends.FOUR_WEEKS),
    )
    found: dict[UUID, dict[Scope, Row]] = defaultdict(dict)
    for row in rows:
        found[row["tenant_id"]][Scope(row["domain"])] = row
    return found


async def _weekly(
    session: AnySession,
    tenant_ids: Sequence[UUID],
    now: datetime,
) -> Mapping[UUID, Weekly]:
    weeks = periods.weeks_until(now, trends.SERIES_WEEKS)
    rows = await session.connection.fetch(
        WEEKLY,
        list(tenant_ids),
        list(SERIES_DOMAINS),
        [week.start for week in weeks],
        [week.end for week in weeks],
    )
    found: dict[UUID, dict[Scope, dict[int, Row]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row["tenant_id"]][Scope(row["domain"])][row["number"]] = row
    return found


async def _editions(
    session: AnySession,
    tenant_ids: Sequence[UUID],
    computations: int,
) -> Mapping[UUID, list[EditionsSnapshot]]:
    rows = await session.connection.fetch(EDITIONS, list(tenant_ids), computations)
    found: dict[UUID, list[EditionsSnapshot]] = defaultdict(list)
    for row in rows:
        found[row["tenant_id"]].append(msgspec.json.decode(row["body"], type=EditionsSnapshot))
    return found


async def _plans(
    session: AnySession,
    tenant_ids: Sequence[UUID],
    now: datetime,
) -> Mapping[UUID, list[Row]]:
    rows = await session.connection.fetch(
        PLANS,
        list(tenant_ids),
        now.astimezone(UTC).date(),
        now - trends.ONE_WEEK,
        now - trends.FOUR_WEEKS,
    )
    found: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["tenant_id"]].append(row)
    return found


def _readiness(newest: Newest, weekly: Weekly, *, first_at: datetime) -> ReadinessSeen | None:
    row = newest.get(Scope.READINESS)
    if row is None:
        return None
    return ReadinessSeen(
        **_seen(row),
        newest=msgspec.json.decode(row["body"], type=ReadinessSnapshot),
        previous=_decoded(row["previous_body"], ReadinessSnapshot),
        score_1w=row["score_1w"],
        score_4w=row["score_4w"],
        weekly=_points(weekly, Scope.READINESS),
        first_at=first_at,
    )


def _editions_seen(
    newest: Newest, weekly: Weekly, latest: Sequence[EditionsSnapshot]
) -> EditionsSeen | None:
    row = newest.get(Scope.EDITIONS)
    if row is None:
        return None
    weeks = weekly.get(Scope.EDITIONS, {})
    return EditionsSeen(
        **_seen(row),
        latest=latest,
        snapshot_1w=_decoded(row["body_1w"], EditionsSnapshot),
        snapshot_4w=_decoded(row["body_4w"], EditionsSnapshot),
        weekly=[
            (one["observed_at"], msgspec.json.decode(one["body"], type=EditionsSnapshot))
            if (one := weeks.get(number))
            else None
            for number in range(1, trends.SERIES_WEEKS + 1)
        ],
    )


def _uplift(newest: Newest, plans: Sequence[Row]) -> PlansSeen | None:
    row = newest.get(Scope.UPLIFT)
    if row is None:
        return None
    return PlansSeen(
        **_seen(row),
        active=[
            PlanTally(
                **{
                    name: value
                    for name, value in plan.items()
                    if name not in {"tenant_id", "status"}
                }
            )
            for plan in plans
            if plan["status"] == "active"
        ],
        draft_count=sum(plan["status"] == "draft" for plan in plans),
    )


def _adoption(newest: Newest, weekly: Weekly) -> AdoptionSeen | None:
    row = newest.get(Scope.ADOPTION)
    if row is None:
        return None
    return AdoptionSeen(
        **_seen(row),
        newest=msgspec.json.decode(row["body"], type=AdoptionSnapshot),
        previous_score=row["previous_score"],
        score_1w=row["score_1w"],
        snapshot_4w=_decoded(row["body_4w"], AdoptionSnapshot),
        weekly=_points(weekly, Scope.ADOPTION),
    )


def _executive(newest: Newest, *, count: int) -> ReportSeen | None:
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


def _lifecycle(newest: Newest) -> RunSeen | None:
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


def _points(weekly: Weekly, domain: Scope) -> list[Point | None]:
    weeks = weekly.get(domain, {})
    return [
        Point(one["observed_at"], one["score"]) if (one := weeks.get(number)) else None
        for number in range(1, trends.SERIES_WEEKS + 1)
    ]
