"""How fast: the engine, its transport alone and the naive worker, over plain HTTP and over TLS."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from uuid import UUID

from tests.bench.figures import Figure
from tests.bench.seeding import Seeder, until_delivered, wake
from tests.bench.size import Size
from tests.bench.stand import WORKER_CPUS, Ports, Stand, cpu_s

LANES = 64
WARM_UP = 1_000
AT_ONCE = 128
NAIVE_AT_ONCE = (10, 64)
"""arq's default, and about as many as the engine has under way."""


@dataclass
class Series:
    """What the rounds brought for one contestant."""

    rates: list[float] = field(default_factory=list[float])
    cpu_us: list[float] = field(default_factory=list[float])

    def add(self, rate: float, cpu_us: float) -> None:
        """One more round."""
        self.rates.append(rate)
        self.cpu_us.append(cpu_us)

    def over(self, other: "Series") -> list[float]:
        """How many times as fast as `other`, round by round."""
        return [mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True)]


async def measure(stand: Stand, *, rounds: int, size: Size) -> list[Figure]:
    """Interleave the contestants, round by round."""
    count = size.pick(tiny=300, usual=16_000, full=60_000)
    jobs = size.pick(tiny=10, usual=300, full=1_000)
    seconds = size.pick(tiny=0.1, usual=2.0, full=5.0)
    schemes = ("plain", "tls")
    engine = {scheme: Series() for scheme in schemes}
    alone = {scheme: Series() for scheme in schemes}
    at_once_each = size.pick(tiny=NAIVE_AT_ONCE[:1], usual=NAIVE_AT_ONCE, full=NAIVE_AT_ONCE)
    naive = {at_once: Series() for at_once in at_once_each}
    wal: list[float] = []
    async with stand.database("throughput") as bench:
        with stand.receiver(plain=LANES, tls=LANES) as ports:
            urls = urls_of(ports)
            seeder = Seeder(bench.owner, stand.ring)
            await seeder.tenant()
            lanes = {scheme: await seeder.integrations(urls[scheme]) for scheme in schemes}
            async with stand.worker(bench) as [worker]:
                for scheme in schemes:
                    await deliver(stand, seeder, lanes[scheme], min(WARM_UP, count))
                for _ in range(rounds):
                    for scheme in schemes:
                        cpu_before = cpu_s(worker.pid)
                        elapsed, written = await deliver(stand, seeder, lanes[scheme], count)
                        wal.append(written / count)
                        spent = cpu_s(worker.pid) - cpu_before
                        engine[scheme].add(count / elapsed, spent / count * 1e6)
                        alone[scheme].add(*await _alone(stand, urls[scheme], seconds))
                    for at_once, series in naive.items():
                        series.add(*await _naive(stand, urls["plain"][:8], jobs, at_once))
    figures = [
        Figure(name="WAL, claim and settle", unit="B each", values=wal, goal="<= 450"),
    ]
    for scheme in schemes:
        figures += [
            _rate(f"engine, {scheme}", engine[scheme], goal=">= 8000" if scheme == "plain" else ""),
            _cpu(f"engine, {scheme}", engine[scheme]),
            _rate(f"transport alone, {scheme}", alone[scheme]),
            _cpu(f"transport alone, {scheme}", alone[scheme]),
            _times(
                f"engine / its transport alone, {scheme}",
                engine[scheme].over(alone[scheme]),
                ">= 0.6",
            ),
        ]
    for at_once, series in naive.items():
        figures += [
            _rate(f"naive worker, {at_once} at once", series),
            _cpu(f"naive worker, {at_once} at once", series),
            _times(
                f"engine / naive worker, {at_once} at once", engine["plain"].over(series), ">= 100"
            ),
        ]
    return figures


def urls_of(ports: Ports) -> dict[str, list[str]]:
    """Where the receivers are that answer at once, over plain HTTP and TLS."""
    return {
        "plain": [f"http://127.0.0.1:{port}/ok" for port in ports.plain],
        "tls": [f"https://127.0.0.1:{port}/ok" for port in ports.tls],
    }


async def deliver(
    stand: Stand, seeder: Seeder, integration_ids: Sequence[UUID], count: int
) -> tuple[float, int]:
    """Seconds from the wake-up until `count` are settled, and bytes of WAL written meanwhile."""
    before = await seeder.delivered()
    await seeder.deliveries(integration_ids, count)
    wal, began = await seeder.wal(), perf_counter()
    await wake(stand.servers.redis_url, integration_ids)
    await until_delivered(seeder, before + count)
    return perf_counter() - began, await seeder.wal() - wal


async def _alone(stand: Stand, urls: Sequence[str], seconds: float) -> tuple[float, float]:
    arguments = ["--at-once", str(AT_ONCE), "--seconds", str(seconds)]
    arguments += ["--ca-file", str(stand.authority), *urls]
    told = await stand.output(stand.process("tests.bench.transport", *arguments, cpus=WORKER_CPUS))
    return told["rate"], told["cpu_us"]


async def _naive(stand: Stand, urls: Sequence[str], jobs: int, at_once: int) -> tuple[float, float]:
    arguments = {
        "--database": stand.servers.url("guardian_owner", "throughput"),
        "--redis": stand.servers.redis_url,
        "--ca-file": str(stand.authority),
        "--jobs": str(jobs),
        "--at-once": str(at_once),
    }
    words = [word for pair in arguments.items() for word in pair]
    told = await stand.output(stand.process("tests.bench.naive", *words, *urls, cpus=WORKER_CPUS))
    return told["rate"], told["cpu_us"]


def _rate(name: str, series: Series, *, goal: str = "") -> Figure:
    return Figure(name=name, unit="1/s", values=series.rates, goal=goal)


def _cpu(name: str, series: Series) -> Figure:
    return Figure(name=f"{name}: CPU", unit="us each", values=series.cpu_us)


def _times(name: str, ratios: Sequence[float], goal: str) -> Figure:
    return Figure(name=name, unit="x", values=ratios, goal=goal)
