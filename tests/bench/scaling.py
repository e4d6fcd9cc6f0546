"""More workers: what they add where the receiver is the wait, and how soon they share."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from tests.bench.figures import Figure
from tests.bench.seeding import Seeder, until_delivered
from tests.bench.size import Size
from tests.bench.stand import SHARDS, Bench, Stand, eventually

LANES = 64
WAIT_MS = 200
LEASE_S = 15
"""The product's default."""


@dataclass(frozen=True)
class Case:
    """Where it is measured, with which leases."""

    stand: Stand
    bench: Bench
    seeder: Seeder
    lanes: Sequence[UUID]
    lease_s: int

    @property
    def settings(self) -> dict[str, object]:
        """What the workers are started with."""
        return {"guardian_worker_lease_seconds": self.lease_s}


async def measure(stand: Stand, *, rounds: int, size: Size) -> list[Figure]:
    """One, two and four workers, then a third that joins two, and one that is killed."""
    seconds = size.pick(tiny=0.3, usual=4.0, full=10.0)
    lease_s = size.pick(tiny=1, usual=LEASE_S, full=LEASE_S)
    backlog = size.pick(tiny=500, usual=60_000, full=60_000)
    counts = size.pick(tiny=(1,), usual=(1, 2, 4), full=(1, 2, 4))
    rates: dict[int, list[float]] = {count: [] for count in counts}
    joined: list[float] = []
    replaced: list[float] = []
    async with stand.database("scaling") as bench:
        with stand.receiver(plain=LANES) as ports:
            seeder = Seeder(bench.owner, stand.ring)
            await seeder.tenant()
            urls = [f"http://127.0.0.1:{port}/wait/{WAIT_MS}" for port in ports.plain]
            case = Case(stand, bench, seeder, await seeder.integrations(urls), lease_s)
            for _ in range(rounds):
                for count, found in rates.items():
                    found.append(await _rate(case, count, seconds))
                joining, replacing = await _come_and_go(case, backlog)
                joined.append(joining)
                replaced.append(replacing)
    figures = [
        Figure(name=f"{count} workers, {WAIT_MS} ms at the receiver", unit="1/s", values=found)
        for count, found in rates.items()
    ]
    for count in counts[1:]:
        ratios = [many / one for many, one in zip(rates[count], rates[1], strict=True)]
        goal = ">= 1.6" if count == 2 else ""
        figures.append(Figure(name=f"{count} workers / 1", unit="x", values=ratios, goal=goal))
    return [
        *figures,
        Figure(name="third worker: start to its share", unit="s", values=joined, goal="<= 10"),
        Figure(
            name=f"killed worker: until replaced, lease {lease_s} s",
            unit="s",
            values=replaced,
            # Others look once a second whether a lease has ended.
            goal=f"<= {lease_s + 1}",
        ),
    ]


async def _rate(case: Case, count: int, seconds: float) -> float:
    """Deliveries a second of `count` workers that have enough to do."""
    bench, seeder = case.bench, case.seeder
    # More than the caps on what is under way let four workers deliver meanwhile.
    await seeder.deliveries(case.lanes, round((seconds + 2) * 4_000))
    async with case.stand.worker(bench, count=count, settings=case.settings):
        await asyncio.sleep(min(1.0, seconds))
        before, began = await seeder.delivered(), time.perf_counter()
        await asyncio.sleep(seconds)
        await until_delivered(seeder, before + 1)
        done, elapsed = await seeder.delivered() - before, time.perf_counter() - began
        if not await bench.owner.fetchval("SELECT EXISTS (SELECT FROM delivery_due)"):
            raise RuntimeError("the queue ran empty, so the rate says nothing")
    await bench.owner.execute("TRUNCATE delivery_due")
    return done / elapsed


async def _come_and_go(case: Case, backlog: int) -> tuple[float, float]:
    """Seconds until a third worker has its share, and until a killed one is replaced."""
    stand, bench = case.stand, case.bench
    await case.seeder.deliveries(case.lanes, backlog)
    async with stand.worker(bench, count=2, settings=case.settings) as workers:
        began = time.perf_counter()
        workers.append(stand.start_worker(bench, settings=case.settings))
        await eventually(_held_by_each(bench, 3), "the third worker has its share")
        joined = time.perf_counter() - began
        killed = workers.pop(0)
        began = time.perf_counter()
        stand.end(killed)
        await eventually(_held_by_each(bench, 2), "the killed worker is replaced")
        replaced = time.perf_counter() - began
    await bench.owner.execute("TRUNCATE delivery_due")
    return joined, replaced


def _held_by_each(bench: Bench, count: int) -> Callable[[], Awaitable[bool]]:
    """Whether `count` workers hold a fair share each, and all shards between them."""
    share = -(-SHARDS // count)

    async def is_so() -> bool:
        held = await bench.owner.fetch(
            "SELECT count(*) AS held FROM shard_lease "
            "WHERE owner IS NOT NULL AND until > now() GROUP BY owner"
        )
        shares = [row["held"] for row in held]
        return len(shares) == count and sum(shares) == SHARDS and max(shares) <= share

    return is_so
