"""`make bench-tui`: the console's 22 goals through a real terminal, over a real API.

Prints each goal with what was measured, writes all samples as JSON, and answers 1 when a goal is
missed that `docs/performance.md` does not explain.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.stand import host
from tests.bench_tui import ending, keys, living, resting, starting
from tests.bench_tui.goals import GOALS, Reading, head, lines, record
from tests.bench_tui.office import Office, Plan

PARTS = {
    "starting": starting.measure,
    "keys": keys.measure,
    "resting": resting.measure,
    "ending": ending.measure,
    "living": living.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is named, everything when nothing is."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_tui", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), help="all by default")
    parser.add_argument("--rows", type=int, default=100_000, help="deliveries in the database")
    parser.add_argument("--rounds", type=int, default=3, help="of each way to end (%(default)s)")
    parser.add_argument("--soak", type=float, default=40, metavar="SECONDS", help="28800 is 8 h")
    parser.add_argument("--samples", type=int, default=20, help="changes timed (%(default)s)")
    options = parser.parse_args(arguments)
    plan = Plan(rounds=options.rounds, soak_s=options.soak, samples=options.samples)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part called {', '.join(sorted(unknown))}")
    readings: list[Reading] = []
    machine = host()
    with Office.open() as office:
        office.fill(options.rows)
        print(head(), flush=True)
        for name, measure in PARTS.items():
            if options.parts and name not in options.parts:
                continue
            found = measure(office, plan)
            readings += found
            print("\n".join(lines(found)), flush=True)
    machine["load afterwards"] = host()["load"]
    path = Path(f"bench-tui-{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json")
    path.write_bytes(record(machine, readings))
    missed = [one for one in readings if one.holds is False]
    print(f"\n{len(readings)} readings of {len(GOALS)} goals, {len(missed)} missed; in {path}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
