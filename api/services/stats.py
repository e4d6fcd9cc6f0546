"""Rates of delivery, from the counters by the hour, what waits, and the newest arrivals."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from shared.contracts.stats import IntegrationRates, Rates, Stats, Window
from shared.data.session import TenantSession
from shared.domain.uuid7 import floor, instant_of

NEWEST_ARRIVALS = 10_000

_HOURS: dict[Window, int] = {
    Window.HOUR: 1,
    Window.DAY: 24,
    Window.WEEK: 7 * 24,
    Window.MONTH: 30 * 24,
}

_COUNTS = """
SELECT integration.id, integration.integration_key, hours.*, due.*
FROM integration
CROSS JOIN LATERAL (
  SELECT COALESCE(sum(delivered), 0) AS delivered, COALESCE(sum(discarded), 0) AS discarded,
    COALESCE(sum(failed_attempts), 0) AS failed_attempts
  FROM integration_hour
  WHERE tenant_id = $1 AND integration_id = integration.id AND hour >= $2
) AS hours
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE attempt_count = 0) AS pending,
    count(*) FILTER (WHERE attempt_count > 0) AS failed,
    (array_agg(id ORDER BY id))[1] AS oldest
  FROM delivery_due WHERE integration_id = integration.id
) AS due
WHERE integration.tenant_id = $1 AND integration.deleted_at IS NULL
ORDER BY integration.id DESC
"""

# The first 48 bits of an id are the milliseconds at which the delivery was created.
_TIMES = """
SELECT integration_id,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
FROM (
  SELECT integration_id, GREATEST(0, extract(epoch FROM started_at) + duration_ms / 1000.0
    - ('x' || substr(replace(delivery_id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)
    ::double precision AS seconds
  FROM delivery_attempt
  WHERE tenant_id = $1 AND delivery_id >= $2 AND status = 'delivered'
  ORDER BY delivery_id DESC LIMIT $3
) AS arrivals
GROUP BY GROUPING SETS ((), (integration_id))
"""


async def rates(session: TenantSession, window: Window, *, now: datetime) -> Stats:
    """The rates of every integration that is not deleted, and of all of them together.

    The window is the present hour and the whole hours before it.
    """
    hours = _HOURS[window]
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    elapsed_h = (now - start) / timedelta(hours=1)
    rows = await session.connection.fetch(_COUNTS, session.tenant_id, start)
    times = {
        row["integration_id"]: (row["p50"], row["p95"])
        for row in await session.connection.fetch(
            _TIMES, session.tenant_id, floor(start), NEWEST_ARRIVALS
        )
    }
    counts = [dict(row.items()) for row in rows]
    oldest = [one["oldest"] for one in counts if one["oldest"] is not None]
    total: dict[str, Any] = {
        name: sum(one[name] for one in counts)
        for name in ("delivered", "discarded", "failed_attempts", "pending", "failed")
    }
    total["oldest"] = min(oldest, default=None)
    return Stats(
        window=window,
        as_of=now,
        total=_rates(total, times.get(None), elapsed_h),
        integrations=[
            IntegrationRates(
                **msgspec.structs.asdict(_rates(one, times.get(one["id"]), elapsed_h)),
                integration_id=one["id"],
                integration_key=one["integration_key"],
            )
            for one in counts
        ],
    )


def _rates(
    counts: Mapping[str, Any], times: tuple[float | None, float | None] | None, elapsed_h: float
) -> Rates:
    ended = counts["delivered"] + counts["discarded"]
    p50, p95 = times or (None, None)
    oldest: UUID | None = counts["oldest"]
    return Rates(
        delivered=counts["delivered"],
        discarded=counts["discarded"],
        failed_attempts=counts["failed_attempts"],
        pending=counts["pending"],
        failed=counts["failed"],
        success_rate=counts["delivered"] / ended if ended else None,
        delivered_per_hour=round(counts["delivered"] / elapsed_h, 2) if elapsed_h else 0.0,
        p50_seconds=p50,
        p95_seconds=p95,
        oldest_waiting_since=None if oldest is None else instant_of(oldest),
    )
