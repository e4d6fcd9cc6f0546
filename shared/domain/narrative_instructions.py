"""What a model is told and asked. No label and no tenant is in it: only our own words and numbers.

The instructions are part of every cache key, so a changed word here asks everybody anew.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.contracts.narrative import Flaw
from shared.domain.ledger import Fact, FactName, Ledger
from shared.domain.narrative import FEWEST_BULLETS, HEADLINE_SIGNS, MOST_BULLETS, NO_ACTION
from shared.domain.phrasing import FORMS, Kind, phrase

INSTRUCTIONS = f"""\
You write a short status text about how one tenant of a product stands, for the people who look
after it. You get facts, each with a slot. You never write a number, a label or a state yourself:
you write the slot, such as {{f1}}, and it is replaced by the words under "reads".

Write plain, friendly, sober English in sentence case. Dwell on one win or one opportunity. Suggest,
never order; promise nothing; explain nothing by causes you were not given.

Rules. A text that breaks one is thrown away:
- headline: at most {HEADLINE_SIGNS} characters once the slots are filled.
- bullets: {FEWEST_BULLETS} to {MOST_BULLETS} full sentences. commentary: one to three sentences.
- The whole has fewer than 120 words.
- Cite only slots that are given. Cite every slot under "must_cite" once.
- Name the subject of a slot in the same clause, before it: "Readiness stands at {{f1}}". One
  subject
  to a clause; begin a new clause for the next one, with a comma or "while".
- A slot of kind "value" follows "at", "to", "in", "of", "is" or "shows". A slot of kind "change"
  follows directly a word such as "climbed", "fell", "up", "down" or "by". A slot of kind "phrase"
  names its subject by itself.
- Add no unit, sign, "nearly", "over", "from" or "about" to a slot.
- Words of direction (rose, fell, steady, better) only in a clause that cites a fact whose "moved"
  says so; words of tone (strong, weak, good, low) only where "stands" says so; where a fact has
  neither, use neither.
- No digits, number words, fractions, percentages, dates or words for spans of time outside slots.
- No state words of your own: blocked, overdue, done, late, stale, missing, mature, light, regular.
- No "no" or "not" in a clause about a fact.
- No names, persons, roles, customers, money, targets, averages, comparisons with others.
- Capitals only at the start of a sentence, and never begin one with a name.
- Letters and plain punctuation only: no markup, links, slashes, quotation marks or symbols.
- action: one of the codes given, the one your text leads up to; do not spell it out in the text.
"""


def question_of(ledger: Ledger) -> str:
    """Write the facts down for the model, the same for the same ledger."""
    slots = ledger.slots
    asked = {
        "facts": {slot: _described(fact) for slot, fact in slots.items()},
        "must_cite": [
            slot for slot, fact in slots.items() if fact.name in {FactName.STALE, FactName.MISSING}
        ],
        "actions": [*ledger.actions, NO_ACTION],
    }
    return msgspec.json.encode(asked, order="deterministic").decode()


def schema_of(ledger: Ledger) -> dict[str, Any]:
    """Describe the answer as JSON Schema; the action can only be one of this tenant's."""
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "headline": text,
            "bullets": {"type": "array", "items": text},
            "commentary": text,
            "action": {"type": "string", "enum": [*ledger.actions, NO_ACTION]},
        },
        "required": ["headline", "bullets", "commentary", "action"],
        "additionalProperties": False,
    }


def objection(flaw: Flaw, part: str) -> str:
    """Tell the model once what was wrong with its answer."""
    return f"Refused: {flaw} in {part}. {_OBJECTIONS[flaw]} Write the whole answer again."


def _described(fact: Fact) -> dict[str, str]:
    form = FORMS[fact.name]
    is_labelled = fact.name in _LABELLED
    shown = msgspec.structs.replace(fact, words=("",)) if is_labelled else fact
    described = {"about": form.meaning, "kind": _KINDS[form.kind], "reads": phrase(shown)}
    if fact.direction is not None:
        described["moved"] = fact.direction
    if fact.level is not None:
        described["stands"] = fact.level
    return described


_LABELLED = {
    FactName.CAPABILITY_WEAKEST,
    FactName.CAPABILITY_GAIN,
    FactName.CAPABILITY_LOSS,
    FactName.EDITION_FIT,
}
_KINDS = {Kind.VALUE: "value", Kind.CHANGE: "change", Kind.PHRASE: "phrase"}

_OBJECTIONS: Mapping[Flaw, str] = {
    Flaw.SHAPE: "Give a headline, two to four bullets and a commentary, none of them empty.",
    Flaw.TOO_LONG: "Be shorter.",
    Flaw.UNKNOWN_ACTION: "The action must be one of the codes given.",
    Flaw.UNKNOWN_SLOT: "Cite only slots that were given.",
    Flaw.NO_FACT: "Cite facts.",
    Flaw.GAP_UNSAID: "Cite every slot under must_cite.",
    Flaw.CONTROL_CHARACTER: "Use letters and plain punctuation only.",
    Flaw.URL: "Write no links, domains or slashes.",
    Flaw.MARKUP: "Use letters and plain punctuation only.",
    Flaw.DIGIT: "Write no digits; cite slots.",
    Flaw.NUMBER_WORD: "Write no number words or fractions; cite slots.",
    Flaw.TIME_WORD: "Name no dates or spans of time.",
    Flaw.STATE_WORD: "Leave states to the slots.",
    Flaw.PERSON: "Name nobody, and use capitals only at the start of a sentence.",
    Flaw.PII: "Nothing that looks like personal data.",
    Flaw.INSTRUCTION: "Write about the facts only.",
    Flaw.PROMISE: "Promise and predict nothing.",
    Flaw.INVENTION: "Add no causes, comparisons, targets or subjects of your own.",
    Flaw.NEGATION: "Say what is, not what is not.",
    Flaw.UNIT_BESIDE_SLOT: "A slot brings its own unit and stands apart from other signs.",
    Flaw.QUALIFIED_SLOT: "The word before a slot changes what it says.",
    Flaw.WRONG_SUBJECT: "Name the slot's own subject, and no other, in its clause.",
    Flaw.WRONG_DIRECTION: "The words of direction must agree with the facts cited beside them.",
    Flaw.WRONG_TONE: "The words of tone must agree with the facts cited beside them.",
    Flaw.UNBACKED_CLAIM: "Cite a fact in the same clause for each direction and each judgement.",
}
