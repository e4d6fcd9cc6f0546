"""Writing only what changed leaves the same screen as writing everything."""

import random
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tests.terminal import Screen
from tui.display import Changes, Frame

WIDTH, HEIGHT = 40, 8
STEPS = 300
ALPHABET = [*"abc  ", "漢", "é", "█", "e\u0301", "·"]
STYLES = (
    None,
    Style(),
    Style(bold=True),
    Style(color="#5fd75f"),
    Style(color="#ff5f5f", bgcolor="#121212", reverse=True),
    Style(dim=True, bgcolor="#262626"),
)


def console_of(color: str | None, width: int = WIDTH, height: int = HEIGHT) -> Console:
    return Console(
        width=width,
        height=height,
        force_terminal=True,
        color_system=color,  # pyright: ignore[reportArgumentType] - None means no colour
        legacy_windows=False,
        _environ={},
    )


def some_strip(dice: random.Random, width: int) -> Strip:
    segments: list[Segment] = []
    while sum(segment.cell_length for segment in segments) < width:
        text = "".join(dice.choice(ALPHABET) for _ in range(dice.randint(1, 9)))
        segments.append(Segment(text, dice.choice(STYLES)))
    return Strip(segments).adjust_cell_length(width)


def some_update(dice: random.Random, lines: list[Strip]) -> CompositorUpdate:
    """Changes `lines` and tells it, as a layout or as the chops of some lines."""
    if dice.random() < 0.3:
        for y in range(HEIGHT):
            if dice.random() < 0.5:
                lines[y] = dice.choice((some_strip(dice, WIDTH), Strip.blank(WIDTH, STYLES[5])))
        return LayoutUpdate([[line] for line in lines], Region(0, 0, WIDTH, HEIGHT))
    chops: list[dict[int, Strip | None]] = [{} for _ in range(HEIGHT)]
    ends: list[list[int]] = [[] for _ in range(HEIGHT)]
    spans: list[tuple[int, int, int]] = []
    for y in sorted(dice.sample(range(HEIGHT), dice.randint(1, 4))):
        cut = dice.randint(1, WIDTH - 1)
        parts = lines[y].divide([cut, WIDTH])
        is_left = dice.random() < 0.5
        new = some_strip(dice, cut if is_left else WIDTH - cut)
        lines[y] = Strip.join([new, parts[1]] if is_left else [parts[0], new])
        chops[y] = {0: new, cut: None} if is_left else {0: None, cut: new}
        ends[y] = [cut, WIDTH]
        spans.append((y, 0, cut) if is_left else (y, cut, WIDTH))
    return ChopsUpdate(chops, spans, ends)


@pytest.mark.parametrize("color", ["truecolor", "256", "standard", None])
@pytest.mark.parametrize("erases", [True, False])
def test_both_ways_of_painting_leave_the_same_screen(color: str | None, *, erases: bool) -> None:
    dice = random.Random(7)  # noqa: S311 - a walk that can be repeated
    console, frame = console_of(color), Frame(erases_in_colour=erases)
    whole, changed = Screen(WIDTH, HEIGHT), Screen(WIDTH, HEIGHT)
    lines = [Strip.blank(WIDTH) for _ in range(HEIGHT)]
    for step in range(STEPS):
        update = some_update(dice, lines)
        if not step % 50:  # the window has changed, and the terminal shows anything
            frame.forget()
            changed.feed("\x1b[1;1Hanything")
            region = Region(0, 0, WIDTH, HEIGHT)
            update = LayoutUpdate([[line] for line in lines], region)
        whole.feed(update.render_segments(console).replace("\n", ""))
        changed.feed(Changes(update, frame).render_segments(console))

        assert changed.lines == whole.lines
        assert changed.cells == whole.cells


def paint(frame: Frame, lines: Sequence[Strip], console: Console) -> str:
    region = Region(0, 0, lines[0].cell_length, len(lines))
    return Changes(LayoutUpdate([[line] for line in lines], region), frame).render_segments(console)


def test_what_has_not_changed_costs_nothing() -> None:
    frame, console = Frame(), console_of("256")
    lines = [Strip([Segment("x" * WIDTH, Style(bold=True))])] * HEIGHT
    paint(frame, lines, console)

    assert paint(frame, lines, console) == ""


def test_one_new_digit_costs_a_few_bytes() -> None:
    frame, console = Frame(), console_of("256")
    style = Style(bold=True, color="#5fd75f")
    paint(frame, [Strip([Segment("score 71".ljust(WIDTH), style)])], console)
    sent = paint(frame, [Strip([Segment("score 72".ljust(WIDTH), style)])], console)

    assert "2" in sent
    assert len(sent) < 40


def test_another_size_and_a_forgotten_frame_are_written_whole() -> None:
    frame = Frame()
    lines = [Strip([Segment("x" * WIDTH)])] * HEIGHT
    first = paint(frame, lines, console_of("256"))

    assert paint(frame, lines, console_of("256", height=HEIGHT + 1)) == first
    frame.forget()
    assert paint(frame, lines, console_of("256", height=HEIGHT + 1)) == first
