"""What a worker takes while there is nothing to do: CPU and memory."""

import asyncio
import time

from tests.bench.figures import Figure
from tests.bench.seeding import Seeder
from tests.bench.size import Size
from tests.bench.stand import Stand, cpu_s, memory_mb
from tests.bench.steady import settled, steady

LANES = 64
RATE = 100


async def measure(stand: Stand, *, rounds: int, size: Size) -> list[Figure]:
    """Watch a worker that has delivered to all its integrations and waits for more."""
    seconds = size.pick(tiny=0.3, usual=10.0, full=60.0)
    burst = size.pick(tiny=300, usual=16_000, full=60_000)
    idle: list[float] = []
    async with stand.database("footprint") as bench:
        with stand.receiver(plain=LANES) as ports:
            seeder = Seeder(bench.owner, stand.ring)
            await seeder.tenant()
            urls = [f"http://127.0.0.1:{port}/ok" for port in ports.plain]
            lanes = await seeder.integrations(urls)
            async with stand.worker(bench) as [worker]:
                fresh, _ = memory_mb(worker.pid)
                await steady(stand, seeder, lanes, rate=RATE, seconds=min(1.0, seconds))
                for _ in range(rounds):
                    await settled(seeder)
                    await asyncio.sleep(min(1.0, seconds))
                    spent, began = cpu_s(worker.pid), time.perf_counter()
                    await asyncio.sleep(seconds)
                    spent = cpu_s(worker.pid) - spent
                    idle.append(spent / (time.perf_counter() - began) * 100)
                await seeder.deliveries(lanes, burst)
                await settled(seeder)
                _, most = memory_mb(worker.pid)
    return [
        Figure(name="idle worker: CPU of one core", unit="%", values=idle, goal="<= 0.5"),
        Figure(name="worker's memory, just started", unit="MB", values=[fresh]),
        Figure(name=f"worker's memory, at most in {burst:,}", unit="MB", values=[most]),
    ]
