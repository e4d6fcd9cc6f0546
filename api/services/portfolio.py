"""The portfolio of all tenants, read in pieces so that no answer of PostgreSQL grows too large."""

from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts.portfolio import AilingEndpoint, DeliveryHealth, Portfolio
from shared.data.session import OperatorSession
from shared.domain.catalogue import Catalogue
from shared.domain.overview import overview
from shared.domain.portfolio import portfolio
from shared.domain.uuid7 import instant_of
from shared.success.standings import read_standings

TENANTS_AT_ONCE = 200
WINDOW = timedelta(hours=24)
AILING = 50

_ENDPOINTS = """
SELECT integration.tenant_id, tenant.name AS tenant_name, integration.id,
  integration.integration_key, COALESCE(hours.delivered, 0) AS delivered,
  COALESCE(hours.discarded, 0) AS discarded, hours.last_error,
  COALESCE(due.pending, 0) AS pending, COALESCE(due.failed, 0) AS failed, due.oldest
FROM integration
JOIN tenant ON tenant.id = integration.tenant_id
LEFT JOIN (
  SELECT tenant_id, integration_id, sum(delivered)::bigint AS delivered,
    sum(discarded)::bigint AS discarded,
    (array_agg(last_error ORDER BY last_error_at DESC NULLS LAST))[1] AS last_error
  FROM integration_hour WHERE hour > $1 GROUP BY tenant_id, integration_id
) AS hours ON hours.tenant_id = integration.tenant_id AND hours.integration_id = integration.id
LEFT JOIN (
  SELECT integration_id, count(*) FILTER (WHERE attempt_count = 0) AS pending,
    count(*) FILTER (WHERE attempt_count > 0) AS failed, min(id::text)::uuid AS oldest
  FROM delivery_due GROUP BY integration_id
) AS due ON due.integration_id = integration.id
WHERE integration.deleted_at IS NULL
"""


async def tell_portfolio(
    session: OperatorSession, catalogue: Catalogue, *, now: datetime
) -> Portfolio:
    """Tell how all tenants stand; the cost grows with their number, not with their history."""
    rows = await session.connection.fetch("SELECT id FROM tenant ORDER BY id")
    ids: list[UUID] = [row["id"] for row in rows]
    overviews = [
        overview(standing, catalogue, now=now)
        for start in range(0, len(ids), TENANTS_AT_ONCE)
        for standing in await read_standings(session, ids[start : start + TENANTS_AT_ONCE], now=now)
    ]
    return portfolio(overviews, await _deliveries(session, now=now), now=now)


async def _deliveries(session: OperatorSession, *, now: datetime) -> DeliveryHealth:
    rows = await session.connection.fetch(_ENDPOINTS, now - WINDOW)
    delivered = sum(row["delivered"] for row in rows)
    discarded = sum(row["discarded"] for row in rows)
    ended = delivered + discarded
    oldest: list[UUID] = [row["oldest"] for row in rows if row["oldest"] is not None]
    ailing = sorted(
        (row for row in rows if row["discarded"] or row["failed"]),
        key=lambda row: (-row["discarded"], -row["failed"], row["integration_key"]),
    )
    return DeliveryHealth(
        endpoints=len(rows),
        delivered=delivered,
        discarded=discarded,
        pending=sum(row["pending"] for row in rows),
        failed=sum(row["failed"] for row in rows),
        success_rate=round(delivered / ended, 4) if ended else None,
        oldest_waiting_since=instant_of(min(oldest)) if oldest else None,
        ailing=[
            AilingEndpoint(
                tenant_id=row["tenant_id"],
                tenant_name=row["tenant_name"],
                integration_id=row["id"],
                integration_key=row["integration_key"],
                delivered=row["delivered"],
                discarded=row["discarded"],
                failed=row["failed"],
                last_error=row["last_error"],
            )
            for row in ailing[:AILING]
        ],
    )
