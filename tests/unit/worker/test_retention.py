"""House-keeping: what comes is prepared, what is of no further use goes."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from arq import create_pool

from shared.data.session import working
from shared.jobs import arq_settings, decode_job, encode_job
from shared.runtime.redis import EmbeddedRedis
from tests.conftest import Clock, Database, Servers
from tests.unit.worker.conftest import Builder, eventually
from worker import retention
from worker.narratives import Caps, Desk
from worker.tasks import keep_house


async def test_partitions_of_the_coming_months_are_made_once(builder: Builder) -> None:
    far = datetime(2031, 11, 30, tzinfo=UTC)

    assert await retention.make_partitions(far) == 2 * retention.MONTHS_AHEAD
    assert await retention.make_partitions(far) == 0
    assert await builder.owner.fetchval("SELECT to_regclass('event_y2032m02')") is not None


async def test_idempotency_keys_go_after_thirty_days_in_batches(
    builder: Builder, clock: Clock
) -> None:
    for days in (29, 31, 32, 33):
        await builder.owner.execute(
            "INSERT INTO idempotency_key VALUES ($1, $2, '', '', $3)",
            builder.tenant_id,
            f"key of {days} days",
            clock() - timedelta(days=days),
        )

    assert await retention.forget_idempotency_keys(clock(), batch=2) == 3

    assert await builder.owner.fetchval("SELECT key FROM idempotency_key") == "key of 29 days"


async def _put_heartbeat(clock: Clock, *, minutes_ago: int) -> None:
    async with working() as session:
        await session.connection.execute(
            "INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), 'h', 1, 'v', $1, $1)",
            clock() - timedelta(minutes=minutes_ago),
        )


async def test_heartbeats_of_workers_silent_for_an_hour_go(
    database: Database, clock: Clock
) -> None:
    await _put_heartbeat(clock, minutes_ago=59)
    await _put_heartbeat(clock, minutes_ago=61)

    assert await retention.forget_silent_workers(clock()) == 1


@asynccontextmanager
async def _house(redis_url: str, clock: Clock) -> AsyncGenerator[None, None]:
    desk = Desk(None, Caps(calls_per_day=1, usd_per_month=1.0), clock)
    task = asyncio.create_task(
        keep_house(redis_url, clock=clock, desk=desk, retention_days=90, pause_s=0.05)
    )
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _ask_for(redis_url: str, job: str) -> None:
    pool = await create_pool(
        arq_settings(redis_url), job_serializer=encode_job, job_deserializer=decode_job
    )
    await pool.enqueue_job(f"cron:{job}", _job_id=os.urandom(4).hex())
    await pool.aclose()


async def test_the_jobs_run_when_they_are_called(
    builder: Builder, clock: Clock, servers: Servers
) -> None:
    clock.now = datetime(2041, 1, 1, tzinfo=UTC)
    await _put_heartbeat(clock, minutes_ago=120)
    async with _house(servers.redis_url, clock):
        for job in ("make_partitions", "forget_idempotency_keys", "forget_silent_workers"):
            await _ask_for(servers.redis_url, job)

        async def is_done() -> bool:
            return bool(
                await builder.owner.fetchval(
                    "SELECT to_regclass('event_y2041m01') IS NOT NULL "
                    "AND NOT EXISTS (SELECT FROM worker_heartbeat)"
                )
            )

        await eventually(is_done)


async def test_the_house_is_kept_again_after_redis_was_lost(
    builder: Builder, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock.now = datetime(2042, 1, 1, tzinfo=UTC)
    redis = EmbeddedRedis(tmp_path, is_durable=False)
    url = redis.start()
    async with _house(url, clock):
        redis.stop()
        await eventually(lambda: "waits for Redis" in caplog.text)
        assert redis.start() == url
        await _ask_for(url, "make_partitions")

        async def is_made() -> bool:
            made = await builder.owner.fetchval("SELECT to_regclass('event_y2042m01')")
            return made is not None

        await eventually(is_made)
    redis.stop()
