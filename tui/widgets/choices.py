"""A few words to tick: many of them, or one in place of another."""

from collections.abc import Collection, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.strip import Strip
from textual.widget import Widget

from tui.text import Line, Span, width_of
from tui.widgets.lines import strip_of


class Choices(Widget, can_focus=True):
    """`[x] readiness  [ ] uplift`; left and right move, space ticks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "move(1)", "next choice", show=False),
        Binding("left,h", "move(-1)", "choice before", show=False),
        Binding("space", "tick", "tick", show=False),
    ]

    def __init__(self, words: Sequence[str], *, id: str, is_single: bool = False) -> None:
        """Name the words; nothing is ticked."""
        super().__init__(id=id)
        self._words = words
        self._is_single = is_single
        self._ticked: frozenset[str] = frozenset()
        self._cursor = 0

    @property
    def ticked(self) -> tuple[str, ...]:
        """What is ticked, in the order of the words."""
        return tuple(word for word in self._words if word in self._ticked)

    def tick_only(self, words: Collection[str]) -> None:
        """Tick these."""
        self._ticked = frozenset(words)
        self.refresh()

    def action_move(self, by: int) -> None:
        """Move to another word."""
        self._cursor = (self._cursor + by) % len(self._words)
        self.refresh()

    def action_tick(self) -> None:
        """Tick the word, or take the tick away; of a single choice one is always ticked."""
        word = frozenset({self._words[self._cursor]})
        self._ticked = word if self._is_single else self._ticked ^ word
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of words; what does not fit goes to the next."""
        lines = self._wrapped()
        line = lines[y] if y < len(lines) else ()
        return strip_of(line, self.size.width, self.rich_style)

    def _wrapped(self) -> list[Line]:
        lines: list[list[Span]] = [[]]
        opens, closes = ("(", ")") if self._is_single else ("[", "]")
        for place, word in enumerate(self._words):
            mark = "x" if word in self._ticked else " "
            is_here = self.has_focus and place == self._cursor
            span = Span(f"{opens}{mark}{closes} {word}", "reverse" if is_here else "")
            if lines[-1] and width_of(lines[-1]) + len(span.text) > self.size.width:
                lines.append([])
            lines[-1] += [span, Span("  ")]
        return [tuple(line) for line in lines]
