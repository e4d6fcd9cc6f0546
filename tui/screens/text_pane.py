"""A pane of text: scrolled, searched, and drawn as it is."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from tui.keys import IN_TEXTS, bindings
from tui.messages import Left, Said, Typed
from tui.screens.pane import PollingPane
from tui.text import NONE, Line, Span
from tui.widgets.lines import Pages


class TextPane(PollingPane):
    """One scroll of lines."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(IN_TEXTS)

    def compose(self) -> ComposeResult:
        """The text."""
        yield Pages(id=f"{self.id}-pages")

    @abstractmethod
    def text(self, width: int) -> Sequence[Line] | None:
        """The lines for so many cells; None while nothing is known."""

    def take_keys(self) -> None:
        """The text gets the keys."""
        self.screen.set_focus(self.pages)

    def draw(self) -> None:
        """Draw what is known."""
        lines = self.text(self.size.width - 1)
        self.pages.show([(Span(f" {NONE}", "dim"),)] if lines is None else lines)

    @property
    def pages(self) -> Pages:
        """The text on screen."""
        return self.query_one(Pages)

    def action_scroll(self, lines: int) -> None:
        """Move through the text."""
        self.pages.move(lines)

    def action_find(self) -> None:
        """Ask what to look for."""
        self.tell(Typed("Find:", self._find, given=self.pages.wanted))

    def action_find_next(self, direction: int) -> None:
        """Go to another line that holds it."""
        if not self.pages.wanted:
            self.tell(Said("Nothing is looked for: / asks what.", ""))
        elif not self.pages.find(self.pages.wanted, direction):
            self.tell(Said(f"There is no {self.pages.wanted} here.", "warn"))

    def action_back(self) -> None:
        """Return to where one came from."""
        self.tell(Left())

    def _find(self, wanted: str) -> None:
        if not self.pages.find(wanted, 1) and wanted:
            self.tell(Said(f"There is no {wanted} here.", "warn"))
