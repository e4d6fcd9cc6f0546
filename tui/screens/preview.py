"""What an integration would get: the exact bytes and headers, signed with a dummy."""

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from textual.binding import BindingType

from shared.contracts.integrations import Preview
from shared.contracts.words import MessageType
from tui.desk import Desk
from tui.keys import IN_TEXTS, bindings
from tui.screens.pane import Copy
from tui.screens.text_pane import TextPane
from tui.text import Line, Span, number, visible, wrap

LONGEST_BODY = 262_144


class PreviewPane(TextPane):
    """One integration, one event type at a time."""

    PLACES = ("preview", IN_TEXTS)
    BINDINGS: ClassVar[list[BindingType]] = bindings("preview")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start without an integration."""
        super().__init__(desk, id=id)
        self._integration_id: UUID | None = None
        self._key = ""
        self._type = MessageType.READINESS_UPDATED
        self._preview: Preview | None = None

    def open(self, integration_id: UUID, integration_key: str) -> None:
        """Show this one from now on."""
        self._integration_id, self._key = integration_id, integration_key
        self._preview = None
        self.pages.move(-1_000_000)
        self.refetch()

    async def ask(self) -> None:
        """The example event of the type."""
        question = (self._integration_id, self._type)
        if question[0] is not None:
            preview = await self.desk.server.preview_integration(question[0], question[1])
            if question == (self._integration_id, self._type):
                self._preview = preview

    def forget(self) -> None:
        """Another tenant has other integrations."""
        super().forget()
        self._integration_id, self._preview = None, None

    def text(self, width: int) -> Sequence[Line] | None:
        """The request as it would be sent; only what does not fit is broken."""
        head: Line = (
            Span(f" {visible(self._key)}", "bold"),
            Span(f"  {self._type}", "accent"),
            Span("  an example; nothing is sent", "dim"),
        )
        preview = self._preview
        if preview is None:
            return [head, (), (Span(" -", "dim"),)]
        lines: list[Line] = [
            head,
            (),
            (Span(f" {visible(preview.method)} to {visible(preview.webhook_host)}"),),
        ]
        for name, value in preview.headers.items():
            shown = wrap(f"{visible(name)}: {visible(value)}", max(10, width - 4))
            lines += [(Span(f"   {part}"),) for part in shown]
        lines += [(), (Span(" Body", "bold"), Span(f"  {number(preview.body_bytes)} bytes", "dim"))]
        for line in preview.body.split("\n"):
            shown = wrap(visible(line, limit=LONGEST_BODY), max(10, width - 4))
            lines += [(Span(f"   {part}"),) for part in shown]
        if preview.dummy_secret:
            lines += [(), (Span(f" Signed with {visible(preview.dummy_secret)}", "dim"),)]
            lines += [(Span(" which signs nothing else.", "dim"),)]
        return lines

    def copies(self) -> Sequence[Copy]:
        """The body, and the headers."""
        preview = self._preview
        if preview is None:
            return ()
        headers = "\n".join(f"{name}: {value}" for name, value in preview.headers.items())
        return (Copy("body", preview.body), Copy("headers", headers))

    def resource(self) -> object:
        """The preview whole."""
        return self._preview

    def action_step(self, by: int) -> None:
        """Show another event type."""
        types = list(MessageType)
        self._type = types[(types.index(self._type) + by) % len(types)]
        self._preview = None
        self.draw()
        self.refetch()
