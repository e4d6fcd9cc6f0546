"""`python -m tests.chaos`: many seeded runs of five hundred deliveries, one failure each.

The seeds are printed: `--first N --seeds 1` plays one of them again.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

from tests.chaos.fleet import launched
from tests.chaos.receivers import Ledger
from tests.chaos.runs import FAULTS, Account, play

REFUSED = "outcomes were refused"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play; 1 when anything was lost, or came twice without cause."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(FAULTS), help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the first run's seed")
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="guardian-chaos-"))
    folder.chmod(0o755)
    accounts = asyncio.run(played(folder, range(options.first, options.first + options.seeds)))
    if any(account.problems for account in accounts):
        print(f"FAILED; what was said is in {folder}", flush=True)
        return 1
    rmtree(folder, ignore_errors=True)
    return 0


async def played(folder: Path, seeds: Sequence[int]) -> list[Account]:
    """Play the runs one after the other and print what came of each, then of all."""
    accounts: list[Account] = []
    async with Ledger() as ledger, launched(folder, ledger.url) as fleet:
        for seed in seeds:
            accounts.append(await play(seed, fleet, ledger))
            print(accounts[-1], flush=True)
        memory_mb, deaths = fleet.memory_mb(), fleet.deaths
        refused = fleet.stage.log.read_text(encoding="utf-8", errors="replace").count(REFUSED)
    print(_summary(accounts))
    print(
        f"processes killed {deaths}, batches of a stale owner's outcomes refused {refused}, "
        f"most memory of a worker {memory_mb} MB"
    )
    return accounts


def _summary(accounts: Sequence[Account]) -> str:
    by_fault: dict[str, list[Account]] = defaultdict(list)
    for account in accounts:
        by_fault[account.fault].append(account)
    lines = [
        "",
        "| failure | runs | struck | deliveries | lost or unaccounted | twice, most in a run |",
    ]
    lines.append("|---|---|---|---|---|---|")
    for fault, runs in by_fault.items():
        lines.append(
            f"| {fault} | {len(runs)} | {sum(one.is_struck for one in runs)} "
            f"| {sum(one.deliveries for one in runs)} "
            f"| {sum(bool(one.problems) for one in runs)} "
            f"| {max(one.duplicates for one in runs)} |"
        )
    took = sum(one.took_s for one in accounts)
    lines.append(
        f"{len(accounts)} runs, {sum(one.deliveries for one in accounts)} deliveries in "
        f"{took:.0f} s; runs with a problem: {sum(bool(one.problems) for one in accounts)}; "
        f"came twice: {sum(one.duplicates for one in accounts)}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
