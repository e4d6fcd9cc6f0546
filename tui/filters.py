"""The one line that says which deliveries are wanted, read and refused in words."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from shared.contracts.words import DeliveryStatus, MessageType
from shared.errors import InvalidError

EXAMPLE = "state:failed int:crm type:readiness_updated since:2h"
UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
AGO = re.compile(r"(?P<count>\d{1,6})(?P<unit>min|h|d|s)")
ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Whether a text is a time does not depend on now."""


class Filter(NamedTuple):
    """What is wanted; the server does the picking.

    Attributes:
        text: as it was typed, and as it is shown.
        integration: its key, or the beginning of one.
        since: as typed: `2h` moves with the clock, an instant does not.
        until: as `since`.
    """

    text: str = ""
    status: DeliveryStatus | None = None
    integration: str | None = None
    event_type: MessageType | None = None
    since: str | None = None
    until: str | None = None


def parse(text: str) -> Filter:
    """Read a filter; a bare word is a state, and of two that disagree the later one holds.

    Raises:
        InvalidError: a word is not understood; the sentence says which, and what is.
    """
    wanted = Filter(text=" ".join(text.split()))
    for part in wanted.text.split():
        name, colon, value = part.partition(":")
        wanted = _narrowed(wanted, *((name.lower(), value) if colon else ("state", part)))
    return wanted


def instant(text: str | None, now: datetime) -> datetime | None:
    """What `2h`, `2026-11-01` or `2026-11-01T06:00` means at `now`, in UTC; None for none.

    Raises:
        InvalidError: it means nothing.
    """
    if text is None:
        return None
    ago = AGO.fullmatch(text)
    try:
        if ago:
            return now - timedelta(seconds=int(ago["count"]) * UNITS[ago["unit"]])
        then = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidError(
            f"{text} is no time: say 30min, 2h, 7d, 2026-11-01 or 2026-11-01T06:00."
        ) from None
    return then if then.tzinfo else then.replace(tzinfo=UTC)


def _narrowed(wanted: Filter, name: str, value: str) -> Filter:
    match name:
        case "state":
            return wanted._replace(status=_status(value))
        case "int" if value:
            return wanted._replace(integration=value)
        case "type":
            return wanted._replace(event_type=_event_type(value))
        case "since" | "until":
            instant(value, ANY_TIME)
            return wanted._replace(**{name: value})
        case _:
            raise InvalidError(f"{name}:{value} is not understood. For example: {EXAMPLE}")


def _status(value: str) -> DeliveryStatus:
    for status in DeliveryStatus:
        if value and status.startswith(value.lower()):
            return status
    raise InvalidError(f"No such status. There are {', '.join(DeliveryStatus)}.")


def _event_type(value: str) -> MessageType:
    for event_type in MessageType:
        if value and event_type.startswith(value.lower()):
            return event_type
    raise InvalidError(f"No such event type. There are {', '.join(MessageType)}.")
