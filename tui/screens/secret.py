"""A secret that is told once; leaving asks whether it was stored."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from tui.desk import Desk
from tui.keys import bindings
from tui.messages import Left
from tui.screens.pane import Copy, Pane
from tui.text import Span, wrap
from tui.widgets.lines import Lines


class SecretPane(Pane):
    """The secret stands alone on its line, so that a terminal's own selection takes it whole."""

    PLACES = ("secret",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("secret")
    can_focus = True

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start without a secret."""
        super().__init__(desk, id=id)
        self._title = self._secret = ""

    def compose(self) -> ComposeResult:
        """One block of lines."""
        yield Lines(id="secret-lines")

    def open(self, title: str, secret: str) -> None:
        """Show this one."""
        self._title, self._secret = title, secret
        self.draw()

    def doubt(self) -> str:
        """It cannot be had again."""
        return "It is never shown again. Did you store it?" if self._secret else ""

    def forget(self) -> None:
        """The console keeps no secret."""
        super().forget()
        self.open("", "")

    def copies(self) -> Sequence[Copy]:
        """The secret."""
        return (Copy("secret", self._secret, is_secret=True),) if self._secret else ()

    def draw(self) -> None:
        """Draw it whole, broken only where the line ends."""
        width = max(20, self.size.width - 4)
        self.query_one(Lines).show(
            [
                (),
                (Span(f"  {self._title}", "bold"),),
                (),
                *((Span(f"  {part}"),) for part in wrap(self._secret, width)),
                (),
                (Span("  y copies it. It is kept nowhere else and never shown again.", "dim"),),
            ]
        )

    def action_back(self) -> None:
        """Leave; the app asks first."""
        self.tell(Left())
