"""Whether a draft may be told: every check that a model's words must pass.

A refused draft costs a fallback, an accepted lie costs trust, so each check leans towards refusing.
Words are checked before the slots are filled, since what stands in a slot is Guardian's own.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from shared.contracts.narrative import Flaw
from shared.contracts.words import Trend
from shared.domain import pii
from shared.domain.ledger import Fact, FactName, Ledger, Level
from shared.domain.narrative import (
    FEWEST_BULLETS,
    HEADLINE_SIGNS,
    MOST_BULLETS,
    MOST_WORDS,
    NO_ACTION,
    Draft,
    tell,
)
from shared.domain.narrative_words import (
    CAPITALISED,
    CLAIMS,
    NEGATIONS,
    POSSIBILITIES,
    QUALIFIERS,
    SUPERLATIVES,
    UNITS,
    VOCABULARY,
    Claim,
)
from shared.domain.phrasing import FORMS, SLOT, Kind, Topic, phrase


class Refusal(NamedTuple):
    """Why a draft may not be told, and which part of it: `headline`, `bullets[0]`, `commentary`."""

    flaw: Flaw
    part: str


def refusal(draft: Draft, ledger: Ledger) -> Refusal | None:
    """The first reason why `draft` may not be told of `ledger`, or None."""
    flaw = _shape(draft, ledger)
    if flaw is not None:
        return Refusal(flaw, "answer")
    slots = ledger.slots
    parts = dict(_parts(draft))
    for name, text in parts.items():
        flaw = _part(text, slots)
        if flaw is not None:
            return Refusal(flaw, name)
    flaw = _whole(" ".join(parts.values()), draft, ledger)
    return None if flaw is None else Refusal(flaw, "answer")


def _parts(draft: Draft) -> Iterator[tuple[str, str]]:
    yield "headline", draft.headline
    for at, bullet in enumerate(draft.bullets):
        yield f"bullets[{at}]", bullet
    yield "commentary", draft.commentary


_LONGEST_PART = 900


def _shape(draft: Draft, ledger: Ledger) -> Flaw | None:
    texts = [draft.headline, *draft.bullets, draft.commentary]
    if not FEWEST_BULLETS <= len(draft.bullets) <= MOST_BULLETS:
        return Flaw.SHAPE
    if not all(text.strip() for text in texts):
        return Flaw.SHAPE
    if any(len(text) > _LONGEST_PART for text in texts):
        return Flaw.TOO_LONG
    if draft.action not in {NO_ACTION, *ledger.actions}:
        return Flaw.UNKNOWN_ACTION
    return None


def _part(text: str, slots: Mapping[str, Fact]) -> Flaw | None:
    """Judge one part by itself, the plainest faults first."""
    words = SLOT.sub(" \N{REPLACEMENT CHARACTER} ", text)
    for flaw in (_signs(words), _known(text, slots), _vocabulary(words), _names(words)):
        if flaw is not None:
            return flaw
    for sentence in _SENTENCE.split(text):
        flaw = _sentence(sentence, slots)
        if flaw is not None:
            return flaw
    return None


def _whole(text: str, draft: Draft, ledger: Ledger) -> Flaw | None:
    """Judge what shows only when all is told."""
    slots = ledger.slots
    cited = {slots[match[1]].name for match in SLOT.finditer(text)}
    if not cited - {FactName.STALE, FactName.MISSING}:
        return Flaw.NO_FACT
    gaps = {fact.name for fact in ledger.facts} & {FactName.STALE, FactName.MISSING}
    if not gaps <= cited:
        return Flaw.GAP_UNSAID
    told = tell(draft, ledger)
    if len(told.headline) > HEADLINE_SIGNS or told.words > MOST_WORDS:
        return Flaw.TOO_LONG
    everything = "\n".join([told.headline, *told.bullets, told.commentary])
    return Flaw.PII if pii.find(everything) is not None else None


_SENTENCE = re.compile(r"(?<=[.!?])(?:\s+|$)|\n")
_CLAUSE = re.compile(
    r"[,;:()]|\s[-\u2013]\s|\u2014|\b(?:and|or|while|whilst|but|although|though|whereas|yet|as|with|so|"
    r"since|even|despite|after|before|when|where|if|unlike|amid)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"://|\bwww\.|[a-z]\.[a-z]|[a-z]/[a-z]", re.IGNORECASE)
_FILL = "\N{REPLACEMENT CHARACTER}"
_ALLOWED = re.compile(rf"[A-Za-z ,.;:!?'()\u2019\u2013\u2014{_FILL}-]*")
_CAPITAL = re.compile(r"\b[A-Z][A-Za-z'\u2019]*|\b[a-z]+[A-Z]\w*")


def _signs(words: str) -> Flaw | None:
    """An allow-list of characters: what is not plain English prose has no business here."""
    if any(unicodedata.category(sign) in {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"} for sign in words):
        return Flaw.CONTROL_CHARACTER
    if _LINK.search(words):
        return Flaw.URL
    if any(unicodedata.category(sign)[0] == "N" for sign in words):
        return Flaw.DIGIT
    if pii.find(words.replace(_FILL, "")) is not None:
        return Flaw.PII
    return None if _ALLOWED.fullmatch(words) else Flaw.MARKUP


def _known(text: str, slots: Mapping[str, Fact]) -> Flaw | None:
    return Flaw.UNKNOWN_SLOT if any(m[1] not in slots for m in SLOT.finditer(text)) else None


def _vocabulary(words: str) -> Flaw | None:
    plain = words.replace("\u2019", "'")
    return next((flaw for flaw, pattern in VOCABULARY if pattern.search(plain)), None)


def _names(words: str) -> Flaw | None:
    """A capital that no known word explains may begin a name, at the start of a sentence too."""
    for match in _CAPITAL.finditer(words):
        bare = re.split(r"['\u2019]", match[0])[0]
        if bare.lower() not in CAPITALISED or (bare[1:] != bare[1:].lower() and bare not in _SHORT):
            return Flaw.PERSON
    return None


_SHORT = {"AI", "QA"}


@dataclass(slots=True)
class _Clause:
    """A stretch of a sentence, what it cites and what it is about."""

    text: str
    cited: list[Fact]
    own: frozenset[Topic]
    about: frozenset[Topic]


def _sentence(sentence: str, slots: Mapping[str, Fact]) -> Flaw | None:
    clauses = _clauses(sentence, slots)
    for clause in clauses:
        flaw = _citations(clause, slots) or _claims(clause) or _negations(clause)
        if flaw is not None:
            return flaw
    return None


def _clauses(sentence: str, slots: Mapping[str, Fact]) -> list[_Clause]:
    """Cut a sentence; a clause that names no subject goes on about the one before it.

    What cites nothing and names nothing belongs to the clause before, whose facts its claims
    must then agree with; and a clause that cites nothing waits for the facts of the next one, where
    that goes on about the same or opens with a slot.
    """
    clauses: list[_Clause] = []
    for part in _CLAUSE.split(sentence):
        text = part
        if not text.strip():
            continue
        bare = SLOT.sub(" ", text).lower()
        named = set(re.findall(r"[a-z]+", bare))
        own = frozenset(topic for topic in Topic if topic.value & named)
        cited = [slots[match[1]] for match in SLOT.finditer(text)]
        if clauses and not own and not cited:
            clauses[-1].text += f", {text}"
            continue
        if clauses and not clauses[-1].cited and (not own or SLOT.match(text.lstrip())):
            # "Readiness is rising and stands at {f1}", "the weakest capability, {f4}".
            opening = clauses.pop()
            own, text = own | opening.own, f"{opening.text}, {text}"
        about = own or (clauses[-1].about if clauses else frozenset[Topic]())
        clauses.append(_Clause(text, cited, own, about))
    if len(clauses) > 1 and not clauses[0].about:
        clauses[0].about = clauses[1].about
    return clauses


def _citations(clause: _Clause, slots: Mapping[str, Fact]) -> Flaw | None:
    """Each slot stands among its own subject and in a place that leaves its number true."""
    for match in SLOT.finditer(clause.text):
        fact = slots[match[1]]
        form = FORMS[fact.name]
        if form.home is not None and form.home not in clause.about:
            return Flaw.WRONG_SUBJECT
        stated = clause.own if form.home is None else clause.about
        if not stated <= form.kin:
            return Flaw.WRONG_SUBJECT
        before, after = clause.text[: match.start()], clause.text[match.end() :]
        if re.search(r"[\w{}'\u2019-]$", before) or re.match(r"[\w{}'\u2019-]", after):
            return Flaw.UNIT_BESIDE_SLOT
        if UNITS.match(after.lstrip()) or SLOT.match(after.lstrip()):
            return Flaw.UNIT_BESIDE_SLOT
        if not _fits(fact, before):
            return Flaw.QUALIFIED_SLOT
    return None


_TAIL = re.compile(r"(?:[A-Za-z'\u2019]+\s+){0,3}$")
_BY = re.compile(r"\bby$", re.IGNORECASE)
_BY_OR_OF = re.compile(r"\b(?:of|by|another|further)$", re.IGNORECASE)


def _fits(fact: Fact, before: str) -> bool:
    """Whether the words before a slot leave what the slot says as it is."""
    tail = _TAIL.search(before)
    words = tail[0].strip() if tail else ""
    if QUALIFIERS.search(words) and phrase(fact)[0].isdigit():
        return False
    moves = any(
        match.end() == len(words)
        for claim in CLAIMS
        if isinstance(claim.stance, Trend)
        for match in claim.words.finditer(words)
    )
    match FORMS[fact.name].kind:
        case Kind.VALUE:
            return not moves and not _BY.search(words)
        case Kind.CHANGE:
            return moves or _BY_OR_OF.search(words) is not None
        case Kind.PHRASE:
            return True


def _claims(clause: _Clause) -> Flaw | None:
    """A word of direction or tone needs a cited fact that says so, and none that says otherwise."""
    words = POSSIBILITIES.sub(" ", SLOT.sub(" ", clause.text))
    if SUPERLATIVES.search(words) and not any(fact.name in _RANKED for fact in clause.cited):
        return Flaw.INVENTION
    for claim in CLAIMS:
        if not claim.words.search(words):
            continue
        if not clause.cited:
            return Flaw.UNBACKED_CLAIM
        if not _is_backed(claim, clause.cited):
            return claim.flaw
    has_change = any(FORMS[fact.name].kind is Kind.CHANGE for fact in clause.cited)
    if has_change and not any(
        claim.words.search(words) for claim in CLAIMS if isinstance(claim.stance, Trend)
    ):
        return Flaw.WRONG_DIRECTION
    return None


_RANKED = {
    FactName.CAPABILITY_WEAKEST,
    FactName.CAPABILITY_GAIN,
    FactName.CAPABILITY_LOSS,
    FactName.DIMENSION_STRONGEST,
    FactName.DIMENSION_WEAKEST,
}


def _is_backed(claim: Claim, cited: list[Fact]) -> bool:
    stances: list[Trend | Level | None] = [
        fact.direction if isinstance(claim.stance, Trend) else fact.level for fact in cited
    ]
    known = {stance for stance in stances if stance is not None}
    return known == {claim.stance}


def _negations(clause: _Clause) -> Flaw | None:
    """A denial beside a fact turns it round."""
    words = SLOT.sub(" ", clause.text).replace("\u2019", "'")
    gaps = {FactName.STALE, FactName.MISSING}
    is_about_facts = bool(clause.own) or any(fact.name not in gaps for fact in clause.cited)
    return Flaw.NEGATION if is_about_facts and NEGATIONS.search(words) else None
