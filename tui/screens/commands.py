"""The keys that are valid where one came from, and every command: typed to find, run by enter."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType

from tui.desk import Desk
from tui.keys import bindings
from tui.messages import CommandChosen, Left
from tui.screens.pane import Pane
from tui.text import Span
from tui.widgets.field import Field
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

    PLACES = ("commands",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("commands")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start empty; the app says what is valid."""
        super().__init__(desk, id=id)
        self._commands: Sequence[Command] = ()

    def compose(self) -> ComposeResult:
        """The prompt above the list."""
        yield Lines(id="commands-words")
        yield Field(
            id="commands-prompt", placeholder="type to find, enter runs", submit=self.action_choose
        )
        yield Rows(COLUMNS, id="commands-rows")

    def open(self, title: str, commands: Sequence[Command], *, is_typing: bool) -> None:
        """List `commands`; the prompt or the list gets the keys."""
        self._commands = commands
        self.query_one(Lines).show([(Span(f" {title}", "bold"),)])
        self.query_one(Field).value = ""
        self.draw()
        self.screen.set_focus(self.query_one(Field if is_typing else Rows))

    def draw(self) -> None:
        """List what matches every word typed."""
        typed = self.query_one(Field).value.lower().split()
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

    def action_choose(self) -> None:
        """Run the row, where one came from."""
        self.draw()
        selected = self.query_one(Rows).selected
        if selected is not None:
            self.tell(CommandChosen(selected))

    def action_back(self) -> None:
        """Return to where one came from."""
        self.tell(Left())

    def action_type(self) -> None:
        """Type to find."""
        self.screen.set_focus(self.query_one(Field))

    def action_move(self, by: int) -> None:
        """Move through the list while typing."""
        self.query_one(Rows).action_move(by)
