"""`python -m worker` as a process: how it starts, works and stops."""

import asyncio
import base64
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.domain.sealing import KeyRing
from shared.jobs import WAKE_CHANNEL, WakeUps, open_redis
from shared.settings import WorkerSettings, load
from tests.conftest import Database, Servers
from tests.receiver import Answer, Receiver
from tests.unit.worker.conftest import Builder, eventually

ROOT = Path(__file__).parents[3]
DRAIN_S = load(WorkerSettings, {}).guardian_worker_drain_seconds


@pytest.fixture
def env(servers: Servers, database: Database) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database.worker_url,
        "REDIS_URL": servers.redis_url,
        "GUARDIAN_KEY_RING": "k1:" + base64.b64encode(bytes(32)).decode(),
        "GUARDIAN_KEY_PEPPER": "a pepper for tests only",
        "GUARDIAN_EGRESS_ALLOW_NETS": "127.0.0.0/8",
        "GUARDIAN_EGRESS_ALLOW_HTTP": "true",
        "GUARDIAN_EGRESS_ALLOW_PORTS": "*",
        "GUARDIAN_WORKER_LOOK_SECONDS": "30",
    }


async def _start(env: dict[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "worker", cwd=ROOT, env=env, stderr=PIPE
    )


async def _read_until(process: Process, event: str) -> list[dict[str, object]]:
    assert process.stderr is not None
    lines: list[dict[str, object]] = []
    async with asyncio.timeout(20):
        while not lines or lines[-1]["event"] != event:
            line = await process.stderr.readline()
            assert line, f"it ended before it said {event!r}: {lines}"
            lines.append(json.loads(line))
    return lines


async def _rest_of(process: Process) -> str:
    assert process.stderr is not None
    return (await asyncio.wait_for(process.stderr.read(), 20)).decode()


@asynccontextmanager
async def _running(env: dict[str, str]) -> AsyncGenerator[Process, None]:
    process = await _start(env)
    try:
        await _read_until(process, "worker ready")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await _rest_of(process)
        await process.wait()


async def _is_heard(redis: Redis) -> bool:
    return dict(await redis.pubsub_numsub(WAKE_CHANNEL)).get(WAKE_CHANNEL.encode(), 0) > 0


async def test_it_delivers_when_woken_and_stops_at_once_when_idle(
    env: dict[str, str], builder: Builder, servers: Servers
) -> None:
    builder.ring = KeyRing({"k1": bytes(32)})
    redis = open_redis(servers.redis_url)
    async with Receiver() as receiver, _running(env) as process:
        made = await builder.integration(receiver.url)
        await eventually(lambda: _is_heard(redis), what="a subscription")
        await builder.deliveries(made)
        WakeUps(redis).wake([made.id])
        await receiver.wait_for(1)
        await eventually(builder.is_settled)

        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert time.monotonic() - began < DRAIN_S / 2, "nothing under way is waited for"

        assert await builder.owner.fetchval("SELECT count(owner) FROM shard_lease") == 0
        assert await builder.owner.fetchval("SELECT count(*) FROM worker_heartbeat") == 0
    await redis.aclose()


async def test_stopping_waits_for_the_requests_under_way(
    env: dict[str, str], builder: Builder
) -> None:
    builder.ring = KeyRing({"k1": bytes(32)})
    async with Receiver(Answer(after_s=0.5)) as receiver:
        made = await builder.integration(receiver.url)
        [delivery_id] = await builder.deliveries(made)
        async with _running(env) as process:
            await receiver.wait_for(1)
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0

    [attempt] = await builder.attempts(delivery_id)
    assert attempt["status"] == "delivered"


async def test_without_redis_it_works_all_the_same(
    env: dict[str, str], builder: Builder, tmp_path: Path
) -> None:
    builder.ring = KeyRing({"k1": bytes(32)})
    env |= {"REDIS_URL": f"unix://{tmp_path}/none.sock", "GUARDIAN_WORKER_LOOK_SECONDS": "0.1"}
    async with Receiver() as receiver, _running(env):
        await builder.deliveries(await builder.integration(receiver.url))

        await receiver.wait_for(1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set."),
        ({"GUARDIAN_WORKER_IN_FLIGHT": "none"}, "GUARDIAN_WORKER_IN_FLIGHT does not fit"),
        ({"GUARDIAN_WORKR_IN_FLIGHT": "3"}, "Did you mean GUARDIAN_WORKER_IN_FLIGHT?"),
        ({"DATABASE_URL": "postgresql:///?host=/nowhere"}, "DATABASE_URL does not lead to"),
    ],
)
async def test_a_wrong_setting_is_told_in_one_sentence(
    env: dict[str, str], change: dict[str, str], sentence: str
) -> None:
    process = await _start(env | change)

    said = await _rest_of(process)
    assert await process.wait() == 1
    assert said.startswith("guardian worker: ")
    assert sentence in said
    assert said.count("\n") == 1


async def test_a_login_that_owns_the_tables_is_refused(
    env: dict[str, str], database: Database
) -> None:
    process = await _start(env | {"DATABASE_URL": database.owner_url})

    assert "superuser" in await _rest_of(process)
    assert await process.wait() == 1


async def test_a_database_of_an_older_version_is_refused(
    env: dict[str, str], builder: Builder
) -> None:
    await builder.owner.execute("DELETE FROM migration WHERE name LIKE '%000003'")

    process = await _start(env)

    assert "1 migrations are pending" in await _rest_of(process)
    assert await process.wait() == 1
