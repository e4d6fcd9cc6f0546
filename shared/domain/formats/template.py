"""`template`: a JSON shape of the tenant's own, filled in.

There are constants and `$paths`, and nothing that computes: what could compute could also be made
to say what must not leave.
"""

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import msgspec

from shared.contracts.words import EventType
from shared.domain.formats.events import Event
from shared.domain.formats.paths import ACCOUNT, DATA, SUBJECT, Absent, follow

DEFAULT_BODY = "default"
NEEDED = "!"
"""Ends a path without whose value the entry of the list around it says nothing."""


def filled(
    bodies: Mapping[str, Any], event: Event, *, subject: UUID | None, account: str | None
) -> bytes:
    """Fill the body for this event's type.

    A text that begins with `$` is a path, with `$$` a constant that begins with one `$`. Where the
    event has nothing at a path, its key is left out; if the path ends in `!`, the whole entry of
    the list around it is.

    Raises:
        KeyError: there is neither a body for the type nor a default; refused when it was saved.
    """
    values: dict[str, Any] = {
        "id": event.id,
        "type": event.type,
        "timestamp": event.instant,
        "scope": event.scope,
        "schema_version": event.schema_version,
        SUBJECT: subject,
        ACCOUNT: account,
        DATA: event.plain,
    }
    return msgspec.json.encode(_filled(body_for(bodies, event.type), values))


def body_for(bodies: Mapping[str, Any], event_type: EventType) -> object:
    """Pick the shape for a type.

    Raises:
        KeyError: there is none.
    """
    return bodies[event_type if event_type in bodies else DEFAULT_BODY]


def is_path(text: str) -> bool:
    """Tell a path from a constant."""
    return text.startswith("$") and not text.startswith("$$")


def constant(text: str) -> str:
    """What a text that is no path says: `$$` stands for `$` at its beginning."""
    return text[1:] if text.startswith("$$") else text


class _Missing:
    """What takes the entry around it along."""


_MISSING = _Missing()


def _filled(shape: object, values: Mapping[str, Any]) -> object:
    match shape:
        case str():
            return _filled_text(shape, values)
        case dict():
            members = cast("dict[str, Any]", shape)
            pairs = {name: _filled(one, values) for name, one in members.items()}
            if any(isinstance(one, _Missing) for one in pairs.values()):
                return _MISSING
            return {name: one for name, one in pairs.items() if not isinstance(one, Absent)}
        case list():
            entries = [_filled(one, values) for one in cast("list[Any]", shape)]
            return [one for one in entries if not isinstance(one, Absent | _Missing)]
        case _:
            return shape


def _filled_text(text: str, values: Mapping[str, Any]) -> object:
    if not is_path(text):
        return constant(text)
    found = follow(text.removesuffix(NEEDED), values)
    return _MISSING if isinstance(found, Absent) and text.endswith(NEEDED) else found
