"""One delivery whole: what was sent, every attempt at it, and what came back."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from shared.contracts.deliveries import Attempt, DeliveryDetail
from shared.errors import GuardianError
from tui.desk import Desk
from tui.follow import follow, verdict
from tui.marks import delivery_mark
from tui.messages import FormWanted, Left, Said
from tui.screens.pane import PollingPane
from tui.text import NONE, Line, Span, at, duration, fit, number, visible, words, wrap
from tui.widgets.lines import Pages

LONGEST_PAYLOAD = 65_536
INDENT = 2


class DeliveryPane(PollingPane):
    """Opened from the list; asks again until the delivery is final, and `q` goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "redeliver", "redeliver"),
        Binding("e", "edit", "edit its integration"),
        Binding("escape", "back", "back"),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
        Binding("ctrl+d,pagedown", "scroll(15)", "page down", show=False),
        Binding("ctrl+u,pageup", "scroll(-15)", "page up", show=False),
        Binding("g,home", "scroll(-100000)", "top", show=False),
        Binding("G,end", "scroll(100000)", "end", show=False),
    ]

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start without a delivery."""
        super().__init__(desk, id=id)
        self._delivery_id: UUID | None = None
        self._detail: DeliveryDetail | None = None

    def compose(self) -> ComposeResult:
        """One scroll of lines."""
        yield Pages(id="delivery-pages")

    def open(self, delivery_id: UUID) -> None:
        """Show this one from now on."""
        if delivery_id != self._delivery_id:
            self._delivery_id = delivery_id
            self._detail = None
            self.query_one(Pages).move(-100_000)
            self.refetch()

    async def ask(self) -> None:
        """The delivery as it stands."""
        wanted = self._delivery_id
        if wanted is not None:
            detail = await self.desk.server.delivery(wanted)
            if wanted == self._delivery_id:
                self._detail = detail

    def take_keys(self) -> None:
        """The text gets the keys."""
        self.screen.set_focus(self.query_one(Pages))

    def forget(self) -> None:
        """Another tenant has other deliveries."""
        super().forget()
        self._delivery_id = None
        self._detail = None

    def draw(self) -> None:
        """Draw what is known of it."""
        if self._detail is None:
            lines: Sequence[Line] = [(Span(f" {NONE}", "dim"),)]
        else:
            lines = detail_lines(self._detail, width=self.size.width - 1)
        self.query_one(Pages).show(lines)

    def action_scroll(self, lines: int) -> None:
        """Move through the text."""
        self.query_one(Pages).move(lines)

    def action_back(self) -> None:
        """Return to the list."""
        self.tell(Left())

    def action_redeliver(self) -> None:
        """Send the same event again, once, and show the new delivery."""
        if self._detail is not None:
            self._redeliver(self._detail.id)

    def action_edit(self) -> None:
        """Change where it went, beginning with the URL."""
        if self._detail is not None:
            self.tell(FormWanted(self._detail.integration_id, "url"))

    @work(group="redeliver")
    async def _redeliver(self, delivery_id: UUID) -> None:
        self.tell(Said("Redelivering …"))
        try:
            new = await self.desk.server.redeliver(delivery_id)
            if self._delivery_id == delivery_id:
                self.open(new.id)
            result = verdict(await follow(self.desk, new.id))
        except GuardianError as error:
            self.tell(Said(f"✗ Not redelivered: {visible(error.detail)}", "bad"))
            return
        self.tell(Said(f"Redelivered as {new.id}: {result.text}", result.tone))
        self.refetch()


def detail_lines(detail: DeliveryDetail, *, width: int) -> list[Line]:
    """The delivery, its attempts as a timeline, the body that is signed, and the last response."""
    mark = delivery_mark(detail.status)
    next_try = f", next try {at(detail.next_attempt_at)}" if detail.next_attempt_at else ""
    reason = detail.reason or detail.error_class
    scope = detail.event.scope or "no scope"
    lines: list[Line] = [
        (
            Span(f" {mark.text}{next_try}", mark.tone),
            Span(f"  {words(reason)}" if reason else "", "warn"),
        ),
        _named("Delivery", str(detail.id)),
        _named("Event", f"{detail.event.type}, {scope}"),
        _named("webhook-id", str(detail.event_id)),
        _named("To", visible(detail.integration_key)),
        _named("Made", f"{at(detail.created_at)}, event of {at(detail.event.occurred_at)}"),
    ]
    if detail.replay_of:
        lines.append(_named("Replays", str(detail.replay_of)))
    lines += [(), (Span(" Attempts", "bold"), Span(f"  {number(detail.attempt_count)}", "dim"))]
    previous: datetime | None = None
    for attempt in detail.attempts:
        lines.append(_attempt_line(attempt, previous))
        previous = attempt.started_at
    if not detail.attempts:
        lines.append((Span("   none yet", "dim"),))
    lines += _block("Body", pretty(bytes(detail.event.payload)), width)
    excerpt = detail.attempts[-1].response_excerpt if detail.attempts else None
    lines += _block("Last response", (excerpt or "(no body)").splitlines(), width)
    return lines


def pretty(payload: bytes) -> list[str]:
    """JSON with a line for each field; what is not JSON, or too long, as it came."""
    kept = payload[:LONGEST_PAYLOAD]
    with suppress(msgspec.DecodeError):
        kept = msgspec.json.format(kept, indent=INDENT) if kept == payload else kept
    lines = kept.decode(errors="backslashreplace").split("\n")
    if len(payload) > LONGEST_PAYLOAD:
        lines.append(f"… {number(len(payload))} bytes in all")
    return lines


def _named(name: str, value: str) -> Line:
    return (Span(f" {fit(name, 11)}", "dim"), Span(value))


def _attempt_line(attempt: Attempt, previous: datetime | None) -> Line:
    is_good = attempt.error_class is None
    came_back = str(attempt.status_code) if attempt.status_code else NONE
    waited = f"+{duration(attempt.started_at - previous)}" if previous else ""
    return (
        Span(f"   {fit(str(attempt.number), 3, is_number=True)}  {at(attempt.started_at)}  "),
        Span(
            f"{'✓' if is_good else '✗'} {came_back}{'' if is_good else '  '}"
            f"{'' if is_good else words(attempt.error_class or '')}",
            "good" if is_good else "warn",
        ),
        Span(f"  {number(attempt.duration_ms)} ms"),
        Span(f"  {waited}", "dim"),
    )


def _block(title: str, text: Sequence[str], width: int) -> list[Line]:
    lines: list[Line] = [(), (Span(f" {title}", "bold"),)]
    for line in text:
        shown = visible(line, limit=LONGEST_PAYLOAD)
        lines += [(Span(f"   {part}"),) for part in wrap(shown, max(10, width - 4))]
    return lines
