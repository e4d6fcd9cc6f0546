"""How soon: from the commit of a delivery to the first byte at its receiver, at 100 a second."""

from tests.bench.figures import Figure, percentile
from tests.bench.seeding import Seeder
from tests.bench.size import Size
from tests.bench.stand import Stand
from tests.bench.steady import settled, stamps, steady

LANES = 16
RATE = 100


async def measure(stand: Stand, *, rounds: int, size: Size) -> list[Figure]:
    """Deliver at a steady pace to receivers that answer at once; nothing else is to be done."""
    seconds = size.pick(tiny=0.2, usual=5.0, full=30.0)
    medians: list[float] = []
    tails: list[float] = []
    async with stand.database("latency") as bench:
        with stand.receiver(plain=LANES) as ports:
            seeder = Seeder(bench.owner, stand.ring)
            await seeder.tenant()
            urls = [f"http://127.0.0.1:{port}/stamp" for port in ports.plain]
            lanes = await seeder.integrations(urls)
            async with stand.worker(bench):
                # The first ones pay for connections and plans.
                await steady(stand, seeder, lanes, rate=RATE, seconds=min(1.0, seconds))
                for _ in range(rounds):
                    await settled(seeder)
                    stamps(ports.plain[0])
                    commits = await steady(stand, seeder, lanes, rate=RATE, seconds=seconds)
                    await settled(seeder)
                    arrived = stamps(ports.plain[0])
                    waits = [(arrived[one] - at) * 1e3 for one, at in commits.items()]
                    medians.append(percentile(waits, 0.5))
                    tails.append(percentile(waits, 0.99))
    return [
        Figure(name="commit to first byte, p50", unit="ms", values=medians, goal="<= 2"),
        Figure(name="commit to first byte, p99", unit="ms", values=tails, goal="<= 15"),
    ]
