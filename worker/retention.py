"""What is kept, and for how long: partitions made ahead, remains of no further use removed."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from shared.data.lifecycle import LifecycleRun, run_lifecycle
from shared.data.session import working

MONTHS_AHEAD = 4
IDEMPOTENCY_KEYS_LIVE = timedelta(days=30)
SILENT_WORKERS_LIVE = timedelta(hours=1)
BATCH = 5000

log = logging.getLogger("guardian.house")


async def make_partitions(now: datetime) -> int:
    """Make the partitions of this month and the next three where they are missing; count them."""
    async with working() as session:
        return await session.connection.fetchval(
            "SELECT guardian_make_partitions($1::date, $2)", now.date(), MONTHS_AHEAD
        )


async def let_history_go(now: datetime, *, days: int, ids: Callable[[], UUID]) -> LifecycleRun:
    """Drop the months that are older than `days` in whole, fold old counters, keep a record."""
    done = await run_lifecycle(working, now=now, days=days, ids=ids, actor="worker")
    log.info("months dropped: %d, held back: %d", len(done.dropped), len(done.held))
    return done


async def forget_idempotency_keys(now: datetime, *, batch: int = BATCH) -> int:
    """Delete the keys of repeated requests after 30 days, a batch a transaction; count them."""
    forgotten = 0
    while True:
        async with working() as session:
            count = await session.connection.fetchval(
                """
                WITH old AS (
                  DELETE FROM idempotency_key WHERE (tenant_id, key) IN (
                    SELECT tenant_id, key FROM idempotency_key WHERE created_at < $1
                    ORDER BY created_at LIMIT $2)
                  RETURNING 1
                )
                SELECT count(*) FROM old
                """,
                now - IDEMPOTENCY_KEYS_LIVE,
                batch,
            )
        forgotten += count
        if count < batch:
            return forgotten


async def forget_silent_workers(now: datetime) -> int:
    """Delete the heartbeats of workers that ended without a farewell an hour ago; count them."""
    async with working() as session:
        return await session.connection.fetchval(
            """
            WITH gone AS (DELETE FROM worker_heartbeat WHERE seen_at < $1 RETURNING 1)
            SELECT count(*) FROM gone
            """,
            now - SILENT_WORKERS_LIVE,
        )
