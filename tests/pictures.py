"""Draws the pictures of the documentation from the console, on the server of the environment.

GUARDIAN_API_URL=… GUARDIAN_API_KEY=… python -m tests.pictures
"""

import asyncio
import html
import os
import random
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.cells import cell_len
from textual.pilot import Pilot

from shared.errors import GuardianError
from tui.app import Console
from tui.link import State
from tui.settings import find_server

FOLDER = Path(__file__).parents[1] / "docs" / "screens"
SIZE = (120, 32)
SCREENS = {"overview": "1", "integrations": "2", "deliveries": "3", "history": "4"}
PATIENCE_S = 20.0
CELL_WIDTH = 12.2
BLANK = "&#160;"
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
TEXT = re.compile(
    r'(?P<head><text class="[^"]*-r\d+" )x="(?P<x>[\d.]+)" (?P<y>y="[\d.]+" )'
    r'textLength="[\d.]+"(?P<tail>[^>]*>)(?P<said>[^<]*)</text>'
)


def main() -> int:
    """Draw each screen; returns the exit code."""
    try:
        asyncio.run(_draw())
    except (GuardianError, TimeoutError) as error:
        sys.stderr.write(f"pictures: {error or 'the server gave no data in time'}\n")
        return 1
    return 0


async def _draw() -> None:
    console = Console(
        find_server(os.environ),
        clock=lambda: datetime.now(UTC),
        dice=random.random,
        env={},
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with console.run_test(size=SIZE) as pilot:
        for name, key in SCREENS.items():
            await pilot.press(key)
            await _wait_for_data(console, pilot)
            picture = console.export_screenshot(title="guardian tui", simplify=True)
            (FOLDER / f"{name}.svg").write_text(_self_contained(picture), encoding="utf-8")


async def _wait_for_data(console: Console, pilot: Pilot[None]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while console.pane.data_at is None or console.desk.link.state is not State.POLLING:
            await pilot.pause(0.05)
    await pilot.pause(0.2)


def _self_contained(picture: str) -> str:
    """Without fonts from elsewhere, and with no text that starts or ends in blanks.

    Not every viewer draws leading blanks; every one draws a text where it is told to.
    """
    picture = FONT_FACE.sub("", picture).replace("Fira Code, monospace", "monospace")
    return TEXT.sub(_moved, picture.replace(BLANK, "\0")).replace("\0", BLANK)


def _moved(text: re.Match[str]) -> str:
    said = text["said"].strip("\0")
    if not said:
        return ""
    start = len(text["said"]) - len(text["said"].lstrip("\0"))
    x = float(text["x"]) + start * CELL_WIDTH
    width = cell_len(html.unescape(said)) * CELL_WIDTH
    shown = said.replace("\0", BLANK)
    return f'{text["head"]}x="{x:g}" {text["y"]}textLength="{width:g}"{text["tail"]}{shown}</text>'


if __name__ == "__main__":
    sys.exit(main())
