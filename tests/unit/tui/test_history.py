"""The history by its keys, against a server that speaks the contract."""

from datetime import UTC, datetime

import pytest

from shared.contracts.words import Granularity
from tests.unit.tui.loopback import refusal, serving
from tests.unit.tui.test_console import looking
from tui.screens.history import window

WEDNESDAY = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("grain", "back", "start", "end"),
    [
        (Granularity.DAILY, 0, "2026-08-28", "2026-11-26"),
        (Granularity.WEEKLY, 0, "2025-12-01", "2026-11-30"),
        (Granularity.WEEKLY, 1, "2025-06-02", "2026-06-01"),
        (Granularity.MONTHLY, 0, "2024-12-01", "2026-12-01"),
        (Granularity.MONTHLY, 1, "2023-12-01", "2025-12-01"),
    ],
)
def test_a_window_is_whole_periods_and_the_newest_ends_with_the_present_one(
    grain: Granularity, back: int, start: str, end: str
) -> None:
    seen = window(WEDNESDAY, grain, back)

    assert [f"{one:%Y-%m-%dT%H:%M}" for one in seen] == [f"{start}T00:00", f"{end}T00:00"]


async def test_a_series_is_drawn_read_and_told_in_numbers() -> None:
    async with serving() as server, looking(server.url) as console:
        await console.press("4")
        await console.shows("Readiness  weekly", "min 20.0", "max 70.0", "13 without data")
        await console.shows("> 2026-11-23  Readiness no data", "4 His")
        await console.press("h")
        await console.shows("> 2026-11-16  Readiness 70.0  ▲ +1.0  baseline", ">2026-11-16")
        await console.press("l")
        await console.shows("> 2026-11-23  Readiness no data")
        await console.press("right_square_bracket")
        await console.shows("Adoption  weekly", "> 2026-11-23  Adoption 29.0  ▼ -1.0")
        await console.press("left_square_bracket", "left_square_bracket")
        await console.shows("Reports  weekly")


async def test_grain_and_window_are_asked_of_the_server() -> None:
    async with serving() as server, looking(server.url) as console:
        await console.press("4")
        await console.shows("Readiness  weekly")
        await console.press("full_stop")
        await console.press("comma")
        await console.shows(">2026-05-25")
        await console.press("full_stop")
        await console.shows(">2026-11-23")
        await console.press("i")
        await console.shows("Readiness  monthly")
        await console.press("i")
        await console.shows("Readiness  daily", ">2026-")

    asked = [one.query["granularity"] for one in server.asked if one.path.endswith("history")]
    assert {"daily", "weekly", "monthly"} <= set(asked)


async def test_a_refused_history_is_a_sentence_and_the_chart_says_there_is_no_data() -> None:
    async with serving() as server:
        server.override = lambda asked: (
            refusal(500, "internal_error", "Something is broken.")
            if asked.path.endswith("history")
            else None
        )
        async with looking(server.url) as console:
            await console.press("4")
            await console.shows("Something is broken.", "No data in this range.")


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (160, 50)])
async def test_it_fits_its_terminal(size: tuple[int, int]) -> None:
    async with serving() as server, looking(server.url, size=size) as console:
        await console.press("4")
        await console.shows("Readiness  weekly", "└", ">2026-11-23")
        assert len(console.lines) == size[1]
        assert console.lines[0].endswith("Z"), "the link and the clock are never cut"
