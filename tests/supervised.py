"""supervisord for real, with the configuration of production, over an API and workers."""

import asyncio
import getpass
import os
import subprocess
import sys
import xmlrpc.client
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

import httpx
from supervisor.xmlrpc import SupervisorTransport

from tests.journeys.conftest import eventually
from tests.receiver import Receiver

ROOT = Path(__file__).parents[1]
API = "api:api"


class Supervised:
    """supervisord, and what runs under it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], url: str, key: str) -> None:
        """Know where it listens and as whom the API is asked."""
        self.process = process
        self.url = url
        self._socket = folder / "supervisor.sock"
        self._headers = {"authorization": f"Bearer {key}"}

    def programs(self) -> dict[str, tuple[str, int]]:
        """State and process id of each program; empty while supervisord does not answer."""
        try:
            answer = cast("list[dict[str, Any]]", self._ask("getAllProcessInfo"))
        except (OSError, HTTPException):
            return {}
        return {f"{one['group']}:{one['name']}": (one["statename"], one["pid"]) for one in answer}

    async def restart(self, name: str) -> None:
        """Stop a program, wait until it has ended, and start it again, as a deploy does."""
        await asyncio.to_thread(self._ask, "stopProcess", name)
        await asyncio.to_thread(self._ask, "startProcess", name)

    def pids(self) -> list[int]:
        """Supervisord and what runs under it."""
        return [self.process.pid, *(pid for _, pid in self.programs().values() if pid)]

    async def is_whole(self) -> bool:
        """Whether all programs run and the API has everything it needs."""
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

    def _ask(self, what: str, *arguments: str) -> object:
        server = xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{self._socket}")
        )
        try:
            return getattr(server.supervisor, what)(*arguments)
        finally:
            server("close")()


@asynccontextmanager
async def supervised(
    folder: Path,
    env: Mapping[str, str],
    *,
    api_database_url: str,
    worker_database_url: str,
    port: int,
    key: str,
    workers: int = 1,
) -> AsyncGenerator[Supervised]:
    """Start `deploy/supervisord.conf`, its `log` in `folder`; end it as an operator would."""
    api_file, worker_file = folder / "api.url", folder / "worker.url"
    api_file.write_text(api_database_url)
    worker_file.write_text(worker_database_url)
    own = {
        "PATH": os.defpath,
        "GUARDIAN_API_PORT": str(port),
        "SUPERVISED_GUARDIAN": str(Path(sys.executable).with_name("guardian")),
        "SUPERVISED_USER": getpass.getuser(),
        "SUPERVISED_RUN_DIR": str(folder),
        "SUPERVISED_API_DATABASE_URL_FILE": str(api_file),
        "SUPERVISED_WORKER_DATABASE_URL_FILE": str(worker_file),
        "SUPERVISED_WORKERS": str(workers),
        "SUPERVISED_WORKER_STOP_SECONDS": "30",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            [
                *(sys.executable, "-m", "supervisor.supervisord"),
                *("-n", "-c", ROOT / "deploy" / "supervisord.conf"),
            ],
            env={**env, **own},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        system = Supervised(folder, process, f"http://127.0.0.1:{port}", key)
        try:
            await eventually(system.is_whole, "the API and the workers run")
            yield system
        finally:
            pids = system.pids()
            process.terminate()
            await asyncio.to_thread(process.wait, 40)
            await eventually(all_ended(pids), "nothing is left of it")


def all_ended(pids: Sequence[int]) -> Callable[[], Awaitable[bool]]:
    """Whether none of these processes lives any more."""

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
