"""`flat`: one level of plain values, for tools that map fields by name."""

from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

import msgspec

from shared.domain.formats.events import Event


def flat(event: Event, *, subject: UUID | None) -> bytes:
    """Say it in one level; `subject` is there only where the integration asked for one."""
    body: dict[str, Any] = {
        "id": event.id,
        "type": event.type,
        "timestamp": event.instant,
        "scope": event.scope,
        "schema_version": event.schema_version,
    }
    if subject is not None:
        body["subject"] = subject
    return msgspec.json.encode(body | flattened(event.plain))


def flattened(data: dict[str, Any]) -> dict[str, Any]:
    """Bring an event's data to one level.

    Names are joined by `_`. An entry of a list is named after what it is about: the readiness of
    `guardian.core.rules` is `capability_guardian_core_rules_score`, the adoption of `core` is
    `adoption_core_score`.
    """
    values: dict[str, Any] = {}
    for name, value in data.items():
        match value:
            case dict():
                nested = cast("dict[str, Any]", value)
                values |= {f"{name}_{inner}": one for inner, one in nested.items()}
            case list():
                for key, one in _entries(name, cast("list[dict[str, Any]]", value)):
                    # `a.b` and `a_b` are two capabilities: the second keeps its dots.
                    plain = key.replace(".", "_").replace("-", "_")
                    values[key if plain in values else plain] = one
            case _:
                values[name] = value
    return values


_NAMED_BY = {"capabilities_summary": ("capability", "key"), "dimensions": ("adoption", "dimension")}


def _entries(name: str, entries: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    prefix, by = _NAMED_BY[name]
    for entry in entries:
        for field in ("score", "status"):
            if field in entry:
                yield f"{prefix}_{entry[by]}_{field}", entry[field]
