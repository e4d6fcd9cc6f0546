"""Letting old history go: whole months of events and attempts, and the counters' single hours."""

from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from shared.data.session import OperatorSession, WorkerSession

HOURS_LIVE = timedelta(days=31)
"""Counters stay by the hour for as long as the longest window of the rates needs them."""


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """One partition whose every row is older than the policy keeps.

    Attributes:
        parent: `event` or `delivery_attempt`.
        name: of the partition.
        month: its first day.
        rows: as PostgreSQL estimates them.
        bytes: with its indexes.
        undelivered: deliveries that still need it; while there are any it stays.
    """

    parent: str
    name: str
    month: date
    rows: int
    bytes: int
    undelivered: int


async def old_months(session: OperatorSession | WorkerSession, before: datetime) -> list[Month]:
    """The partitions that hold nothing from `before` or later, oldest first."""
    rows = await session.connection.fetch(_OLD_MONTHS, before)
    return [Month(**dict(row.items())) for row in rows]


async def drop_month(session: OperatorSession | WorkerSession, month: Month) -> bool:
    """Drop one partition unless an undelivered delivery needs it; say whether it is gone.

    The queue is locked for the moment it takes.

    Raises:
        asyncpg.LockNotAvailableError: somebody else held it for longer than it may wait.
    """
    return await session.connection.fetchval(
        "SELECT guardian_drop_partition($1, $2)", month.parent, month.month
    )


class OwnPolicy(NamedTuple):
    """A tenant whose history is kept for less long than all others'."""

    tenant_id: UUID
    days: int


async def own_policies(session: OperatorSession | WorkerSession, *, days: int) -> list[OwnPolicy]:
    """The tenants that keep their history for less than `days`."""
    rows = await session.connection.fetch(
        "SELECT id, retention_days FROM tenant WHERE retention_days < $1 ORDER BY id", days
    )
    return [OwnPolicy(row["id"], row["retention_days"]) for row in rows]


async def forget_history(
    session: OperatorSession | WorkerSession, tenant_id: UUID, before: datetime, *, limit: int
) -> int:
    """Delete attempts and events of one tenant from before `before`; count them.

    At most `limit` of each. What is undelivered keeps its event, and so does a replay.
    """
    return await session.connection.fetchval(_FORGET, tenant_id, before, limit)


async def fold_hours(session: OperatorSession | WorkerSession, before: datetime) -> int:
    """Add the counters of hours before `before` up by the month; count the hours that went.

    The sum stands at the month's first hour, so that every total stays as it was.
    """
    return await session.connection.fetchval(_FOLD, before)


_FORGET = """
WITH attempts AS (
  DELETE FROM delivery_attempt WHERE (tenant_id, delivery_id, number) IN (
    SELECT tenant_id, delivery_id, number FROM delivery_attempt
    WHERE tenant_id = $1 AND delivery_id < guardian_uuid_floor($2) LIMIT $3)
  RETURNING 1
), waiting AS MATERIALIZED (
  SELECT event_id FROM delivery_due WHERE tenant_id = $1
  UNION SELECT event_id FROM replay_item WHERE tenant_id = $1
), events AS (
  DELETE FROM event WHERE (tenant_id, id) IN (
    SELECT tenant_id, id FROM event
    WHERE tenant_id = $1 AND id < guardian_uuid_floor($2)
      AND id NOT IN (SELECT event_id FROM waiting) LIMIT $3)
  RETURNING 1
)
SELECT (SELECT count(*) FROM attempts) + (SELECT count(*) FROM events)
"""

_OLD_MONTHS = """
WITH child AS (
  SELECT p.relname::text AS parent, c.relname::text AS name, c.oid,
    c.reltuples, m.starts::date AS month,
    guardian_uuid_floor(m.starts AT TIME ZONE 'UTC') AS low,
    guardian_uuid_floor((m.starts + interval '1 month') AT TIME ZONE 'UTC') AS high
  FROM pg_inherits i
  JOIN pg_class p ON p.oid = i.inhparent
  JOIN pg_class c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 8), '"y"YYYY"m"MM')::timestamp AS starts) AS m
  WHERE p.relnamespace = 'public'::regnamespace AND p.relname IN ('event', 'delivery_attempt')
    AND (m.starts + interval '1 month') AT TIME ZONE 'UTC' <= $1
)
SELECT parent, name, month, greatest(0, reltuples)::bigint AS rows,
  pg_total_relation_size(oid) AS bytes,
  CASE parent
    WHEN 'event' THEN
      (SELECT count(*) FROM delivery_due WHERE event_id >= low AND event_id < high)
    ELSE (SELECT count(*) FROM delivery_due WHERE id >= low AND id < high)
  END AS undelivered
FROM child ORDER BY month, parent DESC
"""

# Locked in the order in which settling locks them.
_FOLD = """
WITH old AS (
  SELECT tenant_id, integration_id, hour FROM integration_hour
  WHERE hour < $1 AND hour > date_trunc('month', hour, 'UTC')
  ORDER BY tenant_id, integration_id, hour FOR UPDATE
), gone AS (
  DELETE FROM integration_hour h USING old
  WHERE (h.tenant_id, h.integration_id, h.hour) = (old.tenant_id, old.integration_id, old.hour)
  RETURNING h.*
), folded AS (
  INSERT INTO integration_hour AS h (tenant_id, integration_id, hour, delivered, discarded,
    failed_attempts, last_delivered_at, last_error, last_error_at)
  SELECT tenant_id, integration_id, date_trunc('month', hour, 'UTC'), sum(delivered),
    sum(discarded), sum(failed_attempts), max(last_delivered_at),
    (array_agg(last_error ORDER BY last_error_at DESC NULLS LAST))[1], max(last_error_at)
  FROM gone GROUP BY 1, 2, 3
  ON CONFLICT (tenant_id, integration_id, hour) DO UPDATE SET
    delivered = h.delivered + excluded.delivered,
    discarded = h.discarded + excluded.discarded,
    failed_attempts = h.failed_attempts + excluded.failed_attempts,
    last_delivered_at = greatest(h.last_delivered_at, excluded.last_delivered_at),
    last_error = CASE WHEN excluded.last_error_at >= coalesce(h.last_error_at, '-infinity')
      THEN excluded.last_error ELSE h.last_error END,
    last_error_at = greatest(h.last_error_at, excluded.last_error_at)
)
SELECT count(*) FROM gone
"""
