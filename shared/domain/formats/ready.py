"""The templates Guardian brings along: the same few facts, in the shape each receiver reads.

Each fact has one name everywhere, `guardian_…`, so that what is set up in one tool is found again
in another. What must stand ready on the receiver's side is told in docs/formats.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.contracts.words import Dimension, EventType, ReadyTemplate
from shared.domain.formats.answers import ANY_SUCCESS, AcceptanceRule
from shared.domain.formats.template import NEEDED

Facts = dict[str, Any]

_NUMBERS: dict[EventType, Facts] = {
    EventType.READINESS_UPDATED: {
        "guardian_readiness_score": "$data.overall_score",
        "guardian_capability_count": "$data.capability_count",
    },
    EventType.UPLIFT_PLAN_CREATED: {
        "guardian_plan_tasks_total": "$data.tasks.total",
        "guardian_plan_tasks_done": "$data.tasks.completed",
        "guardian_plan_tasks_blocked": "$data.tasks.blocked",
        "guardian_plan_percentage": "$data.tasks.completion_percentage",
    },
    EventType.EDITION_FIT_COMPUTED: {"guardian_edition_fit_score": "$data.fit_score"},
    EventType.EXECUTIVE_REPORT_CREATED: {"guardian_health_score": "$data.overall_health_score"},
    EventType.ADOPTION_SCORES_COMPUTED: {
        f"guardian_adoption_{dimension}_score": f"$data.dimensions[{dimension}].score"
        for dimension in Dimension
    },
    EventType.META_LIFECYCLE_RUN_COMPLETED: {
        "guardian_lifecycle_compacted": "$data.total_compacted",
        "guardian_lifecycle_deleted": "$data.total_deleted",
        "guardian_lifecycle_failed": "$data.operations_failed",
    },
    EventType.TEST: {"guardian_test": 1},
}
_NUMBERS[EventType.UPLIFT_PLAN_UPDATED] = _NUMBERS[EventType.UPLIFT_PLAN_CREATED]

_WORDS: dict[EventType, Facts] = {
    EventType.READINESS_UPDATED: {"guardian_readiness_band": "$data.band"},
    EventType.UPLIFT_PLAN_CREATED: {"guardian_plan_status": "$data.plan_status"},
    EventType.EDITION_FIT_COMPUTED: {
        "guardian_edition": "$data.edition_key",
        "guardian_edition_fit_status": "$data.fit_status",
    },
    EventType.EXECUTIVE_REPORT_CREATED: {
        "guardian_report_from": "$data.period_start",
        "guardian_report_until": "$data.period_end",
    },
    EventType.ADOPTION_SCORES_COMPUTED: {
        "guardian_adoption_status": "$data.overall_adoption_status"
    },
    EventType.META_LIFECYCLE_RUN_COMPLETED: {},
    EventType.TEST: {},
}
_WORDS[EventType.UPLIFT_PLAN_UPDATED] = _WORDS[EventType.UPLIFT_PLAN_CREATED]


@dataclass(frozen=True, slots=True)
class Ready:
    """A template that needs nothing but the account.

    Attributes:
        bodies: one for each event type.
        rule: what the receiver answers when it has accepted.
    """

    bodies: dict[str, Any]
    rule: AcceptanceRule = ANY_SUCCESS


def _all_types(shape: Callable[[EventType], Any]) -> dict[str, Any]:
    return {str(event_type): shape(event_type) for event_type in EventType}


def _vitally(event_type: EventType) -> dict[str, Any]:
    return {
        "accountId": "$account",
        "messageId": "$id",
        "timestamp": "$timestamp",
        "traits": _NUMBERS[event_type] | _WORDS[event_type],
    }


def _planhat(event_type: EventType) -> list[dict[str, Any]]:
    place = {"externalId": "$account", "model": "Company", "date": "$timestamp"}
    return [
        # A metric without its value is no metric.
        {"dimensionId": name, "value": value + NEEDED if isinstance(value, str) else value, **place}
        for name, value in _NUMBERS[event_type].items()
    ]


def _hubspot(event_type: EventType) -> dict[str, Any]:
    properties = {
        **_NUMBERS[event_type],
        **_WORDS[event_type],
        "guardian_updated_at": "$timestamp",
    }
    company = {"id": "$account", "idProperty": "guardian_account", "properties": properties}
    return {"inputs": [company]}


def _gainsight(event_type: EventType) -> dict[str, Any]:
    facts = {
        "guardian_event_id": "$id",
        "guardian_account": "$account",
        "guardian_event": "$type",
        "guardian_occurred_at": "$timestamp",
    }
    facts |= _NUMBERS[event_type] | _WORDS[event_type]
    record = {f"{name}__gc": value for name, value in facts.items()}
    return {"records": [record]}


READY: dict[ReadyTemplate, Ready] = {
    ReadyTemplate.VITALLY: Ready(_all_types(_vitally)),
    ReadyTemplate.PLANHAT: Ready(_all_types(_planhat)),
    ReadyTemplate.HUBSPOT: Ready(_all_types(_hubspot), AcceptanceRule(status=200)),
    ReadyTemplate.GAINSIGHT: Ready(
        _all_types(_gainsight), AcceptanceRule(path=("result",), equals=True)
    ),
}
