"""libcurl and aiohttp inside the engine, over plain HTTP and TLS, to many receivers."""

from itertools import product

from tests.bench.figures import Figure
from tests.bench.seeding import Seeder
from tests.bench.size import Size
from tests.bench.stand import WORKER_MODULE, Stand, cpu_s
from tests.bench.throughput import Series, deliver, urls_of

LANES = 128
WARM_UP = 1_000
MODULES = {"libcurl": WORKER_MODULE, "aiohttp": "tests.bench.rival"}
SCHEMES = ("plain", "tls")


async def measure(stand: Stand, *, rounds: int, size: Size) -> list[Figure]:
    """Let a worker of each kind deliver the same, one after the other, round by round."""
    count = size.pick(tiny=200, usual=12_000, full=60_000)
    found = {(name, scheme): Series() for name, scheme in product(MODULES, SCHEMES)}
    async with stand.database("transports") as bench:
        with stand.receiver(plain=LANES, tls=LANES) as ports:
            seeder = Seeder(bench.owner, stand.ring)
            await seeder.tenant()
            urls = urls_of(ports)
            lanes = {scheme: await seeder.integrations(urls[scheme]) for scheme in SCHEMES}
            for _ in range(rounds):
                for name, module in MODULES.items():
                    async with stand.worker(bench, module=module) as [worker]:
                        for scheme in SCHEMES:
                            await deliver(stand, seeder, lanes[scheme], min(WARM_UP, count))
                            spent = cpu_s(worker.pid)
                            elapsed, _ = await deliver(stand, seeder, lanes[scheme], count)
                            spent = cpu_s(worker.pid) - spent
                            found[name, scheme].add(count / elapsed, spent / count * 1e6)
    figures: list[Figure] = []
    for (name, scheme), series in found.items():
        title = f"engine with {name}, {scheme}, {LANES} receivers"
        figures += [
            Figure(name=title, unit="1/s", values=series.rates),
            Figure(name=f"{title}: CPU", unit="us each", values=series.cpu_us),
        ]
    for scheme in SCHEMES:
        ratios = found["libcurl", scheme].over(found["aiohttp", scheme])
        figures.append(Figure(name=f"libcurl / aiohttp, {scheme}", unit="x", values=ratios))
    return figures
