"""Servers of a drill's own that write to disk, a tenant, its keys, and processes beside them."""

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx

from shared.contracts.words import Role
from shared.data.engine import close_pool, open_pool
from shared.data.session import operating
from shared.runtime.database import LOGINS, NAME, on_database, prepare_embedded
from shared.runtime.operators import make_key
from shared.runtime.postgres import EmbeddedPostgres
from shared.runtime.redis import EmbeddedRedis
from tests.conftest import Clock, make_tenant
from tests.journeys.conftest import eventually

ROOT = Path(__file__).parents[2]
WORD = "drill-only"
PEPPER = "a pepper of this drill"
SCOPES = ["readiness", "uplift", "editions", "executive_reports", "adoption", "lifecycle"]
FAREWELL_S = 40.0


@dataclass
class Stage:
    """What stands while a drill is played.

    Attributes:
        folder: of everything; the processes' log is `processes.log` in it.
        host: where processes reach PostgreSQL, and the receivers, over TCP; empty: by sockets.
        env: what API and worker are given, except for `DATABASE_URL`.
    """

    folder: Path
    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    owner_url: str
    env: dict[str, str]
    host: str = ""
    tenant_id: UUID | None = None
    keys: dict[Role, str] = field(default_factory=dict[Role, str])
    running: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    @property
    def log(self) -> Path:
        """Where the processes write."""
        return self.folder / "processes.log"

    def url(self, login: str) -> str:
        """The database as `login` reaches it."""
        if self.host:
            return f"postgresql://{login}:{WORD}@{self.host}:5432/{NAME}"
        return on_database(self.owner_url, login=login, password=WORD)

    async def furnish(self) -> None:
        """Make the tenant and one key of each role; the database is migrated."""
        await open_pool(self.url("guardian_api"), size=1, name="drill")
        try:
            self.tenant_id = await make_tenant("Acme", clock=Clock())
            async with operating() as session:
                for role in Role:
                    made = await make_key(
                        session,
                        role=role,
                        label="drill",
                        tenant_id=None if role is Role.OPERATOR else self.tenant_id,
                        pepper=PEPPER,
                    )
                    self.keys[role] = made.key
        finally:
            await close_pool()

    def start(
        self,
        room: str,
        *,
        prefix: Sequence[str] = (),
        tree: Path = ROOT,
        env: Mapping[str, str] | None = None,
        by: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start `api` or `worker` of the source in `tree`, by way of the command `prefix`.

        Args:
            room: whose login it gets.
            prefix: a command that runs it.
            tree: where its source stands.
            env: further variables.
            by: the module to run in its place, and that module's arguments.
        """
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-P", "-m", *(by or (room,))],
                cwd=tree,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(tree),
                    "DATABASE_URL": self.url(f"guardian_{room}"),
                    **self.env,
                    **(env or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    async def stop(self, process: subprocess.Popen[bytes]) -> int:
        """End it as a supervisor would; answers its exit code."""
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, FAREWELL_S)
        self.running.remove(process)
        return code

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End it as a crash would."""
        process.kill()
        process.wait()
        self.running.remove(process)

    async def connect(self, api_url: str, urls: Sequence[str], **config: object) -> None:
        """Make one integration for each of the receivers' URLs, all of them with this config."""
        headers = {"authorization": f"Bearer {self.keys[Role.ADMIN]}"}
        async with httpx.AsyncClient(headers=headers, timeout=20) as client:
            for number, url in enumerate(urls):
                answer = await client.post(
                    f"{api_url}/api/guardian/meta/integrations",
                    json={
                        "integration_key": f"bi_{number}",
                        "label": "BI",
                        "is_enabled": True,
                        "scopes": SCOPES,
                        "config": {"webhook_url": url, **config},
                    },
                )
                assert answer.is_success, answer.text


@asynccontextmanager
async def staged(
    folder: Path,
    *,
    host: str = "",
    postgres: Mapping[str, str] | None = None,
    redis: Mapping[str, str] | None = None,
    is_prepared: bool = True,
) -> AsyncGenerator[Stage]:
    """Start the servers in `folder`.

    Args:
        folder: must be enterable by everybody.
        host: an address of this host at which the servers are to be reached as well.
        postgres: further settings of PostgreSQL.
        redis: further settings of Valkey.
        is_prepared: False leaves migrating and furnishing to the drill.
    """
    postgres_server = EmbeddedPostgres(folder, settings=postgres)
    redis_server = EmbeddedRedis(folder, is_durable=False, settings=redis)
    made: Stage | None = None
    try:
        owner_url = postgres_server.start()
        redis_url = redis_server.start()
        env = {
            "REDIS_URL": f"redis://{host}:6379/0" if host else redis_url,
            "GUARDIAN_KEY_RING": "d1:" + base64.b64encode(os.urandom(32)).decode(),
            "GUARDIAN_KEY_PEPPER": PEPPER,
            "GUARDIAN_EGRESS_ALLOW_NETS": "127.0.0.0/8" + (f",{host}/32" if host else ""),
            "GUARDIAN_EGRESS_ALLOW_HTTP": "true",
            "GUARDIAN_EGRESS_ALLOW_PORTS": "*",
            "GUARDIAN_WORKER_LEASE_SECONDS": "3",
        }
        made = Stage(folder, postgres_server, redis_server, owner_url, env, host)
        if is_prepared:
            await prepare_embedded(owner_url, passwords=dict.fromkeys(LOGINS, WORD))
            await made.furnish()
        yield made
    finally:
        for process in made.running if made else ():
            process.kill()
            process.wait()
        redis_server.stop()
        postgres_server.stop()


async def serves(url: str) -> bool:
    """Whether the API at `url` has everything it needs."""
    async with httpx.AsyncClient(timeout=5) as client:
        try:
            answer = await client.get(f"{url}/health/ready")
        except httpx.TransportError:
            return False
    return answer.is_success and answer.json().get("status") == "ok"


async def until_served(*urls: str) -> None:
    """Wait for the APIs at `urls`."""

    async def all_serve() -> bool:
        return all([await serves(url) for url in urls])

    await eventually(all_serve, f"{' and '.join(urls)} serve", within_s=60)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
