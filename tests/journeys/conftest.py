"""The whole system as real processes: an API, as many workers as asked for, and a tenant's keys."""

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.words import Role
from shared.data.api_keys import create_key
from shared.data.session import operating
from shared.domain.api_keys import digest, new_key
from shared.domain.uuid7 import Ids
from tests.conftest import Clock, Database, Servers, make_tenant

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0


async def eventually(
    is_so: Callable[[], Awaitable[bool]], what: str, *, within_s: float = PATIENCE_S
) -> None:
    """Wait for a condition; say what was waited for when it does not come."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not await is_so():
        if loop.time() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        await asyncio.sleep(0.02)


@dataclass
class System:
    """Processes of ours on servers of the test; everything is reached over HTTP."""

    api_url: str
    env: dict[str, str]
    log: IO[bytes]
    tenant_id: UUID
    keys: dict[Role, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    def start(self, room: str) -> subprocess.Popen[bytes]:
        """Start `api` or `worker`."""
        url = self.env["API_DATABASE_URL" if room == "api" else "WORKER_DATABASE_URL"]
        env = {
            name: value
            for name, value in self.env.items()
            if name not in ("API_DATABASE_URL", "WORKER_DATABASE_URL")
        }
        process = subprocess.Popen(
            [sys.executable, "-m", room],
            cwd=ROOT,
            env=env | {"DATABASE_URL": url},
            stdout=self.log,
            stderr=self.log,
        )
        self.running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End it as a crash would."""
        process.kill()
        process.wait()
        self.running.remove(process)

    def stop(self, process: subprocess.Popen[bytes], *, within_s: float = 25) -> int:
        """End it as a supervisor would, and answer its exit code."""
        process.send_signal(signal.SIGTERM)
        code = process.wait(within_s)
        self.running.remove(process)
        return code

    def speak(self, role: Role = Role.ADMIN) -> httpx.AsyncClient:
        """A client of the API with a key of this role."""
        return httpx.AsyncClient(
            base_url=f"{self.api_url}/api/guardian/meta",
            headers={"authorization": f"Bearer {self.keys[role]}"},
            timeout=20,
        )

    async def serves(self) -> bool:
        """Whether the API answers."""
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.api_url}/health/live")).is_success
            except httpx.TransportError:
                return False

    async def connect(
        self, url: str, *, key: str = "bi_dashboard", **config: Any
    ) -> dict[str, Any]:
        """Make an enabled integration with all scopes that points at `url`."""
        body = {
            "integration_key": key,
            "label": "BI dashboard",
            "is_enabled": True,
            "scopes": [
                "readiness",
                "uplift",
                "editions",
                "executive_reports",
                "adoption",
                "lifecycle",
            ],
            "config": {"webhook_url": url, **config},
        }
        async with self.speak() as client:
            answer = await client.post("/integrations", json=body)
            assert answer.status_code == 201, answer.text
            return answer.json()


@pytest.fixture
async def system(
    servers: Servers, database: Database, clock: Clock, tmp_path: Path
) -> AsyncGenerator[System, None]:
    """An API on a free port; workers are started by the test."""
    async with system_on(servers, database, clock, tmp_path) as made:
        yield made


@asynccontextmanager
async def system_on(
    servers: Servers, database: Database, clock: Clock, folder: Path
) -> AsyncGenerator[System, None]:
    """Start an API on this database, which is open; end everything at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pepper = "a pepper for tests only"
    tenant_id = await make_tenant("Acme", clock=clock)
    keys: dict[Role, str] = {}
    ids = Ids(clock)
    async with operating() as session:
        for role in Role:
            made = new_key(os.urandom(30))
            await create_key(
                session,
                key_id=ids(),
                tenant_id=None if role is Role.OPERATOR else tenant_id,
                role=role,
                label=f"{role} of the journey",
                prefix=made.prefix,
                digest=digest(made.text, pepper=pepper),
                now=clock(),
            )
            keys[role] = made.text
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "API_DATABASE_URL": database.api_url,
        "WORKER_DATABASE_URL": database.worker_url,
        "REDIS_URL": servers.redis_url,
        "GUARDIAN_KEY_RING": "t1:" + base64.b64encode(os.urandom(32)).decode(),
        "GUARDIAN_KEY_PEPPER": pepper,
        "GUARDIAN_API_PORT": str(port),
        "GUARDIAN_EGRESS_ALLOW_NETS": "127.0.0.0/8",
        "GUARDIAN_EGRESS_ALLOW_HTTP": "true",
        "GUARDIAN_EGRESS_ALLOW_PORTS": "*",
        "GUARDIAN_WORKER_LEASE_SECONDS": "3",
    }
    with (folder / "processes.log").open("wb") as log:
        made_system = System(f"http://127.0.0.1:{port}", env, log, tenant_id, keys)
        made_system.start("api")
        try:
            await eventually(made_system.serves, "the API answers")
            yield made_system
        finally:
            for process in made_system.running:
                process.kill()
            for process in made_system.running:
                process.wait()
    sys.stderr.write((folder / "processes.log").read_text()[-4000:])  # shown when a test fails
