"""Draws lines of toned text, as they are: no markup, no wrapping, no knowledge of what they say."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.palette import STALE, TONES
from tui.text import Line, Span


class Lines(Widget):
    """A block of lines, as high as its place; what does not fit is not drawn."""

    def __init__(self, *, id: str) -> None:
        """Start empty."""
        super().__init__(id=id)
        self._lines: tuple[Line, ...] = ()
        self._is_stale = False

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is drawn."""
        return self._lines

    def show(self, lines: Sequence[Line], *, is_stale: bool = False) -> None:
        """Draw `lines`; stale ones lose their colours."""
        old, new = self._lines, tuple(lines)
        if is_stale != self._is_stale or len(old) != len(new):
            self._lines, self._is_stale = new, is_stale
            self.refresh()
        elif old != new:
            self._lines = new
            changed = [y for y, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """One line of the widget."""
        line = self._lines[y] if y < len(self._lines) else ()
        return strip_of(line, self.size.width, self.rich_style, is_stale=self._is_stale)


class Pages(ScrollView, can_focus=True):
    """Lines without end, scrolled by its owner's keys."""

    def __init__(self, *, id: str) -> None:
        """Start empty."""
        super().__init__(id=id)
        self._lines: tuple[Line, ...] = ()
        self._found: int | None = None
        self.wanted = ""
        """What is looked for; empty: nothing."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is drawn, seen or not."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Draw `lines`, and stay where the reader is."""
        if tuple(lines) != self._lines:
            self._lines = tuple(lines)
            self.virtual_size = Size(self.size.width, len(self._lines))
            self.refresh()

    def move(self, lines: int) -> None:
        """Scroll by so many lines, at once."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False)

    def render_line(self, y: int) -> Strip:
        """One line of what is seen."""
        row = self.scroll_offset.y + y
        line = self._lines[row] if row < len(self._lines) else ()
        if row == self._found:
            line = (Span("".join(span.text for span in line), "reverse"),)
        return strip_of(line, self.size.width, self.rich_style)

    def find(self, wanted: str, direction: int) -> bool:
        """Mark and show the next line that holds `wanted`, in any case; False if none does."""
        self.wanted, count = wanted, len(self._lines)
        start = self._found if self._found is not None else self.scroll_offset.y - direction
        self._found = None
        for step in range(1, count + 1) if wanted else ():
            place = (start + direction * step) % count
            text = "".join(span.text for span in self._lines[place])
            if wanted.lower() in text.lower():
                self._found = place
                if not 0 <= place - self.scroll_offset.y < self.size.height:
                    self.scroll_to(y=place - self.size.height // 2, animate=False)
                break
        self.refresh()
        return self._found is not None


def strip_of(line: Line, width: int, ground: Style, *, is_stale: bool = False) -> Strip:
    """A line as Textual draws it, cut or filled to `width` cells."""
    segments = [Segment(span.text, _style(span, ground, is_stale=is_stale)) for span in line]
    return Strip(segments).adjust_cell_length(width, ground)


def _style(span: Span, ground: Style, *, is_stale: bool) -> Style:
    if is_stale and span.tone not in {"title", "reverse"}:
        return ground + STALE
    return ground + TONES[span.tone]
