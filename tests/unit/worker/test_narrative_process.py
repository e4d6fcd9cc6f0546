"""A worker with a model's key: it writes narratives, and its log holds nothing of them."""

import asyncio
import base64
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from uuid import UUID

import pytest

from shared.contracts.narrative import Source
from shared.data.connection import Connection
from shared.jobs import Jobs, narrative_job, open_redis
from tests.conftest import Clock, Database, Servers
from tests.model_server import KEY, Behaviour, answers, fails, model_server
from tests.unit.worker.conftest import eventually
from tests.unit.worker.test_narratives import GOOD, ask, asked_key, switch

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("behaviour", "source"), [(answers(GOOD), Source.AI), (fails(401), Source.RULES)]
)
async def test_a_worker_with_a_key_asks_the_model_and_logs_nothing_of_it(
    *,
    servers: Servers,
    database: Database,
    tenant: UUID,
    owner: Connection,
    clock: Clock,
    behaviour: Behaviour,
    source: Source,
) -> None:
    await switch(owner, tenant, clock, is_on=True)
    redis = open_redis(servers.redis_url)
    async with model_server() as server:
        server.plays(behaviour)
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "DATABASE_URL": database.worker_url,
                "REDIS_URL": servers.redis_url,
                "GUARDIAN_KEY_RING": "k1:" + base64.b64encode(bytes(32)).decode(),
                "GUARDIAN_LOG_LEVEL": "debug",
                "ANTHROPIC_LOG": "debug",
                "ANTHROPIC_API_KEY": KEY,
                "GUARDIAN_AI_BASE_URL": server.url,
            },
            stderr=PIPE,
        )
        assert worker.stderr is not None
        reading = asyncio.create_task(worker.stderr.read())
        try:
            jobs = Jobs(redis)
            jobs.ask(narrative_job(tenant, await asked_key(tenant, clock)))
            await jobs.aclose()

            async def is_settled() -> bool:
                return await owner.fetchval("SELECT status <> 'pending' FROM narrative")

            await eventually(is_settled, what="the narrative", deadline_s=30)
            narrative, _ = await ask(tenant, clock)
        finally:
            worker.send_signal(signal.SIGTERM)
            said = (await asyncio.wait_for(reading, 30)).decode()
            await worker.wait()
            await redis.aclose()

    assert narrative.source is source
    assert worker.returncode == 0
    assert "narrative " in said, "it tells that it worked, and no more"
    for secret in (KEY, "You write a short status text", "must_cite", GOOD["commentary"]):
        assert secret not in said
