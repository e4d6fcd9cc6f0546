"""The production configuration of supervisord, for real: drain, crash, outage, kill."""

import asyncio
import base64
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import pytest

from shared.contracts.words import Role
from shared.data.connection import Connection
from shared.data.session import operating
from shared.runtime.operators import make_key
from shared.runtime.redis import EmbeddedRedis
from tests.conftest import Database
from tests.drills.stage import free_port
from tests.journeys.conftest import eventually
from tests.receiver import Answer, Receiver
from tests.supervised import Supervised, all_ended, supervised

PEPPER = "a pepper of this test"


@pytest.fixture
def redis(tmp_path: Path) -> EmbeddedRedis:
    return EmbeddedRedis(tmp_path / "redis", is_durable=False)


@pytest.fixture
async def system(
    database: Database, tenant: UUID, redis: EmbeddedRedis, tmp_path: Path
) -> AsyncGenerator[Supervised]:
    async with operating() as session:
        made = await make_key(
            session, role=Role.ADMIN, label="test", tenant_id=tenant, pepper=PEPPER
        )
    env = {
        "REDIS_URL": redis.start(),
        "GUARDIAN_KEY_RING": "t1:" + base64.b64encode(os.urandom(32)).decode(),
        "GUARDIAN_KEY_PEPPER": PEPPER,
        "GUARDIAN_WORKER_LEASE_SECONDS": "2",
        "GUARDIAN_EGRESS_ALLOW_NETS": "127.0.0.0/8",
        "GUARDIAN_EGRESS_ALLOW_HTTP": "true",
        "GUARDIAN_EGRESS_ALLOW_PORTS": "*",
    }
    try:
        async with supervised(
            tmp_path,
            env,
            api_database_url=database.api_url,
            worker_database_url=database.worker_url,
            port=free_port(),
            key=made.key,
        ) as running:
            yield running
    finally:
        redis.stop()
    sys.stderr.write((tmp_path / "log").read_text()[-4000:])  # shown when a test fails


async def test_sigterm_lets_the_request_in_flight_end_and_be_recorded(
    system: Supervised, owner: Connection
) -> None:
    async with Receiver(otherwise=Answer(after_s=2)) as receiver:
        integration = await system.connect(receiver)
        await system.post(f"/integrations/test?integrationId={integration}")
        await receiver.wait_until(lambda: receiver.open_requests == 1)
        pids = system.pids()

        system.process.send_signal(signal.SIGTERM)

        assert await asyncio.to_thread(system.process.wait, 30) == 0
        await eventually(all_ended(pids), "nothing is left of it")
        attempts = await owner.fetch("SELECT number, status FROM delivery_attempt")
        assert [tuple(row) for row in attempts] == [(1, "delivered")]
        assert len(receiver.received) == 1


async def test_what_crashes_is_started_again(system: Supervised) -> None:
    before = system.programs()
    for _, pid in before.values():
        os.kill(pid, signal.SIGKILL)

    async def is_whole_again() -> bool:
        after = system.programs()
        are_new = all(after[name][1] != pid for name, (_, pid) in before.items())
        return are_new and await system.is_whole()

    await eventually(is_whole_again, "both run again")
    async with Receiver() as receiver:
        integration = await system.connect(receiver)
        await system.post(f"/integrations/test?integrationId={integration}")
        await receiver.wait_for(1)


async def test_an_outage_of_redis_ends_neither_the_worker_nor_the_deliveries(
    system: Supervised, redis: EmbeddedRedis
) -> None:
    async with Receiver() as receiver:
        integration = await system.connect(receiver)
        before = system.programs()
        redis.stop()

        async def is_degraded() -> bool:
            return await system.health() == "degraded"

        await eventually(is_degraded, "the API notices")
        await system.post(f"/integrations/test?integrationId={integration}")
        await receiver.wait_for(1)
        assert system.programs() == before

        redis.start()
        await eventually(system.is_whole, "the API is well again")
        await system.post(f"/integrations/test?integrationId={integration}")
        await receiver.wait_for(2)
        assert system.programs() == before


async def test_a_killed_supervisord_leaves_nothing_running(system: Supervised) -> None:
    pids = system.pids()
    assert len(pids) == 3

    system.process.kill()
    system.process.wait()

    await eventually(all_ended(pids), "nothing is left of it")
