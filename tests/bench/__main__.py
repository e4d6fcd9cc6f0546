"""`python -m tests.bench`: measure on servers of its own, print ratios within one run.

Every measure goes through its rounds, the contestants of a round one after the other, so that what
else this machine does touches them alike. A number alone says little; a ratio of one run does.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tests.bench import claims, fairness, footprint, latency, scaling, throughput, transports
from tests.bench.figures import Figure, table
from tests.bench.size import Size
from tests.bench.stand import Stand, host, stand

ROUNDS = 3


class Measure(Protocol):
    """One of the measures: so many rounds of such a size."""

    def __call__(self, stand: Stand, *, rounds: int, size: Size) -> Awaitable[list[Figure]]: ...


MEASURES: dict[str, Measure] = {
    "throughput": throughput.measure,
    "transports": transports.measure,
    "latency": latency.measure,
    "claims": claims.measure,
    "fairness": fairness.measure,
    "scaling": scaling.measure,
    "footprint": footprint.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is named, everything when nothing is."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(MEASURES), help="all by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each measure (%(default)s)")
    parser.add_argument(
        "--size",
        type=Size,
        choices=list(Size),
        default=Size.USUAL,
        help="how long the rounds and how large the tables are (%(default)s)",
    )
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(MEASURES)
    if unknown:
        parser.error(f"there is no measure called {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    machine = host()
    with stand() as servers:
        for name, measure in MEASURES.items():
            if options.names and name not in options.names:
                continue
            began = time.monotonic()
            found = asyncio.run(_run(measure, servers, options))
            figures += found
            print(f"\n{name} ({time.monotonic() - began:.0f} s)\n{table(found)}", flush=True)
    machine["load afterwards"] = host()["load"]
    at = datetime.now(UTC)
    path = Path(f"bench-{at:%Y-%m-%dT%H%M%S}.json")
    path.write_text(json.dumps(_record(machine, figures), indent=2), encoding="utf-8")
    missed = sum(one.holds is False for one in figures)
    print(f"\n{_line(machine)}\n{missed} goals missed; written to {path}")
    return 0


async def _run(measure: Measure, servers: Stand, options: argparse.Namespace) -> list[Figure]:
    return await measure(servers, rounds=options.rounds, size=options.size)


def _record(machine: dict[str, object], figures: Sequence[Figure]) -> dict[str, object]:
    return {
        "machine": machine,
        "figures": [
            {
                "name": one.name,
                "unit": one.unit,
                "median": one.median,
                "values": list(one.values),
                "goal": one.goal,
                "holds": one.holds,
            }
            for one in figures
        ],
    }


def _line(machine: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items())


if __name__ == "__main__":
    sys.exit(main())
