"""Writes only the cells that changed.

Textual repaints whole regions: one new number in a list costs ten thousand bytes, which one feels
over SSH. Here each update is compared with what the terminal already shows. Textual still decides
when to paint and what; `--full-paint` leaves the writing to it as well. Bound to the pinned version
of Textual, and held to it by a test that compares both ways of painting.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

BRIDGE = 4
"""Equal cells between two changes that are cheaper written again than jumped over."""

RESET = "\x1b[0m"
MARKER = "\0"


class Cell(NamedTuple):
    """One place on the terminal; the right half of a wide character has no text of its own."""

    text: str
    codes: str


class Frame:
    """What the terminal shows, as far as it is known."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._size = Size(0, 0)
        self._rows: list[list[Cell | None]] = []

    def forget(self) -> None:
        """The terminal may show anything: write every cell anew."""
        self._size = Size(0, 0)

    def write(self, update: CompositorUpdate, console: Console) -> str:
        """What to send so that the terminal shows `update`; only that is remembered."""
        size = Size(*console.size)
        if size != self._size:
            self._size = size
            self._rows = [[None] * size.width for _ in range(size.height)]
        # Textual takes a terminal of which it knows nothing for one with all colours.
        system = COLOR_SYSTEMS[console.color_system or "truecolor"]
        pen = _Pen()
        for x, y, strip in _strips(update):
            if 0 <= y < size.height:
                self._write_strip(x, y, _cells(strip, system), pen)
        return pen.finished()

    def _write_strip(self, x: int, y: int, cells: Sequence[Cell], pen: "_Pen") -> None:
        row = self._rows[y]
        wanted = cells[: len(row) - x]
        for start, end in _changes(row[x : x + len(wanted)], wanted):
            pen.draw(x + start, y, wanted[start:end])
            _split_wide(row, x + start, x + end)
            row[x + start : x + end] = wanted[start:end]


class Changes(CompositorUpdate):
    """An update that renders as the difference to a frame."""

    def __init__(self, update: CompositorUpdate, frame: Frame) -> None:
        """Wrap `update`; the frame advances when Textual renders it, not before."""
        self._update = update
        self._frame = frame

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Nothing: Textual renders updates by `render_segments` alone, Rich never does."""
        yield from ()

    def render_segments(self, console: Console) -> str:
        """What is sent to the terminal."""
        return self._frame.write(self._update, console)


def can_compare(update: object) -> bool:
    """Whether `update` is of a kind whose cells are known."""
    return isinstance(update, LayoutUpdate | ChopsUpdate)


class _Pen:
    """Collects what to send, and knows where the cursor is and how it writes."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._at: tuple[int, int] | None = None
        self._codes = ""

    def draw(self, x: int, y: int, cells: Sequence[Cell]) -> None:
        if self._at != (x, y):
            self._sent.append(Control.move_to(x, y).segment.text)
        for cell in cells:
            if cell.codes != self._codes:
                self._sent.append(_switch(cell.codes))
                self._codes = cell.codes
            self._sent.append(cell.text)
        self._at = (x + len(cells), y)

    def finished(self) -> str:
        if self._codes:
            self._sent.append(RESET)
        return "".join(self._sent)


def _strips(update: CompositorUpdate) -> Iterator[tuple[int, int, Strip]]:
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield x, y, strip
                x += strip.cell_length
    elif isinstance(update, ChopsUpdate):
        for y, first, last in update.spans:
            chops = zip(update.chop_ends[y], update.chops[y].items(), strict=False)
            for end, (x, strip) in chops:
                if strip is not None and x <= last and end > first:
                    yield x, y, strip


def _cells(strip: Strip, system: ColorSystem) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        codes = _codes(style, system) if style else ""
        if text.isascii():
            cells += [Cell(character, codes) for character in text]
            continue
        for character in text:
            width = cell_len(character)
            if width:
                cells += [Cell(character, codes), Cell("", codes)][:width]
            elif cells:
                _join(cells, character)
    return cells


def _join(cells: list[Cell], mark: str) -> None:
    """A mark without a width belongs to the character before it."""
    place = len(cells) - (2 if not cells[-1].text and len(cells) > 1 else 1)
    cells[place] = Cell(cells[place].text + mark, cells[place].codes)


def _changes(old: Sequence[Cell | None], new: Sequence[Cell]) -> Iterator[tuple[int, int]]:
    """The runs `[start, end)` to be written, none of which begins or ends inside a character."""
    place, count = 0, len(new)
    while place < count:
        if old[place] == new[place]:
            place += 1
            continue
        start = place - 1 if place and not new[place].text else place
        end = place + 1
        for ahead in range(place + 1, count):
            if ahead - end > BRIDGE:
                break
            if old[ahead] != new[ahead]:
                end = ahead + 1
        while end < count and not new[end].text:
            end += 1
        yield start, end
        place = end


def _split_wide(row: list[Cell | None], start: int, end: int) -> None:
    """Half a wide character that is overwritten takes its other half along."""
    before, first = (row[start - 1] if start else None), row[start]
    if before is not None and first is not None and not first.text:
        row[start - 1] = None
    after = row[end] if end < len(row) else None
    if after is not None and not after.text:
        row[end] = None


@lru_cache(4096)
def _codes(style: Style, system: ColorSystem) -> str:
    return style.render(MARKER, color_system=system).partition(MARKER)[0]


def _switch(codes: str) -> str:
    return f"\x1b[0;{codes[2:]}" if codes.startswith("\x1b[") else RESET
