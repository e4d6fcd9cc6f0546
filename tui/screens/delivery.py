"""One delivery whole: what was sent, every attempt at it, and what came back."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec
from textual import work
from textual.binding import BindingType

from shared.contracts.changes import ChangeKind
from shared.contracts.deliveries import Attempt, DeliveryDetail
from shared.errors import GuardianError
from tui.desk import Desk
from tui.follow import follow, verdict
from tui.keys import IN_TEXTS, bindings
from tui.marks import delivery_mark
from tui.messages import FormWanted, Said
from tui.screens.pane import Copy
from tui.screens.text_pane import TextPane
from tui.text import NONE, Line, Span, at, duration, fit, number, visible, words, wrap

LONGEST_PAYLOAD = 65_536
INDENT = 2


class DeliveryPane(TextPane):
    """Opened from the list; asks again until the delivery is final, and `q` goes back."""

    PLACES = ("delivery", IN_TEXTS)
    KINDS = frozenset({ChangeKind.DELIVERIES})
    BINDINGS: ClassVar[list[BindingType]] = bindings("delivery")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start without a delivery."""
        super().__init__(desk, id=id)
        self._delivery_id: UUID | None = None
        self._detail: DeliveryDetail | None = None

    def open(self, delivery_id: UUID) -> None:
        """Show this one from now on."""
        if delivery_id != self._delivery_id:
            self._delivery_id = delivery_id
            self._detail = None
            self.pages.move(-1_000_000)
            self.refetch()

    async def ask(self) -> None:
        """The delivery as it stands."""
        wanted = self._delivery_id
        if wanted is not None:
            detail = await self.desk.server.delivery(wanted)
            if wanted == self._delivery_id:
                self._detail = detail

    def forget(self) -> None:
        """Another tenant has other deliveries."""
        super().forget()
        self._delivery_id = None
        self._detail = None

    def text(self, width: int) -> Sequence[Line] | None:
        """What is known of it."""
        return None if self._detail is None else detail_lines(self._detail, width=width)

    def copies(self) -> Sequence[Copy]:
        """The id, and what was sent and answered."""
        detail = self._detail
        if detail is None:
            return ()
        excerpts = [one.response_excerpt for one in detail.attempts if one.response_excerpt]
        return (
            Copy("delivery id", str(detail.id)),
            Copy("webhook-id (event id)", str(detail.event_id)),
            Copy("body", bytes(detail.event.payload).decode(errors="replace")),
            *(Copy("last response", one) for one in excerpts[-1:]),
            Copy("attempts as JSON", msgspec.json.encode(detail.attempts).decode()),
        )

    def resource(self) -> object:
        """The delivery with its event and attempts."""
        return self._detail

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
