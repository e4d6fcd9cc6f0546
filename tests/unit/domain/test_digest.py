"""A digest holds the ledger's facts and nothing else, and says what the rules say of them."""

import re
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given

from shared.contracts.success import Overview
from shared.contracts.words import PayloadFormat
from shared.domain.digest import digest_body, read_digest
from shared.domain.formats.rendering import render_digest, shape_of
from shared.domain.ledger import Fact, FactName, Ledger, ledger_of
from shared.domain.narrative import by_rules, tell
from shared.errors import PayloadRefusedError
from tests.unit.domain.overviews import overviews, reference

SLOT = datetime(2026, 11, 23, 7, tzinfo=UTC)
CHATS = (PayloadFormat.SLACK, PayloadFormat.TEAMS)


def weakest(word: str) -> Fact:
    return Fact(name=FactName.CAPABILITY_WEAKEST, numbers=(3.0,), words=(word,))


def without_odd_labels(ledger: Ledger) -> Ledger:
    """The digest leaves them out; the narrative, which stays in the house, may say them."""
    facts = [
        msgspec.structs.replace(
            fact,
            words=tuple(
                word if re.fullmatch(r"[A-Za-z0-9 ()/&._-]{0,40}", word) else ""
                for word in fact.words
            ),
        )
        for fact in ledger.facts
    ]
    return msgspec.structs.replace(ledger, facts=tuple(facts))


@given(overviews())
def test_a_digest_says_what_the_narrative_says(overview: Overview) -> None:
    ledger = without_odd_labels(ledger_of(overview))

    slot, told = read_digest(digest_body(ledger, slot=SLOT))

    assert (slot, told) == (SLOT, tell(by_rules(ledger), ledger))


@pytest.mark.parametrize(
    "word", ["anna.berg@example.com", "Anna\nBerg", "x" * 41, "<b>", "K\u00fcche"]
)
def test_a_word_that_no_label_of_ours_could_be_is_left_out(word: str) -> None:
    body = digest_body(Ledger(facts=(weakest(word),), concerns=()), slot=SLOT)

    assert word.encode() not in body
    assert read_digest(body)[1].bullets


def test_a_word_that_looks_like_a_person_refuses_the_whole() -> None:
    with pytest.raises(PayloadRefusedError):
        digest_body(Ledger(facts=(weakest("4111 1111 1111 1111"),), concerns=()), slot=SLOT)


@pytest.mark.parametrize("chat", CHATS)
def test_every_sentence_reaches_the_chat(chat: PayloadFormat) -> None:
    ledger = ledger_of(reference())
    told = tell(by_rules(ledger), ledger)

    body = render_digest(shape_of(chat), digest_body(ledger, slot=SLOT)).decode()

    for text in (told.headline, *told.bullets, told.commentary, told.action_text):
        assert text
        assert msgspec.json.encode(text).decode().strip('"') in body


@pytest.mark.parametrize("machine", [one for one in PayloadFormat if one not in CHATS])
def test_a_machine_is_told_no_digest(machine: PayloadFormat) -> None:
    body = digest_body(ledger_of(reference()), slot=SLOT)

    with pytest.raises(ValueError, match="only chats"):
        render_digest(shape_of(machine), body)
