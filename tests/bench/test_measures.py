"""Each measure runs, with numbers too small to say anything."""

import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.bench.__main__ import MEASURES
from tests.bench.figures import Figure, table
from tests.bench.size import Size
from tests.bench.stand import Stand, stand_on
from tests.conftest import Servers


@pytest.fixture
def stand(servers: Servers) -> Generator[Stand, None, None]:
    with tempfile.TemporaryDirectory(prefix="guardian-bench-") as folder:
        made = stand_on(servers, Path(folder), is_pinned=False)
        yield made
        made.end_all()


@pytest.mark.parametrize("name", MEASURES)
async def test_a_measure_runs_and_brings_figures(stand: Stand, name: str) -> None:
    figures = await MEASURES[name](stand, rounds=1, size=Size.TINY)

    assert figures
    assert all(one.median >= 0 for one in figures)
    assert len(table(figures).splitlines()) == 1 + len(figures)


def test_a_figure_is_judged_by_its_median() -> None:
    held = Figure(name="one", unit="x", values=[1.0, 2.0, 9.0], goal=">= 2")
    missed = Figure(name="two", unit="x", values=[1.0, 2.0, 9.0], goal="<= 1.5")

    assert held.holds
    assert missed.holds is False
    assert Figure(name="three", unit="x", values=[1.0]).holds is None
