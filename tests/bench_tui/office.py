"""Where the console is measured: a real API, a real worker, and a tenant with a long history."""

import asyncio
import os
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Coroutine, Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx

from shared.contracts.words import Role
from shared.data.connection import Connection, connect
from tests.bench.seeding import Seeder
from tests.bench_tui.watch import Watched
from tests.conftest import Clock, opened, serving
from tests.databases import Databases
from tests.journeys.conftest import ROOT, System, system_on
from tests.receiver import Receiver

GUARDIAN = Path(sys.executable).with_name("guardian")
OTHERS = 11
LARGE = (120, 40)
SMALL = (80, 24)
T = TypeVar("T")
CHUNK = 100_000


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        rounds: of each way to end.
        soak_s: seconds under load.
        samples: changes whose way to the screen is timed.
    """

    rounds: int
    soak_s: float
    samples: int


@dataclass
class Office:
    """Sync to the outside; the asynchronous part runs on a loop in a thread of its own."""

    loop: asyncio.AbstractEventLoop
    system: System
    owner: Connection
    seeder: Seeder
    integration: dict[str, Any]
    receiver: Receiver
    home: Path
    dice: random.Random

    @classmethod
    @contextmanager
    def open(cls) -> Generator[Self, None, None]:
        """Start everything; stop it at the end."""
        with (
            serving() as servers,
            tempfile.TemporaryDirectory() as folder,
            looping() as loop,
        ):
            stack = AsyncExitStack()

            async def start() -> Self:
                databases = Databases(
                    servers.owner_url, url_of=lambda name: servers.url("guardian_owner", name)
                )
                database = await stack.enter_async_context(opened(servers, databases))
                system = await stack.enter_async_context(
                    system_on(servers, database, Clock(), Path(folder))
                )
                receiver = await stack.enter_async_context(Receiver(otherwise=204))
                for number in range(OTHERS):
                    await system.connect(receiver.url, key=f"tool_{number}")
                integration = await system.connect(receiver.url)
                system.start("worker")
                owner = await connect(database.owner_url)
                stack.push_async_callback(owner.close)
                await owner.execute("SET session_replication_role = replica")
                seeder = Seeder(owner, system.env["GUARDIAN_KEY_RING"])
                seeder.tenant_id = system.tenant_id
                made = cls(
                    loop,
                    system,
                    owner,
                    seeder,
                    integration,
                    receiver,
                    Path(folder),
                    random.Random(7),  # noqa: S311 - repeatable
                )
                await made.observe(72)
                return made

            try:
                yield asyncio.run_coroutine_threadsafe(start(), loop).result()
            finally:
                asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result()

    def run(self, act: Coroutine[Any, Any, T]) -> T:
        """Have it done, and wait."""
        return asyncio.run_coroutine_threadsafe(act, self.loop).result()

    def console(
        self, *options: str, size: tuple[int, int] = SMALL, command: str = "", **env: str
    ) -> Watched:
        """The console on a terminal of its own; `command` is Python instead of it."""
        program = [sys.executable, "-c", command] if command else [str(GUARDIAN), "tui"]
        return Watched([*program, *options], self.env() | env, width=size[0], height=size[1])

    def env(self, role: Role = Role.ADMIN) -> dict[str, str]:
        """What the console finds around it."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "GUARDIAN_API_URL": self.system.api_url,
            "GUARDIAN_API_KEY": self.system.keys[role],
        }

    def observe_now(self, score: float) -> None:
        """Tell a new readiness score; it is committed when this returns."""
        self.run(self.observe(score))

    async def observe(self, score: float) -> None:
        """The same, from within."""
        async with self.system.speak(Role.INGEST) as producer:
            answer = await producer.post(
                "/observations/readiness",
                json={
                    "computed_at": datetime.now(UTC).isoformat(),
                    "capabilities": [{"key": "guardian.core.rules", "score": score}],
                },
            )
            answer.raise_for_status()

    def fill(self, rows: int) -> None:
        """Put that many delivered deliveries into the history."""
        for start in range(0, rows, CHUNK):
            part = min(CHUNK, rows - start)
            history = self.seeder.history([UUID(self.integration["id"])], part)
            self.run(history)
        self.run(self.owner.execute("ANALYZE delivery_attempt"))

    @contextmanager
    def api_asleep(self) -> Generator[None, None, None]:
        """The API takes connections and answers nothing."""
        [api, *_] = self.system.running
        os.kill(api.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(api.pid, signal.SIGCONT)

    @contextmanager
    def storm(self, *, per_s: float) -> Generator[None, None, None]:
        """So many observations a second, each of which makes an event and a delivery."""
        is_over = threading.Event()

        def rage() -> None:
            root = f"{self.system.api_url}/api/guardian/meta"
            headers = {"authorization": f"Bearer {self.system.keys[Role.INGEST]}"}
            with httpx.Client(headers=headers) as producer:
                while not is_over.wait(1 / per_s):
                    seen = {"key": "guardian.core.rules", "score": self.dice.randint(20, 90)}
                    body = {"computed_at": datetime.now(UTC).isoformat(), "capabilities": [seen]}
                    producer.post(f"{root}/observations/readiness", json=body)

        thread = threading.Thread(target=rage, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


@contextmanager
def looping() -> Generator[asyncio.AbstractEventLoop, None, None]:
    """An event loop that runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
