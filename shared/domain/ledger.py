"""The ledger: everything a narrative may state, as named facts of one overview.

Pure and canonical: the same overview gives the same ledger, byte for byte. What only passes with
time, such as an age, is a fact but no part of the ledger's identity; so unchanged data costs no
second text.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from shared.contracts.success import (
    AdoptionBlock,
    Block,
    CapabilityItem,
    EditionsBlock,
    ExecutiveBlock,
    LifecycleBlock,
    Movement,
    Overview,
    ReadinessBlock,
    UpliftBlock,
)
from shared.contracts.words import ActionCode, AdoptionStatus, Dimension, Freshness, RiskCode, Trend
from shared.domain import pii
from shared.domain.trends import DEAD_BAND

SCHEMA_VERSION = 1
"""Of the ledger and of the answer; part of every cache key."""

LABEL_SIGNS = 40
LABEL_WORDS = 5


class FactName(StrEnum):
    """Everything that can be stated."""

    READINESS_SCORE = "readiness_score"
    READINESS_BAND = "readiness_band"
    READINESS_CHANGE = "readiness_change"
    CAPABILITY_WEAKEST = "capability_weakest"
    CAPABILITY_GAIN = "capability_gain"
    CAPABILITY_LOSS = "capability_loss"
    ADOPTION_SCORE = "adoption_score"
    ADOPTION_STATUS = "adoption_status"
    ADOPTION_CHANGE = "adoption_change"
    ADOPTION_BREADTH = "adoption_breadth"
    DIMENSION_STRONGEST = "dimension_strongest"
    DIMENSION_WEAKEST = "dimension_weakest"
    EDITION_FIT = "edition_fit"
    EDITION_CHANGE = "edition_change"
    UPLIFT_PLANS = "uplift_plans"
    UPLIFT_PROGRESS = "uplift_progress"
    UPLIFT_BLOCKED = "uplift_blocked"
    UPLIFT_OVERDUE = "uplift_overdue"
    UPLIFT_PACE = "uplift_pace"
    UPLIFT_IDLE = "uplift_idle"
    REPORT_COUNT = "report_count"
    REPORT_HEALTH = "report_health"
    RUN_SUCCESSES = "run_successes"
    RUN_FAILURES = "run_failures"
    STALE = "stale"
    MISSING = "missing"


class Level(StrEnum):
    """Where a value stands on its scale, where it stands clearly on one side."""

    HIGH = "high"
    LOW = "low"


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact.

    Attributes:
        name: what it is about.
        numbers: its values, to one decimal; units follow from the name.
        words: labels of the catalogue and tokens that belong to it.
        direction: which way it moved, where that is known.
        level: where it stands, where that is clear.
        age_days: how old the observation behind it is, in whole days.
        is_moving: whether its numbers change with time alone.
    """

    name: FactName
    numbers: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    direction: Trend | None = None
    level: Level | None = None
    age_days: int | None = None
    is_moving: bool = False


class Concern(msgspec.Struct, frozen=True, kw_only=True):
    """One of the tenant's risks and the action that answers it."""

    code: RiskCode
    action: ActionCode


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one tenant, in a fixed order, and its risks, most severe first."""

    facts: tuple[Fact, ...]
    concerns: tuple[Concern, ...]

    @property
    def slots(self) -> dict[str, Fact]:
        """The facts by the name under which a text cites them: `f1`, `f2` and so on."""
        return {f"f{number}": fact for number, fact in enumerate(self.facts, start=1)}

    @property
    def actions(self) -> list[ActionCode]:
        """What may be recommended, most urgent first."""
        return list(dict.fromkeys(concern.action for concern in self.concerns))

    @property
    def is_worth_telling(self) -> bool:
        """Whether there is more to say than that nothing is known."""
        return any(fact.name not in {FactName.STALE, FactName.MISSING} for fact in self.facts)


def ledger_of(overview: Overview) -> Ledger:
    """Write down what the overview holds; what it lacks stays out, except that it is missing."""
    facts = [
        *_readiness(overview.readiness),
        *_adoption(overview.adoption),
        *_editions(overview.editions),
        *_uplift(overview.uplift),
        *_reports(overview.executive),
        *_runs(overview.lifecycle),
        *_gaps(overview),
    ]
    concerns = [Concern(code=risk.code, action=risk.action_code) for risk in overview.risks]
    return Ledger(facts=tuple(facts), concerns=tuple(concerns))


def canonical(ledger: Ledger) -> bytes:
    """Encode the ledger in the one way there is."""
    return msgspec.json.encode(ledger, order="deterministic")


def decode(encoded: bytes | str) -> Ledger:
    """Read what `canonical` wrote.

    Raises:
        msgspec.ValidationError: it was written by another version.
    """
    return msgspec.json.decode(encoded, type=Ledger)


def identity(ledger: Ledger, *, instructions: str, model: str, effort: str) -> str:
    """Name what a model would be asked: the same name, the same question, so no second call.

    Args:
        ledger: whose moving numbers and ages do not count.
        instructions: the whole text that tells the model what to do.
        model: who would be asked.
        effort: how hard it would think; empty for its own default.

    Returns:
        A SHA-256 in hexadecimal.
    """
    still = msgspec.structs.replace(ledger, facts=tuple(_still(fact) for fact in ledger.facts))
    parts = (canonical(still), instructions.encode(), model.encode(), effort.encode())
    told = hashlib.sha256(b"%d" % SCHEMA_VERSION)
    for part in parts:
        told.update(hashlib.sha256(part).digest())
    return told.hexdigest()


def _readiness(block: ReadinessBlock) -> Iterator[Fact]:
    score = block.overall_score
    if score is None:
        return
    change = _change(FactName.READINESS_CHANGE, block)
    yield _level_fact(FactName.READINESS_SCORE, score, block, change)
    if block.band is not None:
        yield _aged(Fact(name=FactName.READINESS_BAND, words=(block.band,)), block)
    if change is not None:
        yield change
    weakest = min(block.capabilities, key=lambda one: (one.score, one.key), default=None)
    if weakest is not None:
        name = FactName.CAPABILITY_WEAKEST
        numbers = (_number(weakest.score),)
        words = (_name(weakest.label, weakest.key),)
        yield _aged(Fact(name=name, numbers=numbers, words=words, level=Level.LOW), block)
    yield from _capability_moves(block)


def _capability_moves(block: ReadinessBlock) -> Iterator[Fact]:
    gain, loss = block.largest_gain, block.largest_loss
    moves: list[tuple[FactName, CapabilityItem | None, Trend]] = [
        (FactName.CAPABILITY_GAIN, gain, Trend.UP),
        (FactName.CAPABILITY_LOSS, loss, Trend.DOWN),
    ]
    for name, item, direction in moves:
        if item is None or item.delta is None or abs(item.delta) < DEAD_BAND:
            continue
        if (item.delta > 0) is (direction is Trend.UP):
            numbers = (_number(abs(item.delta)),)
            words = (_name(item.label, item.key),)
            yield _aged(Fact(name=name, numbers=numbers, words=words, direction=direction), block)


def _adoption(block: AdoptionBlock) -> Iterator[Fact]:
    score = block.overall_score
    if score is None:
        return
    change = _change(FactName.ADOPTION_CHANGE, block)
    yield _level_fact(FactName.ADOPTION_SCORE, score, block, change)
    if block.overall_status is not AdoptionStatus.UNKNOWN:
        yield _aged(Fact(name=FactName.ADOPTION_STATUS, words=(block.overall_status,)), block)
    if change is not None:
        yield change
    if block.breadth is not None:
        reached = float(round(block.breadth * len(Dimension)))
        numbers = (reached, float(len(Dimension)))
        yield _aged(Fact(name=FactName.ADOPTION_BREADTH, numbers=numbers), block)
    ranked = sorted(block.dimensions, key=lambda one: (one.score, one.dimension))
    if not ranked:
        return
    ends = [(FactName.DIMENSION_WEAKEST, ranked[0], Level.LOW)]
    if ranked[-1].score > ranked[0].score:
        ends.insert(0, (FactName.DIMENSION_STRONGEST, ranked[-1], Level.HIGH))
    for name, item, level in ends:
        numbers, words = (_number(item.score),), (item.dimension,)
        yield _aged(Fact(name=name, numbers=numbers, words=words, level=level), block)


def _editions(block: EditionsBlock) -> Iterator[Fact]:
    main = next((item for item in block.items if item.key == block.main_key), None)
    if main is None:
        return
    change = _change(FactName.EDITION_CHANGE, block)
    fit = _level_fact(FactName.EDITION_FIT, main.fit_score, block, change)
    yield msgspec.structs.replace(fit, words=(_name(main.label, main.key),))
    if change is not None:
        yield change


def _uplift(block: UpliftBlock) -> Iterator[Fact]:
    counts = (
        (FactName.UPLIFT_PLANS, block.active_plans, None),
        (FactName.UPLIFT_BLOCKED, block.tasks_blocked, Level.LOW),
        (FactName.UPLIFT_OVERDUE, block.tasks_overdue, Level.LOW),
    )
    for name, count, level in counts:
        if count:
            yield _aged(Fact(name=name, numbers=(float(count),), level=level), block)
    if not block.tasks_total:
        return
    numbers = (float(block.tasks_done or 0), float(block.tasks_total))
    direction = None if block.trend is Trend.UNKNOWN else block.trend
    yield _aged(Fact(name=FactName.UPLIFT_PROGRESS, numbers=numbers, direction=direction), block)
    done, expected = block.completion_percentage, block.expected_percentage
    if done is not None and expected is not None and abs(done - expected) >= DEAD_BAND:
        pace = Fact(
            name=FactName.UPLIFT_PACE,
            numbers=(float(abs(done - expected)),),
            level=Level.HIGH if done > expected else Level.LOW,
            is_moving=True,
        )
        yield _aged(pace, block)
    if block.days_since_completion is not None:
        idle = (float(int(block.days_since_completion)),)
        yield _aged(Fact(name=FactName.UPLIFT_IDLE, numbers=idle, is_moving=True), block)


def _reports(block: ExecutiveBlock) -> Iterator[Fact]:
    if block.reports_last_90d:
        yield _aged(
            Fact(name=FactName.REPORT_COUNT, numbers=(float(block.reports_last_90d), 90.0)), block
        )
    if block.overall_health_score is not None:
        value = _number(block.overall_health_score)
        yield _aged(
            Fact(
                name=FactName.REPORT_HEALTH,
                numbers=(value,),
                direction=None if block.health_trend is Trend.UNKNOWN else block.health_trend,
                level=_level(value),
            ),
            block,
        )


def _runs(block: LifecycleBlock) -> Iterator[Fact]:
    counts = (
        (FactName.RUN_SUCCESSES, block.operations_successful, Level.HIGH),
        (FactName.RUN_FAILURES, block.operations_failed, Level.LOW),
    )
    for name, count, level in counts:
        if count:
            yield _aged(Fact(name=name, numbers=(float(count),), level=level), block)


def _gaps(overview: Overview) -> Iterator[Fact]:
    blocks: dict[str, Block] = {
        "readiness": overview.readiness,
        "adoption": overview.adoption,
        "editions": overview.editions,
        "uplift": overview.uplift,
        "executive": overview.executive,
        "lifecycle": overview.lifecycle,
    }
    stale = {name: block for name, block in blocks.items() if block.status is Freshness.STALE}
    if stale:
        ages = tuple(float(_days(block) or 0) for block in stale.values())
        yield Fact(name=FactName.STALE, words=tuple(stale), numbers=ages, is_moving=True)
    missing = [name for name, block in blocks.items() if block.status is Freshness.MISSING]
    if missing:
        yield Fact(name=FactName.MISSING, words=tuple(missing))


def _level_fact(name: FactName, value: float, block: Block, change: Fact | None) -> Fact:
    """Give a score the direction of the change told beside it, so the two never disagree."""
    shown = _number(value)
    direction = change.direction if change is not None else _quiet_direction(block)
    fact = Fact(name=name, numbers=(shown,), direction=direction, level=_level(shown))
    return _aged(fact, block)


def _change(name: FactName, block: Block) -> Fact | None:
    """The change over four weeks, else over one; None where neither is more than noise."""
    for delta, weeks in ((block.delta_4w, 4.0), (block.delta_1w, 1.0)):
        if delta is not None and abs(delta) >= DEAD_BAND:
            direction = Trend.UP if delta > 0 else Trend.DOWN
            numbers = (_number(abs(delta)), weeks)
            return _aged(Fact(name=name, numbers=numbers, direction=direction), block)
    return None


def _quiet_direction(block: Movement) -> Trend | None:
    if block.delta_4w is not None or block.delta_1w is not None:
        return Trend.FLAT
    return None if block.trend is Trend.UNKNOWN else block.trend


_HIGH_FROM = 60.0
_LOW_BELOW = 40.0


def _level(value: float) -> Level | None:
    if value >= _HIGH_FROM:
        return Level.HIGH
    return Level.LOW if value < _LOW_BELOW else None


def _aged(fact: Fact, block: Block) -> Fact:
    return msgspec.structs.replace(fact, age_days=_days(block))


def _days(block: Block) -> int | None:
    return None if block.age_days is None else int(block.age_days)


def _number(value: float) -> float:
    """To one decimal, as it will be read; a smaller difference is no difference."""
    return round(value, 1) + 0.0


def _still(fact: Fact) -> Fact:
    numbers = () if fact.is_moving else fact.numbers
    return msgspec.structs.replace(fact, numbers=numbers, age_days=None)


_UNFIT = re.compile(r"[{}<>\[\]*_`|\\@#~^$\n\r\t]")


def _name(label: str, key: str) -> str:
    """What to call a catalogue entry: its label, its key if the label is unfit, else nothing.

    Labels are free text of an operator, and a narrative may travel further than a label does.
    """
    for text in (label, re.sub(r"[._-]+", " ", key)):
        words = unicodedata.normalize("NFC", text).split()[:LABEL_WORDS]
        short = " ".join(words)[:LABEL_SIGNS].strip()
        if short and short.isprintable() and not _UNFIT.search(short) and pii.find(text) is None:
            return short
    return ""
