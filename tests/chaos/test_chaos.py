"""Each kind of failure once, in small runs: `make chaos` plays all by the hundred, at full size."""

import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from shutil import rmtree

import pytest

from tests.chaos.fleet import launched
from tests.chaos.receivers import Ledger
from tests.chaos.runs import FAULTS, Account, play

DELIVERIES = 100
LEFT_TO_MAKE_CHAOS = (
    "kill -9 of the API before a commit",
    "kill -9 of the API after a commit",
    "kill -9 of the worker before a send",
    "kill -9 of the worker before the commit of a settle",
    "kill -9 of the worker after the commit of a settle",
    "kill -9 of the worker after a claim",
)
"""The same process dies a moment earlier or later than in one that is played here."""


@pytest.fixture
def folder() -> Generator[Path]:
    # Not pytest's own: PostgreSQL's account must be able to enter it.
    path = Path(tempfile.mkdtemp(prefix="guardian-chaos-"))
    path.chmod(0o755)
    yield path
    rmtree(path, ignore_errors=True)


async def test_no_failure_loses_a_delivery_or_repeats_one_without_cause(
    folder: Path, figure: Callable[[str], None]
) -> None:
    async with Ledger() as ledger, launched(folder, ledger.url) as fleet:
        accounts: list[Account] = []
        for seed, fault in enumerate(FAULTS):
            if fault in LEFT_TO_MAKE_CHAOS:
                continue
            accounts.append(await play(seed, fleet, ledger, deliveries=DELIVERIES))
            if accounts[-1].problems:
                break
        said = fleet.stage.log.read_text(encoding="utf-8", errors="replace")[-4000:]

    assert [str(account) for account in accounts if account.problems] == [], said
    figure(
        f"chaos: {len(accounts)} failures, {sum(one.deliveries for one in accounts)} deliveries, "
        f"0 lost, {sum(one.duplicates for one in accounts)} twice, "
        f"{sum(one.took_s for one in accounts):.0f} s"
    )
