"""`cloudevents`: CloudEvents 1.0 in structured mode, the event whole in one JSON body."""

from typing import Any
from uuid import UUID

import msgspec

from shared.domain.formats.events import Event

CONTENT_TYPE = "application/cloudevents+json"
SOURCE = "urn:guardian:webhooks"
TYPE_PREFIX = "guardian."


def cloudevent(event: Event, *, subject: UUID | None) -> bytes:
    """Say it as a CloudEvent; `scope` and `schemaversion` are extension attributes."""
    body: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": SOURCE,
        "type": TYPE_PREFIX + event.type,
        "time": event.instant,
        "datacontenttype": "application/json",
        "dataschema": f"urn:guardian:schema:{event.type}:{event.schema_version}",
        "schemaversion": event.schema_version,
    }
    # An attribute is either there with a value or not there: CloudEvents knows no null.
    if event.scope is not None:
        body["scope"] = event.scope
    if subject is not None:
        body["subject"] = subject
    body["data"] = event.plain
    return msgspec.json.encode(body)
