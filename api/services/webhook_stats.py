"""How the deliveries of integrations stand, for any number of integrations in one query."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.contracts.integrations import WebhookStats
from shared.data.session import TenantSession

_QUERY = """
SELECT one.id, hours.*, due.*, pulse.*
FROM unnest($2::uuid[]) AS one (id)
CROSS JOIN LATERAL (
  SELECT COALESCE(sum(delivered), 0) AS delivered, COALESCE(sum(discarded), 0) AS discarded,
    COALESCE(sum(delivered + discarded) FILTER (WHERE hour > $3::timestamptz - interval '1 day'), 0)
      AS ended_lately,
    max(last_delivered_at) AS last_delivered_at, max(last_error_at) AS last_error_at,
    (array_agg(last_error ORDER BY last_error_at DESC)
      FILTER (WHERE last_error_at IS NOT NULL))[1] AS last_error
  FROM integration_hour WHERE tenant_id = $1 AND integration_id = one.id
) AS hours
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE attempt_count = 0) AS pending,
    count(*) FILTER (WHERE attempt_count > 0) AS failed,
    count(*) FILTER (WHERE id >= guardian_uuid_floor($3::timestamptz - interval '1 day'))
      AS waiting_lately,
    (SELECT min(next_attempt_at) FROM delivery_due WHERE integration_id = one.id
       AND attempt_count > 0 AND next_attempt_at IS NOT NULL) AS next_attempt_at
  FROM delivery_due WHERE integration_id = one.id
) AS due
LEFT JOIN LATERAL (
  SELECT p.consecutive_failures, p.failing_since
  FROM integration_pulse p JOIN integration i USING (tenant_id, counted_from)
  WHERE p.tenant_id = $1 AND p.integration_id = one.id AND i.id = one.id
) AS pulse ON true
"""


async def webhook_stats(
    session: TenantSession, integration_ids: Sequence[UUID], *, now: datetime
) -> dict[UUID, WebhookStats]:
    """The counts of each integration, since it was made.

    `events_last_24h` counts what was created in the present hour and the 23 before it.
    """
    rows = await session.connection.fetch(_QUERY, session.tenant_id, list(integration_ids), now)
    return {
        row["id"]: WebhookStats(
            total_events=row["delivered"] + row["discarded"] + row["pending"] + row["failed"],
            pending=row["pending"],
            delivered=row["delivered"],
            failed=row["failed"],
            discarded=row["discarded"],
            events_last_24h=row["ended_lately"] + row["waiting_lately"],
            last_delivered_at=row["last_delivered_at"],
            last_error=row["last_error"],
            last_error_at=row["last_error_at"],
            consecutive_failures=row["consecutive_failures"] or 0,
            failing_since=row["failing_since"],
            next_attempt_at=row["next_attempt_at"],
        )
        for row in rows
    }
