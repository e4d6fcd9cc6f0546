"""Whatever moves while a key is pressed, it hits the row that was shown under the cursor."""

import asyncio
import random
from collections.abc import Callable
from uuid import UUID

from textual.app import App, ComposeResult

from tests.unit.tui.loopback import Loopback, an_integration, serving
from tests.unit.tui.screenful import looking
from tui.text import Span
from tui.widgets.rows import Column, Row, Rows

TIMES = 1_000
TOGGLES = 10


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not is_so():  # noqa: ASYNC110 - the server double has no event to wait for
            await asyncio.sleep(0.005)


class Listing(App[None]):
    """A list and nothing else."""

    def compose(self) -> ComposeResult:
        yield Rows((Column("Name"),), id="rows")


async def test_a_thousand_insertions_above_it_never_move_the_cursor_off_its_row() -> None:
    dice = random.Random(7)  # noqa: S311 - a walk that can be repeated
    async with Listing().run_test(size=(40, 12)) as pilot:
        rows = pilot.app.query_one(Rows)
        names = [f"row {number}" for number in range(50)]
        for step in range(TIMES):
            rows.show([Row(name, (Span(name),)) for name in names])
            rows.action_move(dice.choice((-5, -2, 1, 3)))
            chosen = rows.selected
            assert chosen is not None
            names = [f"new {step}", *names[: names.index(chosen) + 30]]
            rows.show([Row(name, (Span(name),)) for name in names])

            assert rows.selected == chosen


async def test_a_key_switches_the_integration_that_was_shown_while_others_come_above_it() -> None:
    loopback = Loopback()
    loopback.integrations = [an_integration(f"tool_{number}") for number in range(5)]
    loopback.override = lambda asked: (
        loopback.integrations.insert(0, an_integration(f"new_{len(loopback.asked)}"))
        if asked.method == "PATCH"
        else None
    )
    async with serving(loopback) as server, looking(server.url) as console:
        await console.shows("72.0")
        await console.press("2")
        await console.shows(">● on")
        rows = console.console.query_one("#integrations-rows", Rows)
        await console.press("j", "j")
        chosen = rows.selected
        assert chosen is not None
        for _ in range(TOGGLES):
            before = len(server.asked)
            await console.press("space")
            await until(
                lambda before=before: any(one.method == "PATCH" for one in server.asked[before:])
            )

        hit = {
            UUID(asked.path.rpartition("/")[2]) for asked in server.asked if asked.method == "PATCH"
        }
    assert hit == {UUID(chosen)}
    assert len(server.integrations) == 5 + TOGGLES
