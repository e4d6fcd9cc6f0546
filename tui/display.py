"""Writes only the cells that changed.

Textual repaints whole regions: one new number in a list costs ten thousand bytes, which one feels
over SSH. Here each update is compared with what the terminal already shows. Textual still decides
when to paint and what; `--full-paint` leaves the writing to it as well. Bound to the pinned version
of Textual, and held to it by a test that compares both ways of painting.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console, ConsoleOptions, RenderResult
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

BRIDGE = 4
"""Equal cells between two changes that are cheaper written again than jumped over."""

ERASED_TO_END = 4
ERASED_WITHIN = 12
"""So many blanks are cheaper erased than written, at the end of a row and within it."""

RESET = "\x1b[0m"
MARKER = "\0"
OFF = {
    "1": "22",
    "2": "22",
    "3": "23",
    "4": "24",
    "5": "25",
    "6": "25",
    "7": "27",
    "8": "28",
    "9": "29",
    "21": "24",
    "51": "54",
    "52": "54",
    "53": "55",
}
"""What ends each attribute."""

SEEN_ON_BLANKS = frozenset({"4", "7", "9", "21", "51", "52", "53"})
ERASES_IN_COLOUR = ("xterm", "tmux", "linux", "rxvt", "alacritty", "foot", "wezterm", "konsole")


class Look(NamedTuple):
    """How a cell is written: attributes, foreground and background, as the terminal numbers them.

    Empty strings are the terminal's own colours.
    """

    attributes: frozenset[str] = frozenset()
    ink: str = ""
    paper: str = ""


class Cell(NamedTuple):
    """One place on the terminal; the right half of a wide character has no text of its own."""

    text: str
    look: Look


PLAIN = Look()


def erases_in_colour(term: str) -> bool:
    """Whether a terminal of this name gives erased cells the present background.

    Screen does not, unless told to; those that are not known get blanks.
    """
    return term.startswith(ERASES_IN_COLOUR)


class Frame:
    """What the terminal shows, as far as it is known."""

    def __init__(self, *, erases_in_colour: bool = False) -> None:
        """Nothing is known yet.

        Args:
            erases_in_colour: what the function of this name answers.
        """
        self._erases_in_colour = erases_in_colour
        self._size = Size(0, 0)
        self._rows: list[list[Cell | None]] = []

    def forget(self) -> None:
        """The terminal may show anything: write every cell anew."""
        self._size = Size(0, 0)

    def write(self, update: CompositorUpdate, console: Console) -> str:
        """What to send so that the terminal shows `update`; only that is remembered."""
        size = Size(*console.size)
        # Textual takes a terminal of which it knows nothing for one with all colours.
        system = COLOR_SYSTEMS[console.color_system or "truecolor"]
        strips = [(x, y, _cells(strip, system)) for x, y, strip in _strips(update)]
        pen = _Pen(size.width, erases_in_colour=self._erases_in_colour)
        if size != self._size:
            self._size = size
            blank = pen.clear(strips) if _is_whole(update, size) else None
            self._rows = [[blank] * size.width for _ in range(size.height)]
        for x, y, cells in strips:
            if 0 <= y < size.height:
                self._write_strip(x, y, cells, pen)
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

    def __init__(self, width: int, *, erases_in_colour: bool) -> None:
        self._width = width
        self._erases_in_colour = erases_in_colour
        self._sent: list[str] = []
        self._at: tuple[int, int] | None = None
        self._look = PLAIN

    def clear(self, strips: Iterable[tuple[int, int, Sequence[Cell]]]) -> Cell | None:
        """Empty the screen in the colour that most of it has; returns what it is full of."""
        blanks = Counter(cell for _, _, cells in strips for cell in cells if cell.text == " ")
        for blank, _ in blanks.most_common(1):
            if self._can_erase(blank):
                self._dress(blank)
                self._sent.append("\x1b[2J")
                return blank
        return None

    def draw(self, x: int, y: int, cells: Sequence[Cell]) -> None:
        for cell, alike in groupby(cells):
            count = sum(1 for _ in alike)
            is_last = x + count == self._width
            least = ERASED_TO_END if is_last else ERASED_WITHIN
            self._move(x, y)
            self._dress(cell)
            if count >= least and self._can_erase(cell):
                self._sent.append("\x1b[K" if is_last else f"\x1b[{count}X")
                x += count
            else:
                self._sent.append(cell.text * count)
                x += count
                self._at = (x, y)

    def finished(self) -> str:
        if self._look != PLAIN:
            self._sent.append(RESET)
        return "".join(self._sent)

    def _move(self, x: int, y: int) -> None:
        if self._at != (x, y):
            is_same_row = self._at is not None and self._at[1] == y
            self._sent.append(f"\x1b[{x + 1}G" if is_same_row else f"\x1b[{y + 1};{x + 1}H")
            self._at = (x, y)

    def _dress(self, cell: Cell) -> None:
        look = cell.look
        if cell.text == " " and not look.attributes:
            # Nobody sees with which ink a blank is written.
            look = Look(self._look.attributes - SEEN_ON_BLANKS, self._look.ink, look.paper)
        if look != self._look:
            self._sent.append(_switch(self._look, look))
            self._look = look

    def _can_erase(self, cell: Cell) -> bool:
        is_plain = cell.text == " " and not cell.look.attributes
        return is_plain and (self._erases_in_colour or not cell.look.paper)


def _is_whole(update: CompositorUpdate, size: Size) -> bool:
    return isinstance(update, LayoutUpdate) and update.region == size.region


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
        look = _look(style, system) if style else PLAIN
        blank = _blank(look)
        if text.isascii():
            cells += [blank if one == " " else Cell(one, look) for one in text]
            continue
        for character in text:
            width = cell_len(character)
            if character == " ":
                cells.append(blank)
            elif width:
                cells += [Cell(character, look), Cell("", look)][:width]
            elif cells:
                _join(cells, character)
    return cells


def _join(cells: list[Cell], mark: str) -> None:
    """A mark without a width belongs to the character before it."""
    place = len(cells) - (2 if not cells[-1].text and len(cells) > 1 else 1)
    cells[place] = Cell(cells[place].text + mark, cells[place].look)


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
def _blank(look: Look) -> Cell:
    """A blank has no ink, nor an attribute that cannot be seen on it."""
    return Cell(" ", Look(look.attributes & SEEN_ON_BLANKS, _ink_of_blank(look), look.paper))


def _ink_of_blank(look: Look) -> str:
    return look.ink if look.attributes & SEEN_ON_BLANKS else ""


@lru_cache(4096)
def _look(style: Style, system: ColorSystem) -> Look:
    codes = style.render(MARKER, color_system=system).partition(MARKER)[0]
    numbers = iter(codes.removeprefix("\x1b[").removesuffix("m").split(";") if codes else ())
    attributes: set[str] = set()
    ink = paper = ""
    for number in numbers:
        if number in {"38", "48"}:
            kind = next(numbers)
            rest = [next(numbers) for _ in range(1 if kind == "5" else 3)]
            colour = ";".join((number, kind, *rest))
            ink, paper = (colour, paper) if number == "38" else (ink, colour)
        elif number in OFF:
            attributes.add(number)
        elif number in {"39", "49"}:
            continue
        elif number.startswith(("4", "10")):
            paper = number
        else:
            ink = number
    return Look(frozenset(attributes), ink, paper)


@lru_cache(4096)
def _switch(old: Look, new: Look) -> str:
    """The shorter of two: what differs, or everything anew."""
    ended = {OFF[one] for one in old.attributes - new.attributes}
    begun = {one for one in new.attributes if one not in old.attributes or OFF[one] in ended}
    changed = [*sorted(ended), *sorted(begun)]
    if old.ink != new.ink:
        changed.append(new.ink or "39")
    if old.paper != new.paper:
        changed.append(new.paper or "49")
    anew = ["0", *sorted(new.attributes), *filter(None, (new.ink, new.paper))]
    return f"\x1b[{min(';'.join(changed), ';'.join(anew), key=len)}m"
