"""The bench of reads runs, with numbers too small to say anything."""

import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.bench.reads import Amount, measure
from tests.bench.stand import Stand, stand_on
from tests.conftest import Servers


@pytest.fixture
def stand(servers: Servers) -> Generator[Stand, None, None]:
    with tempfile.TemporaryDirectory(prefix="guardian-bench-") as folder:
        made = stand_on(servers, Path(folder), is_pinned=False)
        yield made
        made.end_all()


async def test_questions_and_ingest_are_measured_beside_the_naive_way(stand: Stand) -> None:
    figures = await measure(
        stand, Amount(tenants=2, thickness=1, questions=5, seconds=0.2, batch_lines=50)
    )

    assert [one.name for one in figures] == [
        "overview p50",
        "overview p99",
        "history p50",
        "history p99",
        "every row of the tenant p50",
        "ingest single",
        "ingest batched",
    ]
    assert all(one.median > 0 for one in figures)
