"""The catalogue of events, for those who write receivers."""

from typing import Any

from shared.contracts.postures import Resource
from shared.contracts.words import EventType, Scope


class EventTypeInfo(Resource, frozen=True, kw_only=True):
    """One type of event: what it says, the JSON Schema of its `data`, and an example."""

    type: EventType
    scope: Scope | None
    description: str
    schema_version: int
    data_schema: dict[str, Any]
    example: dict[str, Any]
