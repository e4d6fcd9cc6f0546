"""A question on one line that is answered by typing; `esc` takes it back."""

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from tui.text import Span
from tui.widgets.field import Field
from tui.widgets.lines import Lines


class Prompt(Horizontal):
    """Hidden until it asks; then it has the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel", show=False)]

    def __init__(self, *, id: str) -> None:
        """Start hidden."""
        super().__init__(id=id)
        self.display = False
        self._act: Callable[[str], object] | None = None
        self._before: Widget | None = None

    def compose(self) -> ComposeResult:
        """The question, and the line to type into."""
        yield Lines(id="prompt-question")
        yield Field(id="prompt-answer", submit=self._answer)

    def ask(self, question: str, act: Callable[[str], object], *, given: str = "") -> None:
        """Ask; `act` gets what is typed. `given` stands there already."""
        if not self.display:
            self._before = self.screen.focused
        self._act = act
        lines = self.query_one(Lines)
        lines.styles.width = min(cell_len(question) + 2, max(10, self.app.size.width - 20))
        lines.show([(Span(f" {question} ", "warn"),)])
        field = self.query_one(Field)
        field.value = given
        field.action_end()
        self.display = True
        self.screen.set_focus(field)

    def close(self) -> None:
        """Take the question back; the keys go to whom they belonged."""
        if self.display:
            self.display = False
            self._act = None
            self.screen.set_focus(self._before)

    def action_cancel(self) -> None:
        """Leave everything as it was."""
        self.close()

    def _answer(self) -> None:
        act, answer = self._act, self.query_one(Field).value.strip()
        self.close()
        if act is not None:
            act(answer)
