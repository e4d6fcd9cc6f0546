"""GET /event-types: what a receiver may get, with schemas and examples."""

from functools import cache
from typing import Any

import msgspec
from litestar import Controller, get

from api.guards import requires
from api.services.examples import EXAMPLES
from shared.contracts.event_types import EventTypeInfo
from shared.contracts.pages import Page
from shared.contracts.payloads import DATA_OF, SCHEMA_VERSION
from shared.contracts.words import SCOPE_OF, EventType, Role

_SAYS: dict[EventType, str] = {
    EventType.READINESS_UPDATED: "A readiness snapshot was computed.",
    EventType.UPLIFT_PLAN_CREATED: "An uplift plan was seen for the first time.",
    EventType.UPLIFT_PLAN_UPDATED: "An uplift plan changed.",
    EventType.EDITION_FIT_COMPUTED: "How well one edition fits was computed; one event an edition.",
    EventType.EXECUTIVE_REPORT_CREATED: "An executive report was made.",
    EventType.ADOPTION_SCORES_COMPUTED: "An adoption snapshot was computed.",
    EventType.META_LIFECYCLE_RUN_COMPLETED: "A run that compacts and deletes old data ended.",
    EventType.TEST: "An admin asked for a test; it belongs to no scope, every integration gets it.",
}


class EventTypeController(Controller):
    """The catalogue; the same for every tenant."""

    path = "/event-types"
    tags = ["event types"]

    @get(guards=[requires(Role.READER)], summary="The catalogue of events")
    async def listing(self) -> Page[EventTypeInfo]:
        """Every type of event with the JSON Schema and an example of its `data`."""
        return Page(items=_catalogue(), next_cursor=None)


@cache
def _catalogue() -> list[EventTypeInfo]:
    return [
        EventTypeInfo(
            type=event_type,
            scope=SCOPE_OF[event_type],
            description=_SAYS[event_type],
            schema_version=SCHEMA_VERSION,
            data_schema=msgspec.json.schema(data_type),
            example=_builtins(EXAMPLES[event_type]),
        )
        for event_type, data_type in DATA_OF.items()
    ]


def _builtins(example: object) -> dict[str, Any]:
    return msgspec.to_builtins(example)
