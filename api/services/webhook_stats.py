"""How the deliveries of integrations stand, for any number of integrations in one query."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.contracts.integrations import WebhookStats
from shared.data.session import TenantSession

_QUERY = """
SELECT one.id, hours.*, due.*
FROM unnest($2::uuid[]) AS one (id)
CROSS JOIN LATERAL (
  SELECT COALESCE(sum(delivered), 0) AS delivered, COALESCE(sum(discarded), 0) AS discarded,
    COALESCE(sum(delivered + discarded) FILTER (WHERE hour > $3::timestamptz - interval '1 day'), 0)
      AS ended_lately,
    max(last_delivered_at) AS last_delivered_at,
    (array_agg(last_error ORDER BY last_error_at DESC)
      FILTER (WHERE last_error_at IS NOT NULL))[1] AS last_error
  FROM integration_hour WHERE tenant_id = $1 AND integration_id = one.id
) AS hours
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE attempt_count = 0) AS pending,
    count(*) FILTER (WHERE attempt_count > 0) AS failed,
    count(*) FILTER (WHERE id >= guardian_uuid_floor($3::timestamptz - interval '1 day'))
      AS waiting_lately
  FROM delivery_due WHERE integration_id = one.id
) AS due
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
        )
        for row in rows
    }
