"""What an event or a digest says in a room full of people: a title, facts or sentences.

Nothing here is a tenant's text: titles are generated, labels are the catalogue's.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from shared.contracts.payloads import (
    AdoptionData,
    CapabilitySummary,
    EditionFitData,
    ExecutiveReportData,
    LifecycleData,
    ReadinessData,
    TaskCounts,
    TestData,
    UpliftPlanData,
)
from shared.contracts.words import Dimension, EventType
from shared.domain.digest import read_digest
from shared.domain.formats.events import Event

LOWEST_SHOWN = 3

_DIMENSION_NAMES = {
    Dimension.CORE: "Core",
    Dimension.AI_INTELLIGENCE: "AI intelligence",
    Dimension.QA_CHAOS: "QA and chaos",
    Dimension.NETWORK_INTELLIGENCE: "Network intelligence",
    Dimension.GOVERNANCE: "Governance",
    Dimension.META: "Meta",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One event or digest in words.

    Attributes:
        title: a line of at most 150 characters.
        facts: at most ten pairs of a name and a value.
        when: the instant to the minute.
        paragraphs: whole sentences, told after the facts.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    when: str
    paragraphs: tuple[str, ...] = ()


def message(event: Event) -> Message:
    """Put `event` into words."""
    title, facts = _told(event)
    return Message(title, facts, _minute(event.timestamp))


def digest_message(body: bytes) -> Message:
    """Put the stored body of a digest into words.

    Raises:
        msgspec.ValidationError: the body is not one that `digest_body` made.
    """
    slot, told = read_digest(body)
    action = () if told.action_text is None else (f"Next: {told.action_text}",)
    return Message(
        f"Your week: {told.headline}",
        (),
        _minute(slot),
        (*(f"- {bullet}" for bullet in told.bullets), told.commentary, *action),
    )


def _told(event: Event) -> tuple[str, tuple[tuple[str, str], ...]]:
    data = event.data
    match data:
        case ReadinessData():
            title = f"Readiness {data.overall_score:g}, {_words(data.band)}"
            facts = (
                ("Capabilities", str(data.capability_count)),
                ("Lowest", _lowest(data.capabilities_summary)),
            )
        case UpliftPlanData():
            verb = "created" if event.type is EventType.UPLIFT_PLAN_CREATED else "updated"
            title = f"{data.plan_title} was {verb}"
            facts = (("Status", _words(data.plan_status)), *_progress(data.tasks))
        case EditionFitData():
            title = f"Edition fit {data.fit_score:g}, {_words(data.fit_status)}"
            facts = (("Edition", data.edition_label),)
        case ExecutiveReportData():
            health = data.overall_health_score
            title = data.report_title
            facts = (
                ("Period", f"{data.period_start} to {data.period_end}"),
                ("Health score", "not known" if health is None else f"{health:g}"),
            )
        case AdoptionData():
            title = f"Adoption is {_words(data.overall_adoption_status)}"
            facts = tuple(
                (_DIMENSION_NAMES[one.dimension], f"{one.score:g}, {_words(one.status)}")
                for one in data.dimensions
            )
        case LifecycleData():
            title = "A lifecycle run has ended"
            facts = (
                ("Compacted", str(data.total_compacted)),
                ("Deleted", str(data.total_deleted)),
                ("Operations that succeeded", str(data.operations_successful)),
                ("Operations that failed", str(data.operations_failed)),
            )
        case TestData():
            title, facts = "Guardian test", (("Message", data.message),)
        case _:
            assert_never(data)
    return title, facts


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _progress(tasks: TaskCounts) -> tuple[tuple[str, str], ...]:
    return (
        ("Done", f"{tasks.completed} of {tasks.total} ({tasks.completion_percentage} %)"),
        ("In progress", str(tasks.in_progress)),
        ("Blocked", str(tasks.blocked)),
    )


def _lowest(capabilities: list[CapabilitySummary]) -> str:
    lowest = sorted(capabilities, key=lambda one: (one.score, one.key))[:LOWEST_SHOWN]
    return ", ".join(f"{one.label} {one.score:g}" for one in lowest) or "none"


def _words(token: str) -> str:
    return token.replace("_", " ")
