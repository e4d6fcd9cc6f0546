"""Draws the pictures of the documentation, and the texts that the tests compare, from the console.

python -m tests.pictures

The server is a stand-in that speaks the contract, so that the pictures are the same every time.
"""

import asyncio
import html
import re
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from rich.cells import cell_len

from shared.contracts.words import DeliveryStatus
from tests.unit.tui.loopback import (
    NOW,
    Loopback,
    Reply,
    a_delivery,
    a_key,
    a_portfolio,
    a_replay,
    an_audit_entry,
    an_integration,
    refusal,
    serving,
)
from tests.unit.tui.screenful import Screenful, looking

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "screens"
TEXTS = ROOT / "tests" / "unit" / "tui" / "texts"
PICTURED = (120, 32)
SIZES = ((80, 24), (160, 50))
CELL_WIDTH = 12.2
BLANK = "&#160;"
SETTLED_S = 0.5
BETWEEN = timedelta(seconds=4)
"""From scene to scene; short enough that nothing grows stale unasked."""

GONE = Reply(0, b"")
"""No answer at all: the connection ends."""

FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
TEXT = re.compile(
    r'(?P<head><text class="[^"]*-r\d+" )x="(?P<x>[\d.]+)" (?P<y>y="[\d.]+" )'
    r'textLength="[\d.]+"(?P<tail>[^>]*>)(?P<said>[^<]*)</text>'
)
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f-]{8,35}…")
ADDRESS = re.compile(r"127\.0\.0\.1:\d+")


class Scene(NamedTuple):
    """One screen in one state.

    Attributes:
        keys: what leads there from the scene before.
        sign: what is on the screen once it is there.
        happens: what the server does first.
    """

    name: str
    keys: Sequence[str]
    sign: str
    happens: Callable[[Loopback], None] = lambda server: None


def _refuse(status: int, code: str, detail: str) -> Callable[[Loopback], None]:
    def happens(server: Loopback) -> None:
        server.override = lambda asked: refusal(status, code, detail)

    return happens


def _go(server: Loopback) -> None:
    server.override = lambda asked: GONE


def _empty(server: Loopback) -> None:
    server.override = lambda asked: None
    server.integrations, server.deliveries, server.replays = [], [], []
    server.keys, server.audit = [], []


SCENES = (
    Scene("overview", (), "bi_dashboard"),
    Scene("story", ("a",), "Words by rules"),
    Scene("integrations", ("2",), "Last error"),
    Scene("form", ("c",), "New integration"),
    Scene("preview", ("escape", "p"), "POST to bi.example.com"),
    Scene("typed-word", ("q", "K"), "Type bi_dashboard to give it a new secret:"),
    Scene("secret", (*"bi_dashboard", "enter"), "whsec_new"),
    Scene("question", ("q",), "Did you store it? y/N"),
    Scene("deliveries", ("y", "3"), "5 shown"),
    Scene("filter", ("slash", *"state:disc"), "state:disc"),
    Scene("delivery", ("enter", "enter"), "Attempts  1"),
    Scene("history", ("4",), "without data"),
    Scene("replays", ("5",), "… running"),
    Scene("keys", ("6",), "● valid"),
    Scene("audit", ("7",), "is_enabled true → false"),
    Scene("portfolio", ("8",), "arrived 98.0 %"),
    Scene("at-risk", ("right_square_bracket",) * 3, "✗ high plan stalled"),
    Scene("help", ("2", "question_mark"), "Keys valid here"),
    Scene("palette", ("q", "colon", *"deliv"), "deliveries"),
    Scene(
        "stale",
        ("escape", "1", "ctrl+r"),
        "Guardian cannot reach its database. Shown:",
        _refuse(503, "unavailable", "Guardian cannot reach its database."),
    ),
    Scene(
        "slowed",
        ("ctrl+r",),
        "Too many requests: wait, then try again.",
        _refuse(429, "rate_limited", "Too many requests: wait, then try again."),
    ),
    Scene(
        "forbidden",
        ("ctrl+r",),
        "The key's role does not allow this.",
        _refuse(403, "forbidden", "The key's role does not allow this."),
    ),
    Scene("offline", ("ctrl+r",), "✗ offline, retry in", _go),
    Scene(
        "signed-out",
        ("ctrl+r",),
        "⊘ signed out",
        _refuse(401, "unauthenticated", "A valid key is needed."),
    ),
    Scene("empty", ("2", "ctrl+r"), "No integrations yet. c creates one.", _empty),
    Scene("empty-deliveries", ("3", "escape"), "Nothing was sent yet."),
)


def main() -> int:
    """Draw each scene; returns the exit code."""
    asyncio.run(_draw())
    return 0


async def _draw() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    TEXTS.mkdir(parents=True, exist_ok=True)
    for size in (PICTURED, *SIZES):
        async for name, console in scenes(size, is_settled=True):
            if size == PICTURED:
                picture = console.console.export_screenshot(title="guardian tui", simplify=True)
                path = PICTURES / f"{name}.svg"
                path.write_text(_anonymous(_self_contained(picture)), encoding="utf-8")
            else:
                text_of(name, size).write_text(told(console), encoding="utf-8")


async def scenes(
    size: tuple[int, int], *, is_settled: bool = False
) -> AsyncGenerator[tuple[str, Screenful], None]:
    """The console at each scene in turn, on a terminal of that size.

    Args:
        size: cells, across and down.
        is_settled: wait at each until nothing more will move.
    """
    now = NOW
    async with (
        serving(a_busy_server()) as server,
        looking(server.url, size=size, clock=lambda: now, interval_s=5.0) as console,
    ):
        console.console.desk.is_operator = True
        for scene in SCENES:
            now += BETWEEN
            scene.happens(server)
            await console.press(*scene.keys)
            await console.shows(scene.sign)
            await console.settles(SETTLED_S if is_settled else 0.0)
            yield scene.name, console


def text_of(name: str, size: tuple[int, int]) -> Path:
    """Where a scene's text is kept."""
    return TEXTS / f"{name}-{size[0]}x{size[1]}.txt"


def told(console: Screenful) -> str:
    """What is on the screen, with what differs from run to run blotted."""
    return "".join(f"{_anonymous(line)}".rstrip() + "\n" for line in console.lines)


def a_busy_server() -> Loopback:
    """A tenant with something in every list."""
    one, other = an_integration(), an_integration("crm", label="CRM", is_enabled=False)
    states = (*DeliveryStatus, DeliveryStatus.DELIVERED)
    return Loopback(
        integrations=[one, other],
        deliveries=[
            a_delivery(one, status=status, made=NOW - timedelta(minutes=7 * place))
            for place, status in enumerate(states)
        ],
        replays=[a_replay(one, count=40, sent=12)],
        keys=[a_key("BI team"), a_key("Producer")],
        audit=[an_audit_entry()],
        portfolio=a_portfolio(),
    )


def _anonymous(text: str) -> str:
    text = ID.sub(lambda found: "0" * len(found[0]), text)
    return ADDRESS.sub(lambda found: "127.0.0.1:" + "8" * (len(found[0]) - 10), text)


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
