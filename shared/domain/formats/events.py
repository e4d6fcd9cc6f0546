"""The stored standard body, opened for the formats that say the same in other words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.contracts.payloads import DATA_OF, Data, Envelope, Payload
from shared.contracts.words import EventType, Scope


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    Attributes:
        id: the same on every attempt, so that the receiver can recognise a duplicate.
        timestamp: when it happened, in UTC.
        data: typed, for those who speak about it.
        plain: the same as JSON knows it, for those who only move it.
    """

    id: UUID
    type: EventType
    timestamp: datetime
    scope: Scope | None
    schema_version: int
    data: Data
    plain: dict[str, Any]

    @property
    def instant(self) -> str:
        """The timestamp as JSON has it."""
        return self.timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_event(event_id: UUID, body: bytes) -> Event:
    """Open a standard body; what its type has no field for does not pass a second time either.

    Raises:
        msgspec.ValidationError: the body is not one that a mapper made.
    """
    envelope = _ENVELOPE.decode(body)
    return Event(
        id=event_id,
        type=envelope.type,
        timestamp=envelope.timestamp,
        scope=envelope.scope,
        schema_version=envelope.schema_version,
        data=_DATA[envelope.type].decode(envelope.data),
        plain=_PLAIN.decode(envelope.data),
    )


_ENVELOPE = msgspec.json.Decoder(Envelope)
_PLAIN = msgspec.json.Decoder(dict[str, Any])


def _decoder(kind: type[Payload]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


_DATA = {event_type: _decoder(kind) for event_type, kind in DATA_OF.items()}
