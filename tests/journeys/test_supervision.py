"""The production configuration of supervisord, for real: drain, crash, outage, kill."""

import asyncio
import base64
import getpass
import os
import signal
import socket
import subprocess
import sys
import xmlrpc.client
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from supervisor.xmlrpc import SupervisorTransport

from shared.contracts.words import Role
from shared.data.connection import Connection
from shared.data.session import operating
from shared.runtime.operators import make_key
from shared.runtime.redis import EmbeddedRedis
from tests.conftest import Database
from tests.journeys.conftest import eventually
from tests.receiver import Answer, Receiver

ROOT = Path(__file__).parents[2]
PEPPER = "a pepper of this test"
WORKER = "worker:worker_00"


class Supervised:
    """supervisord over one API and one worker, with a Redis that can be stopped."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], url: str, key: str) -> None:
        self.process = process
        self.url = url
        self._socket = folder / "supervisor.sock"
        self._headers = {"authorization": f"Bearer {key}"}

    def programs(self) -> dict[str, tuple[str, int]]:
        """State and process id of each program; empty while supervisord does not answer."""
        server = xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{self._socket}")
        )
        try:
            answer = cast("list[dict[str, Any]]", server.supervisor.getAllProcessInfo())
        except OSError:
            return {}
        finally:
            server("close")()
        return {f"{one['group']}:{one['name']}": (one["statename"], one["pid"]) for one in answer}

    def pids(self) -> list[int]:
        """Supervisord and what runs under it."""
        return [self.process.pid, *(pid for _, pid in self.programs().values() if pid)]

    async def is_whole(self) -> bool:
        """Whether both programs run and the API has everything it needs."""
        return {state for state, _ in self.programs().values()} == {"RUNNING"} and (
            await self.health() == "ok"
        )

    async def health(self) -> str:
        """What `/health/ready` says: its status, or `down`."""
        async with httpx.AsyncClient() as client:
            try:
                answer = await client.get(f"{self.url}/health/ready")
            except httpx.TransportError:
                return "down"
        return str(answer.json().get("status", answer.status_code))

    async def post(self, path: str, body: object = None) -> Any:
        """Ask the API for something as the tenant's admin."""
        async with httpx.AsyncClient(headers=self._headers) as client:
            answer = await client.post(f"{self.url}/api/guardian/meta{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def connect(self, receiver: Receiver) -> str:
        """Make an integration that points at `receiver`, and answer its id."""
        made = await self.post(
            "/integrations",
            {
                "integration_key": "bi",
                "label": "BI",
                "is_enabled": True,
                "scopes": ["readiness"],
                "config": {"webhook_url": receiver.url},
            },
        )
        return made["id"]


@pytest.fixture
def redis(tmp_path: Path) -> EmbeddedRedis:
    return EmbeddedRedis(tmp_path / "redis", is_durable=False)


@pytest.fixture
async def supervised(
    database: Database, tenant: UUID, redis: EmbeddedRedis, tmp_path: Path
) -> AsyncGenerator[Supervised]:
    async with operating() as session:
        made = await make_key(
            session, role=Role.ADMIN, label="test", tenant_id=tenant, pepper=PEPPER
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    api_file, worker_file = tmp_path / "api.url", tmp_path / "worker.url"
    api_file.write_text(database.api_url)
    worker_file.write_text(database.worker_url)
    env = {
        "PATH": os.defpath,
        "REDIS_URL": redis.start(),
        "GUARDIAN_KEY_RING": "t1:" + base64.b64encode(os.urandom(32)).decode(),
        "GUARDIAN_KEY_PEPPER": PEPPER,
        "GUARDIAN_API_PORT": str(port),
        "GUARDIAN_WORKER_LEASE_SECONDS": "2",
        "GUARDIAN_EGRESS_ALLOW_NETS": "127.0.0.0/8",
        "GUARDIAN_EGRESS_ALLOW_HTTP": "true",
        "GUARDIAN_EGRESS_ALLOW_PORTS": "*",
        "SUPERVISED_GUARDIAN": str(Path(sys.executable).with_name("guardian")),
        "SUPERVISED_USER": getpass.getuser(),
        "SUPERVISED_RUN_DIR": str(tmp_path),
        "SUPERVISED_API_DATABASE_URL_FILE": str(api_file),
        "SUPERVISED_WORKER_DATABASE_URL_FILE": str(worker_file),
        "SUPERVISED_WORKERS": "1",
        "SUPERVISED_WORKER_STOP_SECONDS": "30",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            [
                *(sys.executable, "-m", "supervisor.supervisord"),
                *("-n", "-c", ROOT / "deploy" / "supervisord.conf"),
            ],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        system = Supervised(tmp_path, process, f"http://127.0.0.1:{port}", made.key)
        try:
            await eventually(system.is_whole, "the API and the worker run")
            yield system
        finally:
            pids = system.pids()
            process.terminate()
            await asyncio.to_thread(process.wait, 40)
            await eventually(_all_ended(pids), "nothing is left of it")
            redis.stop()
    sys.stderr.write((tmp_path / "log").read_text()[-4000:])  # shown when a test fails


async def test_sigterm_lets_the_request_in_flight_end_and_be_recorded(
    supervised: Supervised, owner: Connection
) -> None:
    async with Receiver(otherwise=Answer(after_s=2)) as receiver:
        integration = await supervised.connect(receiver)
        await supervised.post(f"/integrations/test?integrationId={integration}")
        await receiver.wait_until(lambda: receiver.open_requests == 1)
        pids = supervised.pids()

        supervised.process.send_signal(signal.SIGTERM)

        assert await asyncio.to_thread(supervised.process.wait, 30) == 0
        await eventually(_all_ended(pids), "nothing is left of it")
        attempts = await owner.fetch("SELECT number, status FROM delivery_attempt")
        assert [tuple(row) for row in attempts] == [(1, "delivered")]
        assert len(receiver.received) == 1


async def test_what_crashes_is_started_again(supervised: Supervised) -> None:
    before = supervised.programs()
    for _, pid in before.values():
        os.kill(pid, signal.SIGKILL)

    async def is_whole_again() -> bool:
        after = supervised.programs()
        are_new = all(after[name][1] != pid for name, (_, pid) in before.items())
        return are_new and await supervised.is_whole()

    await eventually(is_whole_again, "both run again")
    async with Receiver() as receiver:
        integration = await supervised.connect(receiver)
        await supervised.post(f"/integrations/test?integrationId={integration}")
        await receiver.wait_for(1)


async def test_an_outage_of_redis_ends_neither_the_worker_nor_the_deliveries(
    supervised: Supervised, redis: EmbeddedRedis
) -> None:
    async with Receiver() as receiver:
        integration = await supervised.connect(receiver)
        before = supervised.programs()
        redis.stop()

        async def is_degraded() -> bool:
            return await supervised.health() == "degraded"

        await eventually(is_degraded, "the API notices")
        await supervised.post(f"/integrations/test?integrationId={integration}")
        await receiver.wait_for(1)
        assert supervised.programs() == before

        redis.start()
        await eventually(supervised.is_whole, "the API is well again")
        await supervised.post(f"/integrations/test?integrationId={integration}")
        await receiver.wait_for(2)
        assert supervised.programs() == before


async def test_a_killed_supervisord_leaves_nothing_running(supervised: Supervised) -> None:
    pids = supervised.pids()
    assert len(pids) == 3

    supervised.process.kill()
    supervised.process.wait()

    await eventually(_all_ended(pids), "nothing is left of it")


def _all_ended(pids: Sequence[int]) -> Callable[[], Awaitable[bool]]:
    async def have_ended() -> bool:
        return not any(map(_is_alive, pids))

    return have_ended


def _is_alive(pid: int) -> bool:
    """A zombie, which only waits to be asked how it ended, is not alive."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text[text.rindex(")") + 2] != "Z"
