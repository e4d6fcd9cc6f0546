"""The keys that are valid where one came from, and every command: typed to find, run by enter."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui.desk import Desk
from tui.messages import CommandChosen, Left
from tui.screens.pane import Pane
from tui.text import Span
from tui.widgets.lines import Lines
from tui.widgets.rows import Column, Row, Rows

COLUMNS = (Column("Key", 18), Column("Does", 0), Column("Where", 14))


class Command(NamedTuple):
    """Something that can be done: by which key, what, where, and the action's name."""

    key: str
    does: str
    where: str
    action: str


class CommandsPane(Pane):
    """`?` opens it to read, `:` to type; both run what they list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "run"),
        Binding("escape", "back", "back"),
        Binding("slash", "type", "find", key_display="/"),
        Binding("down", "move(1)", "next", show=False),
        Binding("up", "move(-1)", "before", show=False),
    ]

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start empty; the app says what is valid."""
        super().__init__(desk, id=id)
        self._commands: Sequence[Command] = ()

    def compose(self) -> ComposeResult:
        """The prompt above the list."""
        yield Lines(id="commands-words")
        yield Input(id="commands-prompt", compact=True, placeholder="type to find, enter runs")
        yield Rows(COLUMNS, id="commands-rows")

    def on_mount(self) -> None:
        """The cursor stands still."""
        self.query_one(Input).cursor_blink = False

    def open(self, title: str, commands: Sequence[Command], *, is_typing: bool) -> None:
        """List `commands`; the prompt or the list gets the keys."""
        self._commands = commands
        self.query_one(Lines).show([(Span(f" {title}", "bold"),)])
        self.query_one(Input).value = ""
        self.draw()
        self.screen.set_focus(self.query_one(Input if is_typing else Rows))

    def draw(self) -> None:
        """List what matches every word typed."""
        typed = self.query_one(Input).value.lower().split()
        rows = [
            Row(
                id=command.action,
                cells=(Span(command.key, "accent"), Span(command.does), Span(command.where, "dim")),
            )
            for command in self._commands
            if all(
                word in f"{command.key} {command.does} {command.where}".lower() for word in typed
            )
        ]
        self.query_one(Rows).show(rows)

    def on_input_changed(self) -> None:
        """Find as one types."""
        self.draw()

    def on_input_submitted(self) -> None:
        """Run the first that matches."""
        self.action_choose()

    def action_choose(self) -> None:
        """Run the row, where one came from."""
        selected = self.query_one(Rows).selected
        if selected is not None:
            self.post_message(CommandChosen(selected))

    def action_back(self) -> None:
        """Return to where one came from."""
        self.post_message(Left())

    def action_type(self) -> None:
        """Type to find."""
        self.screen.set_focus(self.query_one(Input))

    def action_move(self, by: int) -> None:
        """Move through the list while typing."""
        self.query_one(Rows).action_move(by)
