"""The console under test: what it shows, and its keys."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from rich.cells import cell_len
from textual.events import Key
from textual.pilot import Pilot

from tests.unit.tui.loopback import NOW
from tui.app import Console
from tui.screens.pane import PollingPane
from tui.settings import NO_WISHES, Server, Wishes

SIZE = (80, 24)


class Screenful:
    def __init__(self, console: Console, pilot: Pilot[None]) -> None:
        self.console = console
        self._pilot = pilot

    @property
    def lines(self) -> list[str]:
        strips = self.console.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]

    def width_of(self, line: str) -> int:
        """In cells."""
        return cell_len(line)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)

    async def press_at_once(self, *keys: str) -> None:
        """Faster than any screen is drawn: all of them are queued before the first is read."""
        for key in keys:
            self.console.post_message(Key(key, key if len(key) == 1 else None))
        await self._pilot.pause()

    async def resize(self, width: int, height: int) -> None:
        await self._pilot.resize_terminal(width, height)

    async def settles(self, quiet_s: float = 0.7) -> None:
        """Let two intervals pass."""
        await asyncio.sleep(quiet_s)
        await self._pilot.pause()

    async def has_data(self) -> None:
        """Wait until the pane has what it asked for, if it asks."""
        deadline = time.monotonic() + 15
        while isinstance(pane := self.console.pane, PollingPane) and pane.data_at is None:
            assert time.monotonic() < deadline, f"no data in {pane.id}"
            await asyncio.sleep(0.01)
        await self._pilot.pause()

    async def shows(self, *texts: str) -> None:
        """Wait until every text is on the screen."""
        deadline = time.monotonic() + 15
        while not all(text in self.text for text in texts):
            missing = [text for text in texts if text not in self.text]
            assert time.monotonic() < deadline, f"{missing} not on:\n{self.text}"
            await asyncio.sleep(0.01)
            await self._pilot.pause()


@asynccontextmanager
async def looking(
    url: str,
    *,
    key: str | None = "k1",
    size: tuple[int, int] = SIZE,
    home: Path = Path("/nonexistent"),
    wishes: Wishes = NO_WISHES,
    clock: Callable[[], datetime] | None = None,
    interval_s: float = 0.3,
) -> AsyncGenerator[Screenful, None]:
    began = time.monotonic()
    console = Console(
        Server(url, key) if url else None,
        clock=clock or (lambda: NOW + timedelta(seconds=time.monotonic() - began)),
        dice=lambda: 0.5,
        env={"XDG_CONFIG_HOME": str(home), "XDG_STATE_HOME": str(home)},
        interval_s=interval_s,
        watch_s=0.02,
        wishes=wishes,
    )
    async with console.run_test(size=size) as pilot:
        yield Screenful(console, pilot)
