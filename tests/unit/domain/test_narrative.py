"""The rules' narrative says what the ledger holds, in few words, and nothing else."""

import re

import msgspec
from hypothesis import given, settings

from shared.contracts.success import Overview, ReadinessBlock
from shared.contracts.words import ActionCode, Freshness
from shared.domain import pii
from shared.domain.ledger import FactName, Ledger, canonical, ledger_of
from shared.domain.narrative import HEADLINE_SIGNS, MOST_WORDS, Told, by_rules, tell
from shared.domain.narrative_checks import refusal
from shared.domain.narrative_words import NUMBER_WORDS
from tests.unit.domain.overviews import nothing, overviews, reference

NUMBER = re.compile(r"\d+(?:\.\d+)?")


def told_of(overview: Overview) -> Told:
    ledger = ledger_of(overview)
    return tell(by_rules(ledger), ledger)


def text_of(told: Told) -> str:
    return "\n".join([told.headline, *told.bullets, told.commentary, told.action_text or ""])


def numbers_of(ledger: Ledger) -> set[str]:
    """Every number of the ledger as it may be read, those inside labels included."""
    shown = {f"{value:.1f}".removesuffix(".0") for fact in ledger.facts for value in fact.numbers}
    labels = " ".join(word for fact in ledger.facts for word in fact.words)
    return shown | set(NUMBER.findall(labels))


@settings(max_examples=60, deadline=None)
@given(overviews())
def test_every_number_of_the_text_is_one_of_the_ledger(overview: Overview) -> None:
    ledger = ledger_of(overview)
    text = text_of(told_of(overview))

    assert set(NUMBER.findall(text)) <= numbers_of(ledger)


@settings(max_examples=60, deadline=None)
@given(overviews())
def test_the_text_is_short_has_one_action_of_the_risks_and_nothing_personal(
    overview: Overview,
) -> None:
    told = told_of(overview)

    assert told.words <= MOST_WORDS
    assert len(told.headline) <= HEADLINE_SIGNS
    assert 2 <= len(told.bullets) <= 4
    assert all([told.headline, *told.bullets, told.commentary])
    assert pii.find(text_of(told)) is None
    if overview.risks:
        assert told.action == overview.risks[0].action_code
    else:
        assert told.action is None


@settings(max_examples=60, deadline=None)
@given(overviews())
def test_the_same_ledger_gives_the_same_text(overview: Overview) -> None:
    again = msgspec.json.decode(msgspec.json.encode(overview), type=Overview)

    assert canonical(ledger_of(again)) == canonical(ledger_of(overview))
    assert told_of(again) == told_of(overview)


@settings(max_examples=60, deadline=None)
@given(overviews())
def test_the_rules_pass_every_check_that_a_model_must_pass(overview: Overview) -> None:
    ledger = ledger_of(overview)
    if ledger.is_worth_telling:
        assert refusal(by_rules(ledger), ledger) is None


@settings(max_examples=60, deadline=None)
@given(overviews())
def test_what_is_missing_is_said(overview: Overview) -> None:
    ledger = ledger_of(overview)
    cited = {
        fact.name
        for slot, fact in ledger.slots.items()
        if f"{{{slot}}}" in msgspec.json.encode(by_rules(ledger)).decode()
    }

    assert {fact.name for fact in ledger.facts} & {FactName.MISSING, FactName.STALE} <= cited


def test_the_reference_reads_as_a_person_would_tell_it() -> None:
    told = told_of(reference())

    assert told.headline == "Readiness climbed 6.2 points over 4 weeks to 72.4 points"
    assert told.bullets == [
        "Readiness is in the mature band, carried by Alerts (up 9 points).",
        "Adoption is down to 37 points, with 2 of 6 dimensions in regular use.",
        "The uplift work has 6 of 10 uplift tasks done, slowed by 2 blocked tasks.",
        "Edition fit is solid at 78 points for Guardian Pro.",
    ]
    assert told.commentary == (
        "The uplift plan moves again when somebody frees 2 blocked tasks. "
        "Nothing has been observed yet for lifecycle runs."
    )
    assert told.action is ActionCode.UNBLOCK_TASKS
    assert told.action_text == "Clear what blocks the uplift tasks."


def test_other_data_gives_visibly_other_words() -> None:
    fell = ReadinessBlock(
        status=Freshness.OK, age_days=1.0, overall_score=38.0, delta_4w=-12.0, delta_1w=-2.0
    )
    texts = [
        text_of(told_of(overview))
        for overview in (reference(), reference(readiness=fell), reference(risks=[]), nothing())
    ]

    without_numbers = {NUMBER.sub("#", text) for text in texts}
    assert len(without_numbers) == len(texts)
    assert "dropped 12 points" in texts[1]


def test_of_nothing_the_rules_say_that_there_is_nothing() -> None:
    told = told_of(nothing())

    assert told.headline == "The story has yet to begin"
    assert NUMBER.findall(text_of(told)) == []
    assert "Nothing has been observed yet for readiness" in told.bullets[0]
    assert told.action is None


@settings(max_examples=60, deadline=None)
@given(overviews())
def test_the_rules_own_words_hide_no_number(overview: Overview) -> None:
    draft = by_rules(ledger_of(overview))

    for text in [draft.headline, *draft.bullets, draft.commentary]:
        assert NUMBER_WORDS.search(text) is None
