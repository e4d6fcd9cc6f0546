"""The drills, played small; `make drills` plays them long, and the others besides."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drills import supervised


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that the servers' own account may enter."""
    tmp_path.chmod(0o755)
    return tmp_path


async def test_a_restart_of_postgresql_and_a_crash_of_everything_lose_nothing_under_load(
    open_folder: Path, figure: Callable[[str], None]
) -> None:
    size = supervised.Size(per_second=40, calm_s=1, outage_s=0.5, is_short=True)

    account = await supervised.play(open_folder, size)

    assert "ledger minus received = 0, 0 FATAL" in account
    figure(account)
