"""A list with a cursor that follows the row, not the place: new rows never move it."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.keys import IN_LISTS, bindings
from tui.palette import SELECTED, STALE, TONES
from tui.text import Line, Span, fit, weight
from tui.widgets.lines import strip_of


class Column(NamedTuple):
    """One column.

    Attributes:
        title: its head, with the unit.
        width: cells, or 0 to share what is left.
        is_number: stands right.
        from_width: shown only where the list is at least so wide.
    """

    title: str
    width: int = 0
    is_number: bool = False
    from_width: int = 0


class Row(NamedTuple):
    """One row; `id` is what the cursor follows and what actions act on."""

    id: str
    cells: tuple[Span, ...]


@lru_cache(64)
def lay_out(columns: tuple[Column, ...], width: int) -> list[int]:
    """The cells of each column, 0 for one that is not shown; a blank stands between columns."""
    shown = [column for column in columns if column.from_width <= width]
    open_columns = sum(1 for column in shown if not column.width)
    taken = sum(column.width for column in shown) + len(shown)
    share = max(6, (width - taken) // open_columns) if open_columns else 0
    return [0 if column.from_width > width else column.width or share for column in columns]


def head_of(columns: tuple[Column, ...], width: int) -> Line:
    """The titles."""
    cells = [Span(column.title, "title") for column in columns]
    return (Span(" "), *_cells(columns, cells, width, tone="dim"))


def line_of(columns: tuple[Column, ...], row: Row, width: int) -> Line:
    """One row that is not selected."""
    return (Span(" "), *_cells(columns, row.cells, width))


def _cells(
    columns: tuple[Column, ...], cells: Sequence[Span], width: int, *, tone: str | None = None
) -> list[Span]:
    spans: list[Span] = []
    for column, cell, cells_wide in zip(columns, cells, lay_out(columns, width - 1), strict=True):
        if cells_wide:
            text = fit(cell.text, cells_wide, is_number=column.is_number)
            spans += [Span(text, cell.tone if tone is None else tone), Span(" ")]
    return spans


def _end_of_name(columns: tuple[Column, ...], width: int) -> int:
    """The spans up to the first open column, which is the name of the row."""
    shown = [column for column in columns if column.from_width <= width - 1]
    place = next((at for at, column in enumerate(shown) if not column.width), len(shown))
    return min(2 * place + 1, 2 * len(shown))


class Rows(ScrollView, can_focus=True):
    """Draws only the rows that are seen, so that a million cost what twenty do."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(IN_LISTS)

    class Moved(Message):
        """Another row is under the cursor."""

    class EndReached(Message):
        """The cursor is within a screenful of the last row: time to fetch more."""

    def __init__(self, columns: tuple[Column, ...], *, id: str) -> None:
        """Name the columns; start empty."""
        super().__init__(id=id)
        self._columns = columns
        self._rows: Sequence[Row] = ()
        self._given: Sequence[Row] = ()
        self._cursor = 0
        self._is_stale = False
        self._is_known = False
        self._sort: int | None = None
        self._is_reverse = False
        self._held: list[Callable[[], object]] = []

    @property
    def rows(self) -> Sequence[Row]:
        """What the list holds."""
        return self._rows

    @property
    def selected(self) -> str | None:
        """The id of the row under the cursor."""
        return self._rows[self._cursor].id if self._rows else None

    def show(self, rows: Sequence[Row] | None, *, is_stale: bool = False) -> None:
        """Replace the rows; the cursor stays on its row, and the row stays at its height.

        Args:
            rows: none where they are not known yet; keys are held until they are.
            is_stale: whether they may no longer be so.
        """
        is_first, self._is_known = not self._is_known, rows is not None
        self._given = rows or ()
        self._replace(self._sorted(), is_stale=is_stale)
        if is_first and self._is_known:
            held, self._held = self._held, []
            for act in held:
                act()

    def when_known(self, act: Callable[[], object]) -> None:
        """Act on the rows now, or as soon as there are any: no key is lost to a slow answer."""
        if self._is_known:
            act()
        else:
            self._held.append(act)

    def drop_held(self) -> None:
        """Forget what waits for rows."""
        self._held.clear()

    def _replace(self, rows: Sequence[Row], *, is_stale: bool) -> None:
        if (rows, is_stale) == (self._rows, self._is_stale):
            return
        selected, above = self.selected, self._cursor - self.scroll_offset.y
        self._rows, self._is_stale = rows, is_stale
        places = {row.id: place for place, row in enumerate(rows)}
        self._cursor = places.get(selected or "", min(self._cursor, max(0, len(rows) - 1)))
        self.virtual_size = Size(self.size.width, len(rows) + 1)
        if self._cursor - self.scroll_offset.y != above and self.scroll_offset.y > 0:
            self.scroll_to(y=self._cursor - above, animate=False)
        self.refresh()
        if self.selected != selected:
            self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        self.when_known(lambda: self._go(self._cursor + by))

    def action_page(self, direction: int) -> None:
        """Move the cursor by what is seen, less a line for the eye."""
        self.when_known(lambda: self._go(self._cursor + direction * max(1, self.size.height - 2)))

    def action_jump(self, to_end: int) -> None:
        """Go to the first or the last row."""
        self.when_known(lambda: self._go(len(self._rows) - 1 if to_end else 0))

    def action_sort(self) -> None:
        """Sort by the next column that is shown; after the last one, as the server does."""
        wide = lay_out(self._columns, self.size.width - 1)
        after = range(0 if self._sort is None else self._sort + 1, len(wide))
        self._sort = next((place for place in after if wide[place]), None)
        self._is_reverse = False
        self._replace(self._sorted(), is_stale=self._is_stale)
        self.refresh()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._is_reverse = not self._is_reverse
        self._replace(self._sorted(), is_stale=self._is_stale)
        self.refresh()

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)
        self._reveal()

    def render_line(self, y: int) -> Strip:
        """The head stands still; the rows scroll beneath it."""
        ground, width = self.rich_style, self.size.width
        if y == 0:
            return strip_of(head_of(self._titled(), width), width, ground)
        place = self.scroll_offset.y + y - 1
        if place >= len(self._rows):
            return Strip.blank(width, ground)
        row = self._rows[place]
        if place != self._cursor:
            line = line_of(self._columns, row, width)
            return strip_of(line, width, ground, is_stale=self._is_stale)
        style = ground + SELECTED if self.has_focus else ground + TONES["bold"]
        if self._is_stale and not self.has_focus:
            style += STALE
        spans = _cells(self._columns, row.cells, width)
        end = _end_of_name(self._columns, width)
        name = ">" + "".join(span.text for span in spans[:end])
        # Only what names the row is marked: each marked cell is sent again with every move.
        marked = name.rstrip() if end < len(spans) else name
        blanks = Span(" " * (len(name) - len(marked)))
        rest = strip_of(
            (blanks, *spans[end:]), width - cell_len(marked), ground, is_stale=self._is_stale
        )
        return Strip.join([Strip([Segment(marked, style)]), rest])

    def _sorted(self) -> Sequence[Row]:
        if self._sort is None:
            return self._given[::-1] if self._is_reverse else self._given
        place = self._sort
        return sorted(
            self._given, key=lambda row: weight(row.cells[place].text), reverse=self._is_reverse
        )

    def _titled(self) -> tuple[Column, ...]:
        if self._sort is None:
            return self._columns
        glyph = "▼" if self._is_reverse else "▲"
        return tuple(
            column._replace(title=f"{column.title} {glyph}") if place == self._sort else column
            for place, column in enumerate(self._columns)
        )

    def _go(self, place: int) -> None:
        last = len(self._rows) - 1
        wanted = max(0, min(place, last))
        if wanted != self._cursor:
            before, top = self._cursor, self.scroll_offset.y
            self._cursor = wanted
            self._reveal()
            if self.scroll_offset.y == top:
                self.refresh(self._region_of(before), self._region_of(wanted))
            else:
                self.refresh()
            self.post_message(self.Moved())
        if place + self.size.height >= last >= 0:
            self.post_message(self.EndReached())

    def _region_of(self, place: int) -> Region:
        return Region(0, 1 + place - self.scroll_offset.y, self.size.width, 1)

    def _reveal(self) -> None:
        seen = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + seen:
            self.scroll_to(y=self._cursor - seen + 1, animate=False)
