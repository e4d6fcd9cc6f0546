"""Deliveries as spans of the trace in which their event was made: claimed, sent, settled."""

from collections.abc import Callable
from datetime import datetime
from itertools import chain
from uuid import UUID

from shared.traces import Context, Exporter, Kind, Span, derived_context, parse
from worker.delivery.claim import Claim
from worker.delivery.prepare import Due
from worker.delivery.settle import Record

REMEMBERED = 10_000
NS_PER_S = 1_000_000_000


class Traces:
    """Told by the pump of what it claims and settles."""

    def __init__(self, exporter: Exporter, *, clock: Callable[[], datetime]) -> None:
        """Remember nothing yet."""
        self._exporter = exporter
        self._clock = clock
        self._claimed: dict[UUID, int] = {}

    def claimed(self, found: Claim, asked_at: datetime) -> None:
        """A claim that began at `asked_at` has come back."""
        began, ended = _ns(asked_at), _ns(self._clock())
        for due in chain.from_iterable(chain(found.fresh.values(), found.retries.values())):
            event = parse(due.traceparent)
            if event is None or not event.is_sampled:
                continue
            delivery = _delivery(event, due)
            self._remember(due.id, began)
            self._exporter.add(
                Span(
                    context=derived_context(delivery, due.id, due.attempt_count, "claim", began),
                    parent=delivery.span_id,
                    name="claim",
                    kind=Kind.INTERNAL,
                    began=began,
                    ended=ended,
                    attributes=_names(due),
                )
            )

    def settled(self, record: Record) -> None:
        """An outcome was written down."""
        due = record.due
        event = parse(due.traceparent)
        if event is None or not event.is_sampled:
            return
        sent_at = _ns(record.started_at)
        answered_at = sent_at + record.duration_ms * 1_000_000
        delivery = _delivery(event, due)
        told = {**_names(due), "guardian.attempt": record.number, "guardian.status": record.status}
        self._exporter.add(
            Span(
                context=delivery,
                parent=event.span_id,
                name="deliver",
                kind=Kind.CONSUMER,
                began=self._claimed.pop(due.id, sent_at),
                ended=_ns(self._clock()),
                attributes={**told, "guardian.reason": record.reason or ""},
                is_error=record.status != "delivered",
                links=(event,),
            )
        )
        if record.number:
            self._exporter.add(
                Span(
                    context=_sending(event, due),
                    parent=delivery.span_id,
                    name="POST",
                    kind=Kind.CLIENT,
                    began=sent_at,
                    ended=answered_at,
                    attributes={
                        **told,
                        "http.request.method": "POST",
                        "http.response.status_code": record.status_code or 0,
                        "error.type": record.error_class or "",
                    },
                    is_error=record.error_class is not None,
                )
            )

    def _remember(self, delivery_id: UUID, began: int) -> None:
        if len(self._claimed) >= REMEMBERED:
            del self._claimed[next(iter(self._claimed))]
        self._claimed[delivery_id] = began


def traceparent_of(due: Due) -> str | None:
    """What an attempt tells its receiver, so that what the receiver does joins the trace."""
    event = parse(due.traceparent)
    return None if event is None or not event.is_sampled else _sending(event, due).text


def _delivery(event: Context, due: Due) -> Context:
    return derived_context(event, due.id, due.attempt_count, "deliver")


def _sending(event: Context, due: Due) -> Context:
    return derived_context(event, due.id, due.attempt_count, "send")


def _names(due: Due) -> dict[str, str | int]:
    return {
        "guardian.delivery_id": str(due.id),
        "guardian.event_id": str(due.event_id),
        "guardian.integration_id": str(due.integration_id),
        "guardian.event_type": due.event_type,
    }


def _ns(instant: datetime) -> int:
    return round(instant.timestamp() * NS_PER_S)
