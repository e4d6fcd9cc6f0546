"""The message line; a question on it takes the keys until it is answered."""

import textwrap
from collections.abc import Callable

from textual import events
from textual.widget import Widget

from tui.text import Span
from tui.widgets.lines import Lines

MOST_LINES = 3


class MessageLine(Lines):
    """Says the last thing that was said, or asks. Only `y` means yes."""

    def __init__(self, *, id: str) -> None:
        """Start silent."""
        super().__init__(id=id)
        self._act: Callable[[], object] | None = None
        self._before: Widget | None = None

    @property
    def is_asking(self) -> bool:
        """Whether an answer is awaited."""
        return self._act is not None

    def say(self, text: str, tone: str) -> None:
        """Say a sentence, unless a question stands."""
        if not self.is_asking:
            width = max(20, self.app.size.width - 2)
            lines = textwrap.wrap(text, width)[:MOST_LINES] or [""]
            self.styles.height = len(lines)
            self.show([(Span(f" {line}", tone),) for line in lines])

    def ask(self, question: str, act: Callable[[], object]) -> None:
        """Ask; `act` runs on `y`, and any other key is a no."""
        self.styles.height = 1
        self.show([(Span(f" {question} ", "warn"), Span("y/N", "bold"))])
        self._act = act
        self._before = self.screen.focused
        self.can_focus = True
        self.screen.set_focus(self)

    async def take(self, event: events.Key) -> bool:
        """Take any key as the answer; always one."""
        act, self._act = self._act, None
        self.can_focus = False
        if self._before is not None:
            self.screen.set_focus(self._before)
        if act is not None and event.key == "y":
            self.show([])
            act()
        else:
            self.show([(Span(" Left as it was.", "dim"),)])
        return True
