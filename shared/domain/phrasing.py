"""How each fact is put into words, and where in a sentence it may stand.

Guardian alone writes numbers: a text cites a fact by its slot, `{f1}`, and this module says what
the slot becomes. The rules and a model cite the same slots, so both read alike and neither can
misquote.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import NamedTuple

from shared.contracts.words import ActionCode
from shared.domain.ledger import Fact, FactName, Level

SLOT = re.compile(r"\{([^{}]*)\}")


class Kind(Enum):
    """What a slot's words are, which decides what may stand before it."""

    VALUE = auto()
    """A value on a scale: something stands at it, never moves by it."""
    CHANGE = auto()
    """How far something moved: up by it, never stands at it."""
    PHRASE = auto()
    """It names its own subject."""


class Topic(Enum):
    """What a clause is about; a slot may stand only among its own."""

    READINESS = frozenset({"readiness"})
    CAPABILITY = frozenset({"capability", "capabilities"})
    ADOPTION = frozenset({"adoption"})
    DIMENSION = frozenset({"dimension", "dimensions"})
    EDITION = frozenset({"edition", "editions", "fit", "fits"})
    UPLIFT = frozenset({"uplift", "plan", "plans", "task", "tasks"})
    REPORT = frozenset({"report", "reports", "reporting", "executive"})
    LIFECYCLE = frozenset({"lifecycle", "operation", "operations"})


class Form(NamedTuple):
    """How one kind of fact behaves in a sentence.

    Attributes:
        kind: what may stand before it.
        home: the topic it belongs to; its clause must name it unless the slot does so itself.
        kin: topics that may be named beside it.
        meaning: what a model is told about it.
    """

    kind: Kind
    home: Topic | None
    kin: frozenset[Topic]
    meaning: str


_SCORED = frozenset({Topic.READINESS, Topic.CAPABILITY})
_USED = frozenset({Topic.ADOPTION, Topic.DIMENSION})
_FITTED = frozenset({Topic.EDITION})
_PLANNED = frozenset({Topic.UPLIFT})
_REPORTED = frozenset({Topic.REPORT})
_RUN = frozenset({Topic.LIFECYCLE})

FORMS: Mapping[FactName, Form] = {
    FactName.READINESS_SCORE: Form(Kind.VALUE, Topic.READINESS, _SCORED, "readiness, its score"),
    FactName.READINESS_BAND: Form(Kind.VALUE, Topic.READINESS, _SCORED, "readiness, its band"),
    FactName.READINESS_CHANGE: Form(
        Kind.CHANGE, Topic.READINESS, _SCORED, "readiness, how far it moved"
    ),
    FactName.CAPABILITY_WEAKEST: Form(Kind.PHRASE, None, _SCORED, "the weakest capability"),
    FactName.CAPABILITY_GAIN: Form(Kind.PHRASE, None, _SCORED, "the capability that gained most"),
    FactName.CAPABILITY_LOSS: Form(Kind.PHRASE, None, _SCORED, "the capability that lost most"),
    FactName.ADOPTION_SCORE: Form(Kind.VALUE, Topic.ADOPTION, _USED, "adoption, its score"),
    FactName.ADOPTION_STATUS: Form(Kind.VALUE, Topic.ADOPTION, _USED, "adoption, how much use"),
    FactName.ADOPTION_CHANGE: Form(
        Kind.CHANGE, Topic.ADOPTION, _USED, "adoption, how far it moved"
    ),
    FactName.ADOPTION_BREADTH: Form(Kind.PHRASE, None, _USED, "how many dimensions are used"),
    FactName.DIMENSION_STRONGEST: Form(Kind.PHRASE, None, _USED, "the strongest dimension"),
    FactName.DIMENSION_WEAKEST: Form(Kind.PHRASE, None, _USED, "the weakest dimension"),
    FactName.EDITION_FIT: Form(Kind.VALUE, Topic.EDITION, _FITTED, "edition fit, its score"),
    FactName.EDITION_CHANGE: Form(
        Kind.CHANGE, Topic.EDITION, _FITTED, "edition fit, how far it moved"
    ),
    FactName.UPLIFT_PLANS: Form(Kind.PHRASE, None, _PLANNED, "uplift plans under way"),
    FactName.UPLIFT_PROGRESS: Form(Kind.PHRASE, None, _PLANNED, "uplift tasks that are done"),
    FactName.UPLIFT_BLOCKED: Form(Kind.PHRASE, None, _PLANNED, "uplift tasks that are blocked"),
    FactName.UPLIFT_OVERDUE: Form(Kind.PHRASE, None, _PLANNED, "uplift tasks past their date"),
    FactName.UPLIFT_PACE: Form(Kind.PHRASE, None, _PLANNED, "uplift against its dates"),
    FactName.UPLIFT_IDLE: Form(Kind.PHRASE, None, _PLANNED, "since an uplift task was done"),
    FactName.REPORT_COUNT: Form(Kind.PHRASE, None, _REPORTED, "executive reports"),
    FactName.REPORT_HEALTH: Form(
        Kind.VALUE, Topic.REPORT, _REPORTED, "health in the newest executive report"
    ),
    FactName.RUN_SUCCESSES: Form(Kind.PHRASE, None, _RUN, "lifecycle operations that succeeded"),
    FactName.RUN_FAILURES: Form(Kind.PHRASE, None, _RUN, "lifecycle operations that failed"),
    FactName.STALE: Form(Kind.PHRASE, None, frozenset(), "what has not been observed lately"),
    FactName.MISSING: Form(Kind.PHRASE, None, frozenset(), "what was never observed"),
}

_DOMAINS = {
    "readiness": "readiness",
    "adoption": "adoption",
    "editions": "edition fit",
    "uplift": "uplift plans",
    "executive": "executive reports",
    "lifecycle": "lifecycle runs",
}
_DIMENSIONS = {
    "core": "core use",
    "ai_intelligence": "AI intelligence",
    "qa_chaos": "QA and chaos drills",
    "network_intelligence": "network intelligence",
    "governance": "governance",
    "meta": "self-review",
}
_USE = {
    "inactive": "hardly any use",
    "light": "light use",
    "regular": "regular use",
    "power": "heavy use",
}

ACTIONS: Mapping[ActionCode, str] = {
    ActionCode.RAISE_WEAKEST_CAPABILITY: "Choose the next step for the weakest capability.",
    ActionCode.REVIEW_LARGEST_LOSS: "Look into the capability that lost the most.",
    ActionCode.ACTIVATE_NEXT_DIMENSION: "Bring the next dimension into regular use.",
    ActionCode.RESUME_PLAN: "Take up the uplift plan again with its nearest open task.",
    ActionCode.UNBLOCK_TASKS: "Clear what blocks the uplift tasks.",
    ActionCode.REVIEW_EDITION: "Review whether the main edition still suits the way of working.",
    ActionCode.CHECK_PRODUCER: "Check that the producer still sends its observations.",
    ActionCode.PUBLISH_REPORT: "Publish the next executive report.",
}


def phrase(fact: Fact) -> str:
    """Put one fact into words; they fit wherever the fact's form lets it stand."""
    return _PHRASES[fact.name](fact)


def render(text: str, slots: Mapping[str, Fact]) -> str:
    """Fill the slots of a checked text, and begin its sentences with a capital.

    Raises:
        KeyError: the text cites a fact that is not there.
    """
    filled = SLOT.sub(lambda match: phrase(slots[match[1]]), text).strip()
    return filled[:1].upper() + filled[1:]


def _points(fact: Fact) -> str:
    return _counted(fact, 0, "point")


def _counted(fact: Fact, at: int, noun: str) -> str:
    return f"{_shown(fact, at)} {noun}{'' if fact.numbers[at] == 1 else 's'}"


def _shown(fact: Fact, at: int) -> str:
    """One decimal where there is one to show."""
    value = fact.numbers[at]
    return str(int(value)) if value.is_integer() else f"{value:.1f}"


def _named(fact: Fact, otherwise: str) -> str:
    """The catalogue's word for it; a label that was unfit is empty."""
    return fact.words[0] or otherwise


def _change(fact: Fact) -> str:
    return f"{_points(fact)} over {_counted(fact, 1, 'week')}"


def _dimension(fact: Fact) -> str:
    return f"{_DIMENSIONS[fact.words[0]]} at {_points(fact)}"


def _pace(fact: Fact) -> str:
    return f"{_points(fact)} {'ahead of' if fact.level is Level.HIGH else 'behind'} its dates"


def _stale(fact: Fact) -> str:
    return _listed(
        [
            f"{_DOMAINS[name]} ({_counted(fact, at, 'day')} old)"
            for at, name in enumerate(fact.words)
        ]
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


_PHRASES: Mapping[FactName, Callable[[Fact], str]] = {
    FactName.READINESS_SCORE: _points,
    FactName.READINESS_BAND: lambda fact: f"the {fact.words[0].replace('_', '-')} band",
    FactName.READINESS_CHANGE: _change,
    FactName.CAPABILITY_WEAKEST: lambda fact: f"{_named(fact, 'a capability')} at {_points(fact)}",
    FactName.CAPABILITY_GAIN: lambda fact: f"{_named(fact, 'a capability')} (up {_points(fact)})",
    FactName.CAPABILITY_LOSS: lambda fact: f"{_named(fact, 'a capability')} (down {_points(fact)})",
    FactName.ADOPTION_SCORE: _points,
    FactName.ADOPTION_STATUS: lambda fact: _USE[fact.words[0]],
    FactName.ADOPTION_CHANGE: _change,
    FactName.ADOPTION_BREADTH: lambda fact: (
        f"{_shown(fact, 0)} of {_shown(fact, 1)} dimensions in regular use"
    ),
    FactName.DIMENSION_STRONGEST: _dimension,
    FactName.DIMENSION_WEAKEST: _dimension,
    FactName.EDITION_FIT: lambda fact: f"{_points(fact)} for {_named(fact, 'the main edition')}",
    FactName.EDITION_CHANGE: _change,
    FactName.UPLIFT_PLANS: lambda fact: _counted(fact, 0, "active uplift plan"),
    FactName.UPLIFT_PROGRESS: lambda fact: (
        f"{_shown(fact, 0)} of {_counted(fact, 1, 'uplift task')} done"
    ),
    FactName.UPLIFT_BLOCKED: lambda fact: _counted(fact, 0, "blocked task"),
    FactName.UPLIFT_OVERDUE: lambda fact: _counted(fact, 0, "overdue task"),
    FactName.UPLIFT_PACE: _pace,
    FactName.UPLIFT_IDLE: lambda fact: f"{_counted(fact, 0, 'day')} since a task was last done",
    FactName.REPORT_COUNT: lambda fact: (
        f"{_counted(fact, 0, 'executive report')} in {_counted(fact, 1, 'day')}"
    ),
    FactName.REPORT_HEALTH: _points,
    FactName.RUN_SUCCESSES: lambda fact: _counted(fact, 0, "successful operation"),
    FactName.RUN_FAILURES: lambda fact: _counted(fact, 0, "failed operation"),
    FactName.STALE: _stale,
    FactName.MISSING: lambda fact: _listed([_DOMAINS[name] for name in fact.words]),
}
