"""One API and two workers, each started again when it dies, on servers that may be broken."""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis

from shared.contracts.words import Role
from shared.data.connection import Connection, connect
from shared.runtime.children import read_pid
from shared.runtime.database import on_database
from tests.drills.stage import Stage, free_port, staged, until_served

LEASE_S = 1.0
IN_FLIGHT = 32
WATCH_S = 0.05
LOOK_S = 0.005
ENDPOINTS = 5
_REFUSED = re.compile(rb"(\d+) outcomes were refused")


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition, without a deadline of its own."""
    while True:
        if is_so():
            return
        await asyncio.sleep(LOOK_S)


@dataclass
class Fleet:
    """What a run may break.

    Attributes:
        deaths: of processes, so far.
        paths: of the receivers.
    """

    stage: Stage
    api_url: str
    paths: list[str]
    processes: dict[str, subprocess.Popen[bytes]] = field(
        default_factory=dict[str, subprocess.Popen[bytes]]
    )
    deaths: int = 0

    @property
    def workers(self) -> list[subprocess.Popen[bytes]]:
        return [one for name, one in self.processes.items() if name != "api"]

    @property
    def ingest_key(self) -> str:
        return self.stage.keys[Role.INGEST]

    def start(self, name: str) -> None:
        """Start `api` or a worker, with orders of its own."""
        orders = self.orders(name)
        orders.write_text("none 1", encoding="utf-8")
        room = "api" if name == "api" else "worker"
        self.processes[name] = self.stage.start(
            room, by=("tests.chaos.mined", room), env={"CHAOS_ORDERS": str(orders)}
        )

    def orders(self, name: str) -> Path:
        return self.stage.folder / f"{name}.orders"

    def arm(self, name: str, point: str, count: int) -> None:
        """Have a process kill itself when it reaches `point` for the count-th time."""
        self.orders(name).write_text(f"{point} {count}", encoding="utf-8")
        if self.processes[name].poll() is None:
            self.processes[name].send_signal(signal.SIGUSR1)

    def disarm(self) -> None:
        for name in self.processes:
            self.arm(name, "none", 1)

    async def watch(self) -> None:
        """Start again whoever has died, until cancelled."""
        while True:
            for name, process in list(self.processes.items()):
                if process.poll() is not None:
                    self.deaths += 1
                    self.stage.running.remove(process)
                    self.start(name)
            await asyncio.sleep(WATCH_S)

    async def look(self) -> Connection:
        """A connection that sees every row; to be closed."""
        return await connect(on_database(self.stage.owner_url))

    async def busy_worker(self) -> subprocess.Popen[bytes]:
        """A worker that holds the shard of an integration."""
        connection = await self.look()
        try:
            pid = await connection.fetchval(
                """
                SELECT h.pid FROM integration i JOIN shard_lease l USING (shard)
                JOIN worker_heartbeat h USING (owner)
                WHERE l.until > now() GROUP BY h.pid ORDER BY count(*) DESC LIMIT 1
                """
            )
        finally:
            await connection.close()
        return next((one for one in self.workers if one.pid == pid), self.workers[0])

    def break_postgres(self) -> None:
        """PostgreSQL's immediate shutdown: no farewell, and the log is replayed at the start."""
        pid = read_pid(self.stage.folder / "postgres" / "postmaster.pid")
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)

    async def mend_postgres(self) -> None:
        await until(lambda: not self.stage.postgres.is_running)
        self.stage.postgres.start()

    async def flush_redis(self) -> None:
        redis = Redis.from_url(self.stage.env["REDIS_URL"])
        await redis.flushall()
        await redis.aclose()

    def refused(self, *, since: int) -> int:
        """Outcomes that came too late to be settled, told behind this byte of the log."""
        with self.stage.log.open("rb") as log:
            log.seek(since)
            return sum(int(count) for count in _REFUSED.findall(log.read()))

    def memory_mb(self) -> int:
        """The most memory a worker that is alive has ever held."""
        peaks = [0]
        for worker in self.workers:
            try:
                status = Path(f"/proc/{worker.pid}/status").read_text(encoding="utf-8")
            except OSError:
                continue
            peaks += [
                int(line.split()[1]) // 1024
                for line in status.splitlines()
                if line.startswith("VmHWM")
            ]
        return max(peaks)


@asynccontextmanager
async def launched(folder: Path, receivers_url: str) -> AsyncGenerator[Fleet]:
    """Start everything in `folder`, with an integration for each path of the receivers."""
    # Only processes are killed here, so the disk need not be waited for.
    async with staged(folder, postgres={"fsync": "off"}) as stage:
        port = free_port()
        stage.env |= {
            "GUARDIAN_API_PORT": str(port),
            "GUARDIAN_RATE_PER_KEY": "0",
            "GUARDIAN_RATE_PER_ADDRESS": "0",
            "GUARDIAN_WORKER_LEASE_SECONDS": str(LEASE_S),
            "GUARDIAN_WORKER_LOOK_SECONDS": "0.2",
            "GUARDIAN_WORKER_IN_FLIGHT": str(IN_FLIGHT),
            "GUARDIAN_WORKER_DRAIN_SECONDS": "1",
        }
        api_url = f"http://127.0.0.1:{port}"
        fleet = Fleet(stage, api_url, [f"/{number}" for number in range(ENDPOINTS)])
        for name in ("api", "one", "two"):
            fleet.start(name)
        await until_served(api_url)
        await stage.connect(
            api_url,
            [f"{receivers_url}{path}" for path in fleet.paths],
            retry_schedule=[1] * 15,
        )
        watching = asyncio.create_task(fleet.watch())
        try:
            yield fleet
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
