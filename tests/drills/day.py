"""`python -m tests.drills.day`: a million deliveries, as of a day, with retention running.

A day's load arrives in 24 hours' portions, and each portion is dated a fortnight later than the one
before, so that the months of a year pass by and retention has something to drop. After each portion
it looks at the tables, at how long a claim takes, and at the memory of the processes. What levels
off in a year of months does so in a year of days.
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from urllib.request import urlopen
from uuid import UUID

from shared.data.engine import close_pool, open_pool
from shared.data.lifecycle import run_lifecycle
from shared.data.session import operating
from shared.data.storage import table_sizes
from shared.domain.sealing import KeyRing
from shared.domain.uuid7 import Ids
from tests.bench.figures import percentile
from tests.bench.seeding import Seeder, until_delivered, wake
from tests.bench.stand import Bench, Stand, eventually, memory_mb, stand
from tests.drills.stage import PEPPER, free_port
from worker.delivery.claim import Want, claim
from worker.delivery.lane import START

PORTIONS = 24
LANES = 64
FORTNIGHT = timedelta(days=15.2)
KEPT_DAYS = 31
CLAIMS = 20
TABLES = ("event", "delivery_attempt", "delivery_due", "integration_hour")
SETTLED_AFTER = 8
"""Portions after which nothing may grow any more: the first months have gone by then."""
MEMORY_GROWTH = 1.05
SIZE_GROWTH = 1.25
LONGEST_S = 120.0


async def play(stage: Stand, deliveries: int, *, seconds: float) -> bool:
    """Play it and print each portion; whether everything levelled off.

    Args:
        stage: the servers.
        deliveries: of the whole day.
        seconds: after which no further portion is begun, once the first months have gone.
    """
    rows: list[dict[str, float]] = []
    ends = perf_counter() + seconds
    began_at = datetime.now(UTC) - FORTNIGHT * (PORTIONS + 2)
    async with stage.database("day") as bench:
        await bench.owner.execute("SELECT guardian_make_partitions($1::date, 16)", began_at.date())
        with stage.receiver(plain=LANES) as ports:
            seeder = Seeder(bench.owner, stage.ring)
            await seeder.tenant()
            urls = [f"http://127.0.0.1:{port}/ok" for port in ports.plain]
            lanes = await seeder.integrations(urls)
            async with stage.worker(bench) as [worker]:
                api, api_url = await _api(stage)
                await open_pool(stage.servers.url("guardian_tests", "day"), size=2, name="day")
                try:
                    pids = {"worker": worker.pid, "api": api.pid}
                    for number in range(PORTIONS):
                        if perf_counter() > ends and len(rows) > SETTLED_AFTER:
                            break
                        rows.append(
                            await _portion(
                                stage,
                                bench,
                                seeder,
                                lanes,
                                count=deliveries // PORTIONS,
                                at=began_at + FORTNIGHT * number,
                                pids=pids,
                                api_url=api_url,
                            )
                        )
                finally:
                    await close_pool()
                    stage.end(api)
    return _judge(rows)


async def _portion(
    stage: Stand,
    bench: Bench,
    seeder: Seeder,
    lanes: Sequence[UUID],
    *,
    count: int,
    at: datetime,
    pids: dict[str, int],
    api_url: str,
) -> dict[str, float]:
    """Deliver one portion, let go what is old, and look."""
    before = await seeder.delivered()
    await seeder.deliveries(lanes, count, at=at)
    began = perf_counter()
    claims = await _claims(lanes, stage.ring)
    await wake(stage.servers.redis_url, lanes)

    await until_delivered(seeder, before + count, deadline_s=LONGEST_S)
    elapsed = perf_counter() - began
    for _ in range(CLAIMS):
        await asyncio.to_thread(_scrape, api_url)
    await run_lifecycle(operating, now=at, days=KEPT_DAYS, ids=Ids(_now), actor="worker")
    sizes = {one.name: one for one in await table_sizes(bench.owner)}
    row = {
        "rate": count / elapsed,
        "claim": median(claims) * 1000,
        "claim_p99": percentile(claims, 0.99) * 1000,
        **{f"{name}_mb": sizes[name].heap / 1e6 for name in TABLES},
        **{f"{name}_index_mb": sizes[name].indexes / 1e6 for name in TABLES},
        **{f"{name}_rss": memory_mb(pid)[0] for name, pid in pids.items()},
    }
    print(
        f"{at:%Y-%m-%d}  {row['rate']:6.0f}/s  claim {row['claim']:5.2f} ms  "
        + "  ".join(
            f"{name} {row[f'{name}_mb']:.1f}+{row[f'{name}_index_mb']:.1f} MB" for name in TABLES
        )
        + "  "
        + "  ".join(f"{name} {row[f'{name}_rss']:.1f} MB" for name in pids),
        flush=True,
    )
    return row


async def _claims(lanes: Sequence[UUID], ring: str) -> list[float]:
    """How long the engine's own claim takes for every integration, in seconds; it only reads."""
    opened = KeyRing.parse(ring)
    taken: list[float] = []
    for lane in list(lanes)[:CLAIMS]:
        began = perf_counter()
        async with claim(
            [Want(lane, START, 32)],
            known={},
            busy=[],
            now=_now(),
            ring=opened,
            user_agent="day",
        ):
            pass
        taken.append(perf_counter() - began)
    return taken


async def _api(stage: Stand) -> tuple[subprocess.Popen[str], str]:
    port = free_port()
    env = {
        "DATABASE_URL": stage.servers.url("guardian_api", "day"),
        "REDIS_URL": stage.servers.redis_url,
        "GUARDIAN_KEY_RING": stage.ring,
        "GUARDIAN_KEY_PEPPER": PEPPER,
        "GUARDIAN_API_PORT": str(port),
    }
    process = stage.process("api", env=env)
    url = f"http://127.0.0.1:{port}"

    async def does_serve() -> bool:
        try:
            await asyncio.to_thread(_scrape, url)
        except OSError:
            return False
        return True

    await eventually(does_serve, "the API serves")
    return process, url


def _scrape(api_url: str) -> None:
    with urlopen(f"{api_url}/metrics", timeout=10) as answer:  # noqa: S310 - on this host
        answer.read()


def _judge(rows: Sequence[dict[str, float]]) -> bool:
    """Print how each figure at the end compares with the one once the first months had gone."""
    early, late = rows[SETTLED_AFTER : SETTLED_AFTER + 4], rows[-4:]
    holds = True
    print(f"{len(rows)} of {PORTIONS} portions; from the ninth on, and at the end:")
    for name in rows[0]:
        before, after = (median(row[name] for row in part) for part in (early, late))
        bound = MEMORY_GROWTH if name.endswith("_rss") else SIZE_GROWTH
        is_judged = name.endswith(("_rss", "_mb")) or name == "claim"
        # A table of a few pages may double by a page.
        is_flat = after <= before * bound or after - before < 1.0
        holds = holds and (is_flat or not is_judged)
        verdict = ("levels off" if is_flat else "GROWS") if is_judged else ""
        print(f"{name:<26} {before:9.2f} -> {after:9.2f}  {verdict}".rstrip())
    return holds


def _now() -> datetime:
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the day; 1 when something grows on and on."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.day", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=900, help="at most (%(default)s)")
    options = parser.parse_args(arguments)
    with stand() as servers:
        is_flat = asyncio.run(play(servers, options.deliveries, seconds=options.seconds))
    return 0 if is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
