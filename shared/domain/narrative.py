"""The narrative in its two halves: a draft that cites facts, and the text that tells them.

A draft holds no number at all. Here the rules write theirs; a model writes its own elsewhere, and
both are told through `tell`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from shared.contracts.words import ActionCode, RiskCode, Trend
from shared.domain.ledger import Fact, FactName, Ledger, Level
from shared.domain.phrasing import ACTIONS, render

HEADLINE_SIGNS = 90
FEWEST_BULLETS = 2
MOST_BULLETS = 4
MOST_WORDS = 200
NO_ACTION = "none"


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words with slots in them, as the rules or a model write them; `action` may be `none`."""

    headline: str
    bullets: list[str]
    commentary: str
    action: str


@dataclass(frozen=True, slots=True)
class Told:
    """A draft with its facts filled in."""

    headline: str
    bullets: list[str]
    commentary: str
    action: ActionCode | None

    @property
    def action_text(self) -> str | None:
        """The action as a sentence."""
        return None if self.action is None else ACTIONS[self.action]

    @property
    def words(self) -> int:
        """How long it is, the action included."""
        parts = [self.headline, *self.bullets, self.commentary, self.action_text or ""]
        return sum(len(part.split()) for part in parts)


def tell(draft: Draft, ledger: Ledger) -> Told:
    """Fill in the facts.

    Raises:
        KeyError: the draft cites a fact that the ledger lacks.
        ValueError: its action is none of Guardian's.
    """
    slots = ledger.slots
    return Told(
        headline=render(draft.headline, slots),
        bullets=[render(bullet, slots) for bullet in draft.bullets],
        commentary=render(draft.commentary, slots),
        action=None if draft.action == NO_ACTION else ActionCode(draft.action),
    )


def by_rules(ledger: Ledger) -> Draft:
    """Write the tenant's story without a model: the same ledger, the same words."""
    cited = _Citations(ledger)
    bullets = [bullet for write in _BULLETS if (bullet := write(cited))][:MOST_BULLETS]
    for filler in _fillers(cited):
        if len(bullets) >= FEWEST_BULLETS:
            break
        bullets.append(filler)
    headline = next(line for write in _HEADLINES if (line := write(cited)))
    return Draft(
        headline=headline,
        bullets=bullets,
        commentary=" ".join(_commentary(cited, ledger, told=bullets)),
        action=ledger.actions[0] if ledger.actions else NO_ACTION,
    )


class _Citations:
    """The ledger's facts by name, and their slots."""

    def __init__(self, ledger: Ledger) -> None:
        self.facts: Mapping[FactName, Fact] = {fact.name: fact for fact in ledger.facts}
        self._slots = {fact.name: f"{{{slot}}}" for slot, fact in ledger.slots.items()}

    def __contains__(self, name: FactName) -> bool:
        return name in self.facts

    def __getitem__(self, name: FactName) -> str:
        return self._slots[name]

    def direction(self, name: FactName) -> Trend | None:
        """Which way a fact moved, where it is known at all."""
        return self.facts[name].direction if name in self.facts else None

    def level(self, name: FactName) -> Level | None:
        """On which side of its scale a fact stands."""
        return self.facts[name].level if name in self.facts else None


_Writer = Callable[[_Citations], str]

_MATERIAL = 5.0


def _headline_of_moving_readiness(cited: _Citations) -> str:
    if FactName.READINESS_CHANGE not in cited:
        return ""
    change, score = cited[FactName.READINESS_CHANGE], cited[FactName.READINESS_SCORE]
    is_material = cited.facts[FactName.READINESS_CHANGE].numbers[0] >= _MATERIAL
    if cited.direction(FactName.READINESS_CHANGE) is Trend.UP:
        verb = "climbed" if is_material else "edged up"
    else:
        verb = "dropped" if is_material else "slipped"
    return f"Readiness {verb} {change} to {score}"


def _headline_of_resting_readiness(cited: _Citations) -> str:
    if FactName.READINESS_SCORE not in cited:
        return ""
    score = cited[FactName.READINESS_SCORE]
    match cited.direction(FactName.READINESS_SCORE):
        case Trend.FLAT:
            return f"Readiness holds steady at {score}"
        case Trend.UP:
            return f"Rising readiness stands at {score}"
        case Trend.DOWN:
            return f"Falling readiness stands at {score}"
        case _:
            return f"Readiness enters the record at {score}"


def _headline_of_adoption(cited: _Citations) -> str:
    if FactName.ADOPTION_SCORE not in cited:
        return ""
    score = cited[FactName.ADOPTION_SCORE]
    if FactName.ADOPTION_CHANGE not in cited:
        return f"Adoption stands at {score}, and readiness is still to come"
    verb = "rose" if cited.direction(FactName.ADOPTION_CHANGE) is Trend.UP else "fell"
    return f"Adoption {verb} {cited[FactName.ADOPTION_CHANGE]} to {score}"


def _headline_of_uplift(cited: _Citations) -> str:
    if FactName.UPLIFT_PROGRESS not in cited:
        return ""
    return f"Uplift work has {cited[FactName.UPLIFT_PROGRESS]}"


def _headline_of_the_rest(cited: _Citations) -> str:
    if FactName.REPORT_COUNT in cited:
        return f"The record so far holds {cited[FactName.REPORT_COUNT]}"
    if any(name not in {FactName.STALE, FactName.MISSING} for name in cited.facts):
        return "The picture is only beginning to form"
    return "The story has yet to begin"


_HEADLINES: tuple[_Writer, ...] = (
    _headline_of_moving_readiness,
    _headline_of_resting_readiness,
    _headline_of_adoption,
    _headline_of_uplift,
    _headline_of_the_rest,
)


def _readiness_bullet(cited: _Citations) -> str:
    if FactName.READINESS_SCORE not in cited:
        return ""
    opening = f"Readiness stands at {cited[FactName.READINESS_SCORE]}"
    if FactName.READINESS_BAND in cited:
        opening = f"Readiness is in {cited[FactName.READINESS_BAND]}"
    if FactName.CAPABILITY_LOSS in cited:
        return f"{opening}; the capability to look into is {cited[FactName.CAPABILITY_LOSS]}."
    if FactName.CAPABILITY_GAIN in cited:
        return f"{opening}, carried by {cited[FactName.CAPABILITY_GAIN]}."
    if FactName.CAPABILITY_WEAKEST in cited:
        return f"{opening}; its weakest capability is {cited[FactName.CAPABILITY_WEAKEST]}."
    return f"{opening}."


def _adoption_bullet(cited: _Citations) -> str:
    if FactName.ADOPTION_SCORE not in cited:
        return ""
    score = cited[FactName.ADOPTION_SCORE]
    match cited.direction(FactName.ADOPTION_SCORE):
        case Trend.UP:
            opening = f"Adoption is up to {score}"
        case Trend.DOWN:
            opening = f"Adoption is down to {score}"
        case Trend.FLAT:
            opening = f"Adoption is steady at {score}"
        case _:
            opening = f"Adoption stands at {score}"
    if FactName.ADOPTION_BREADTH in cited:
        return f"{opening}, with {cited[FactName.ADOPTION_BREADTH]}."
    return f"{opening}."


def _uplift_bullet(cited: _Citations) -> str:
    if FactName.UPLIFT_PROGRESS not in cited:
        if FactName.UPLIFT_PLANS in cited:
            return f"Waiting to be filled with tasks: {cited[FactName.UPLIFT_PLANS]}."
        return ""
    told = f"The uplift work has {cited[FactName.UPLIFT_PROGRESS]}"
    for name, link in (
        (FactName.UPLIFT_BLOCKED, "slowed by"),
        (FactName.UPLIFT_OVERDUE, "though it carries"),
        (FactName.UPLIFT_PACE, "which puts it"),
    ):
        if name in cited:
            return f"{told}, {link} {cited[name]}."
    return f"{told}."


def _edition_bullet(cited: _Citations) -> str:
    if FactName.EDITION_FIT not in cited:
        return ""
    fit = cited[FactName.EDITION_FIT]
    if FactName.EDITION_CHANGE in cited:
        verb = "grew" if cited.direction(FactName.EDITION_CHANGE) is Trend.UP else "shrank"
        return f"Edition fit {verb} {cited[FactName.EDITION_CHANGE]} to {fit}."
    match cited.level(FactName.EDITION_FIT):
        case Level.HIGH:
            return f"Edition fit is solid at {fit}."
        case Level.LOW:
            return f"Edition fit is weak at {fit}."
        case _:
            return f"Edition fit stands at {fit}."


def _report_bullet(cited: _Citations) -> str:
    if FactName.REPORT_COUNT not in cited:
        return ""
    told = f"The record holds {cited[FactName.REPORT_COUNT]}"
    if FactName.REPORT_HEALTH in cited:
        return f"{told}, and the newest report puts health at {cited[FactName.REPORT_HEALTH]}."
    return f"{told}."


def _run_bullet(cited: _Citations) -> str:
    if FactName.RUN_FAILURES in cited:
        return f"The newest lifecycle run left {cited[FactName.RUN_FAILURES]}."
    if FactName.RUN_SUCCESSES in cited:
        return f"The newest lifecycle run went through with {cited[FactName.RUN_SUCCESSES]}."
    return ""


_BULLETS: tuple[_Writer, ...] = (
    _readiness_bullet,
    _adoption_bullet,
    _uplift_bullet,
    _edition_bullet,
    _report_bullet,
    _run_bullet,
)
"""In the order in which they matter; a text holds the leading four that have something to say."""


def _fillers(cited: _Citations) -> Iterator[str]:
    """What a thin record is filled up with: the gaps, and what would close them."""
    if FactName.MISSING in cited:
        yield f"Nothing has been observed yet for {cited[FactName.MISSING]}."
    if FactName.STALE in cited:
        yield f"The newest word on {cited[FactName.STALE]} has aged."
    yield "The next observations decide how the story goes on."
    yield "Each new observation adds to the picture."


_FOCUS: Mapping[RiskCode, tuple[FactName, str, str]] = {
    RiskCode.SCORE_LOW: (
        FactName.CAPABILITY_WEAKEST,
        "The place to begin is the weakest capability, {}.",
        "Readiness is what asks for attention before anything else.",
    ),
    RiskCode.SCORE_DROP_4W: (
        FactName.CAPABILITY_LOSS,
        "The capability that lost most ground is {}.",
        "What changed in readiness is worth a closer look.",
    ),
    RiskCode.ADOPTION_NARROW: (
        FactName.DIMENSION_WEAKEST,
        "There is room for adoption to broaden, most of all in {}.",
        "There is room for adoption to broaden.",
    ),
    RiskCode.PLAN_STALLED: (
        FactName.UPLIFT_IDLE,
        "The uplift plan has gone quiet: it has been {}.",
        "The uplift plan has gone quiet and waits to be resumed.",
    ),
    RiskCode.PLAN_BLOCKED: (
        FactName.UPLIFT_BLOCKED,
        "The uplift plan moves again when somebody frees {}.",
        "The uplift plan moves again when its obstacles are cleared.",
    ),
    RiskCode.EDITION_MISFIT: (
        FactName.EDITION_FIT,
        "Edition fit of {} invites the question whether the edition still suits.",
        "The main edition invites the question whether it still suits.",
    ),
    RiskCode.DATA_STALE: (
        FactName.STALE,
        "Read this with care, since it rests on older data: {}.",
        "Read this with care, since it rests on older data.",
    ),
    RiskCode.REPORT_MISSING: (
        FactName.REPORT_COUNT,
        "After {}, the next issue is due.",
        "Executive reporting is due for its next issue.",
    ),
}
"""For each risk: the fact that shows it, the sentence with that fact, the sentence without."""


def _commentary(cited: _Citations, ledger: Ledger, *, told: list[str]) -> Iterator[str]:
    """The one thing to look at, then what the text cannot know."""
    focus = ledger.concerns[0].code if ledger.concerns else None
    if focus is not None:
        name, with_fact, without = _FOCUS[focus]
        yield with_fact.format(cited[name]) if name in cited else without
    elif FactName.DIMENSION_STRONGEST in cited:
        yield f"The strongest dimension is {cited[FactName.DIMENSION_STRONGEST]}."
    elif ledger.is_worth_telling:
        yield "The signs ask for patience rather than for action."
    else:
        yield "Once a producer sends its observations, the story begins here."
    for name, sentence in (
        (FactName.STALE, "Older data underlies {}."),
        (FactName.MISSING, "Nothing has been observed yet for {}."),
    ):
        is_told = focus is RiskCode.DATA_STALE and name is FactName.STALE
        if name in cited and not is_told and cited[name] not in " ".join(told):
            yield sentence.format(cited[name])
