"""What a model may answer: every lie of the corpus is refused, every good answer is told."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.contracts.narrative import Flaw
from shared.domain.ledger import ledger_of
from shared.domain.narrative import Draft, tell
from shared.domain.narrative_checks import refusal
from shared.domain.phrasing import SLOT, phrase
from tests.unit.domain.overviews import reference


class Lie(msgspec.Struct, forbid_unknown_fields=True):
    """An answer that must not be told: what differs from the base, and how it should be caught."""

    says: str
    flaw: Flaw
    answer: dict[str, Any]


class Corpus(msgspec.Struct, forbid_unknown_fields=True):
    """Answers about the reference overview; `slots` says what its slots mean."""

    slots: dict[str, str]
    base: dict[str, Any]
    lies: list[Lie]
    good: list[Draft]


CORPUS = msgspec.json.decode(
    (Path(__file__).parent / "narrative_answers.json").read_bytes(), type=Corpus
)
LEDGER = ledger_of(reference())


def test_the_corpus_speaks_of_the_reference() -> None:
    slots = {slot: f"{fact.name}: {phrase(fact)}" for slot, fact in LEDGER.slots.items()}

    assert slots == CORPUS.slots


def test_the_corpus_is_large_enough() -> None:
    assert len({msgspec.json.encode(lie.answer) for lie in CORPUS.lies}) >= 40
    assert len({msgspec.json.encode(draft) for draft in CORPUS.good}) >= 20
    assert {lie.flaw for lie in CORPUS.lies} == set(Flaw)


@pytest.mark.parametrize("lie", CORPUS.lies, ids=lambda lie: lie.says)
def test_a_lie_is_refused_for_what_it_is(lie: Lie) -> None:
    draft = msgspec.convert({**CORPUS.base, **lie.answer}, Draft)

    refused = refusal(draft, LEDGER)
    assert refused is not None
    assert refused.flaw is lie.flaw


@pytest.mark.parametrize("draft", CORPUS.good, ids=lambda draft: draft.headline)
def test_a_good_answer_is_told(draft: Draft) -> None:
    assert refusal(draft, LEDGER) is None
    told = tell(draft, LEDGER)
    assert not any(SLOT.search(text) for text in [told.headline, *told.bullets, told.commentary])
