"""How the queue stands as a whole, for metrics: numbers, and nothing of any tenant."""

from dataclasses import dataclass

from shared.data.session import OperatorSession


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The queue at one moment.

    Attributes:
        queue_deliveries: undelivered ones, due or not.
        queue_retries: of them, those tried before.
        queue_due: of them, those due now at enabled integrations.
        queue_oldest_due_seconds: for how long the oldest due one has been due.
        workers: heard of within a minute.
        shards_leased: of 64.
        deliveries_paused: 1 or 0.
    """

    queue_deliveries: int
    queue_retries: int
    queue_due: int
    queue_oldest_due_seconds: float
    workers: int
    shards_leased: int
    deliveries_paused: int


async def queue_figures(session: OperatorSession) -> QueueFigures:
    """Count; walks the whole queue, a tenth of a second for a few hundred thousand rows."""
    row = await session.connection.fetchrow(_QUERY)
    if row is None:
        raise RuntimeError("a query of aggregates answers one row")
    return QueueFigures(**dict(row.items()))


# What was never tried is due since its id was made, in the first 48 bits of the id.
_QUERY = """
SELECT queue.*,
  (SELECT count(*) FROM worker_heartbeat
   WHERE seen_at > clock_timestamp() - interval '1 minute') AS workers,
  (SELECT count(*) FROM shard_lease
   WHERE owner IS NOT NULL AND until > clock_timestamp()) AS shards_leased,
  (SELECT count(paused_since) FROM system_state)::integer AS deliveries_paused
FROM (
  SELECT count(*) AS queue_deliveries,
    count(*) FILTER (WHERE attempt_count > 0) AS queue_retries,
    count(*) FILTER (WHERE is_due) AS queue_due,
    greatest(0, coalesce(extract(epoch FROM clock_timestamp()) - least(
      ('x' || substr(replace(min(id::text) FILTER (WHERE is_due AND next_attempt_at IS NULL),
        '-', ''), 1, 12))::bit(48)::bigint / 1000.0,
      extract(epoch FROM min(next_attempt_at) FILTER (WHERE is_due))), 0))::double precision
      AS queue_oldest_due_seconds
  FROM (
    SELECT d.id, d.attempt_count, d.next_attempt_at,
      i.is_enabled AND (d.next_attempt_at IS NULL OR d.next_attempt_at <= clock_timestamp())
        AS is_due
    FROM delivery_due d JOIN integration i
      ON i.tenant_id = d.tenant_id AND i.id = d.integration_id
  ) AS waiting
) AS queue
"""
