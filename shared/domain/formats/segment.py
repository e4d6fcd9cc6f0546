"""`segment`: one call of the batch API that holds the state as a group and the news as a track."""

from typing import Any
from uuid import UUID

import msgspec

from shared.contracts.words import EventType
from shared.domain.formats.events import Event
from shared.domain.formats.flat import flattened

TRAIT_PREFIX = "guardian_"

_NAMES = {
    EventType.READINESS_UPDATED: "Guardian Readiness Updated",
    EventType.UPLIFT_PLAN_CREATED: "Guardian Uplift Plan Created",
    EventType.UPLIFT_PLAN_UPDATED: "Guardian Uplift Plan Updated",
    EventType.EDITION_FIT_COMPUTED: "Guardian Edition Fit Computed",
    EventType.EXECUTIVE_REPORT_CREATED: "Guardian Executive Report Created",
    EventType.ADOPTION_SCORES_COMPUTED: "Guardian Adoption Scores Computed",
    EventType.META_LIFECYCLE_RUN_COMPLETED: "Guardian Lifecycle Run Completed",
    EventType.TEST: "Guardian Test",
}


def segment(event: Event, *, subject: UUID) -> bytes:
    """Say it about `subject`, who is a group and, since Segment asks for one, its anonymous user.

    Segment drops a message whose `messageId` it has seen: the track's is the event's id, the
    group's is derived from it, so both survive the first time and neither the second.
    """
    common = {"anonymousId": subject, "timestamp": event.instant}
    group = {
        "type": "group",
        "messageId": f"{event.id}-group",
        "groupId": subject,
        "traits": _traits(event),
        **common,
    }
    track = {
        "type": "track",
        "messageId": event.id,
        "event": _NAMES[event.type],
        "properties": flattened(event.plain),
        "context": {"groupId": subject},
        **common,
    }
    return msgspec.json.encode({"batch": [group, track]})


def _traits(event: Event) -> dict[str, Any]:
    """What of the event is a lasting fact about the group; a plan or a run is news only."""
    data = event.plain
    match event.type:
        case EventType.READINESS_UPDATED:
            values = {"readiness_score": data["overall_score"], "readiness_band": data["band"]}
        case EventType.ADOPTION_SCORES_COMPUTED:
            scores = flattened(data)
            values = {"adoption_status": scores.pop("overall_adoption_status"), **scores}
        case EventType.EDITION_FIT_COMPUTED:
            edition = f"edition_{data['edition_key']}"
            values = {
                f"{edition}_fit_score": data["fit_score"],
                f"{edition}_fit_status": data["fit_status"],
            }
        case EventType.EXECUTIVE_REPORT_CREATED:
            values = {"health_score": data["overall_health_score"]}
        case _:
            values = {}
    return {TRAIT_PREFIX + name: value for name, value in values.items() if value is not None}
