"""The bench's stand: servers that write to disk, receivers and workers as processes of their own.

Where there are two cores, the worker has one for itself; PostgreSQL, Valkey, the receivers and this
process share the other.
"""

import asyncio
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from urllib.parse import parse_qs, urlsplit

import trustme

from shared.data.connection import Connection, connect
from shared.runtime.postgres import EmbeddedPostgres
from shared.runtime.redis import EmbeddedRedis
from tests.conftest import Servers, make_template

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
SHARDS = 64
WORKER_MODULE = "worker"
WORKER_CPUS, OTHER_CPUS = ({1}, {0}) if {0, 1} <= os.sched_getaffinity(0) else (None, None)


@dataclass(frozen=True)
class Ports:
    """Where a receiver listens."""

    plain: list[int]
    tls: list[int]


@dataclass(frozen=True)
class Bench:
    """A database of one measure's own; `owner` sees and may do everything."""

    owner: Connection
    worker_url: str


@dataclass
class Stand:
    """What stands while measures are taken.

    Attributes:
        is_pinned: whether the worker has a core for itself.
    """

    folder: Path
    servers: Servers
    ring: str
    log: Path
    certificate: Path
    authority: Path
    is_pinned: bool = True
    running: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    @asynccontextmanager
    async def database(self, name: str) -> AsyncGenerator[Bench, None]:
        """A fresh, migrated one."""
        admin = await connect(self.servers.owner_url)
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE template_guardian")
        owner = await connect(self.servers.url("guardian_owner", name))
        try:
            # Only seeding speaks as the owner; foreign keys are the API's cost, not the worker's.
            await owner.execute("SET session_replication_role = replica")
            yield Bench(owner, self.servers.url("guardian_worker", name))
        finally:
            await owner.close()
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await admin.close()

    @contextmanager
    def receiver(self, *, plain: int, tls: int = 0) -> Generator[Ports, None, None]:
        """A receiver with that many ports of each kind."""
        arguments = ["--plain", str(plain), "--tls", str(tls)]
        process = self.process(
            "tests.bench.receiver", *arguments, "--certificate", str(self.certificate)
        )
        try:
            assert process.stdout is not None
            yield Ports(**json.loads(process.stdout.readline()))
        finally:
            self.end(process)

    @asynccontextmanager
    async def worker(
        self,
        bench: Bench,
        *,
        count: int = 1,
        module: str = WORKER_MODULE,
        settings: Mapping[str, object] | None = None,
    ) -> AsyncGenerator[list[subprocess.Popen[str]], None]:
        """That many real workers, all shards between them; those still in the list are ended."""
        workers = [self.start_worker(bench, module=module, settings=settings) for _ in range(count)]
        try:

            async def have_shared() -> bool:
                if any(worker.poll() is not None for worker in workers):
                    raise RuntimeError(f"a worker ended: {self.log.read_text()[-2000:]}")
                held = await bench.owner.fetch(
                    "SELECT count(*) AS held FROM shard_lease WHERE owner IS NOT NULL "
                    "GROUP BY owner"
                )
                shares = [row["held"] for row in held]
                return sum(shares) == SHARDS and sorted(shares) == sorted(_fair(count))

            await eventually(have_shared, "the workers hold their shards")
            yield workers
        finally:
            for worker in workers:
                self.end(worker)
            # What was killed has left its leases behind.
            await bench.owner.execute(
                "UPDATE shard_lease SET owner = NULL, until = '-infinity';"
                "DELETE FROM worker_heartbeat"
            )

    def start_worker(
        self,
        bench: Bench,
        *,
        module: str = WORKER_MODULE,
        settings: Mapping[str, object] | None = None,
    ) -> subprocess.Popen[str]:
        """One more worker, which holds nothing yet; `settings` are environment variables."""
        env = {
            "DATABASE_URL": bench.worker_url,
            "REDIS_URL": self.servers.redis_url,
            "GUARDIAN_KEY_RING": self.ring,
            "GUARDIAN_KEY_PEPPER": "a pepper for the bench only",
            "GUARDIAN_EGRESS_ALLOW_NETS": "127.0.0.0/8",
            "GUARDIAN_EGRESS_ALLOW_HTTP": "true",
            "GUARDIAN_EGRESS_ALLOW_PORTS": "*",
            "GUARDIAN_EGRESS_CA_FILE": str(self.authority),
        }
        env |= {name.upper(): str(value) for name, value in (settings or {}).items()}
        return self.process(module, env=env, cpus=WORKER_CPUS)

    def process(
        self,
        module: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        cpus: set[int] | None = OTHER_CPUS,
    ) -> subprocess.Popen[str]:
        """Start `python -m module`; what it says on stderr goes to the log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **(env or {})},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        if cpus and self.is_pinned:
            os.sched_setaffinity(process.pid, cpus)
        self.running.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """Kill it: nothing is measured any more."""
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.running.remove(process)

    def end_all(self) -> None:
        """Kill whatever still runs."""
        for process in list(self.running):
            self.end(process)

    async def output(self, process: subprocess.Popen[str]) -> dict[str, float]:
        """Wait until it ends, and read the JSON it printed."""
        text, _ = await asyncio.to_thread(process.communicate)
        self.running.remove(process)
        if process.returncode:
            raise RuntimeError(f"{process.args} failed: {self.log.read_text()[-2000:]}")
        return json.loads(text)


@contextmanager
def stand() -> Generator[Stand, None, None]:
    """Start the servers; stop everything at the end."""
    if OTHER_CPUS:
        os.sched_setaffinity(0, OTHER_CPUS)
    folder = Path(tempfile.mkdtemp(prefix="guardian-bench-"))
    folder.chmod(0o755)
    postgres, redis = EmbeddedPostgres(folder), EmbeddedRedis(folder)
    made: Stand | None = None
    try:
        owner_url = postgres.start()
        socket_dir = parse_qs(urlsplit(owner_url).query)["host"][0]
        servers = Servers(socket_dir, owner_url, "bench-only", redis.start())
        asyncio.run(make_template(servers))
        made = stand_on(servers, folder)
        yield made
    finally:
        if made:
            made.end_all()
        redis.stop()
        postgres.stop()
        rmtree(folder, ignore_errors=True)


def stand_on(servers: Servers, folder: Path, *, is_pinned: bool = True) -> Stand:
    """Make what else is needed in `folder`, on servers that run and have their template."""
    authority, certificate = folder / "authority.pem", folder / "certificate.pem"
    ca = trustme.CA()
    ca.cert_pem.write_to_path(authority)
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    return Stand(
        folder=folder,
        servers=servers,
        ring="b1:" + base64.b64encode(os.urandom(32)).decode(),
        log=folder / "processes.log",
        certificate=certificate,
        authority=authority,
        is_pinned=is_pinned,
    )


def cpu_s(pid: int) -> float:
    """Seconds of CPU that all threads of a living process have used, to the nanosecond."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident megabytes of a process: now, and at most."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
    now, most = (int(sizes[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


async def eventually(
    is_so: Callable[[], Awaitable[bool]], what: str, *, pause_s: float = 0.02
) -> None:
    """Wait for a condition."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while not await is_so():
        if loop.time() > deadline:
            raise RuntimeError(f"not within {PATIENCE_S:g} s: {what}")
        await asyncio.sleep(pause_s)


def host() -> dict[str, object]:
    """The machine, for the record."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    return {
        "host": socket.gethostname(),
        "cpu": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": sys.version.split()[0],
    }


def _fair(count: int) -> Sequence[int]:
    """How many shards each of `count` workers ends up with."""
    share = -(-SHARDS // count)
    return [share] * (SHARDS // share) + ([SHARDS % share] if SHARDS % share else [])
