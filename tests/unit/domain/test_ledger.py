"""The ledger is canonical, and time alone does not change what it is about."""

import msgspec
import pytest
from hypothesis import given, settings

from shared.contracts.success import Overview
from shared.contracts.words import Freshness, Trend
from shared.domain.ledger import FactName, canonical, decode, identity, ledger_of
from tests.unit.domain.overviews import capability, nothing, overviews, reference


def name_of(overview: Overview, **changed: str) -> str:
    asked = {"instructions": "Tell.", "model": "m", "effort": "", **changed}
    return identity(ledger_of(overview), **asked)


@settings(max_examples=60, deadline=None)
@given(overviews())
def test_a_ledger_survives_being_written_and_read(overview: Overview) -> None:
    ledger = ledger_of(overview)

    assert decode(canonical(ledger)) == ledger


@settings(max_examples=60, deadline=None)
@given(overviews())
def test_a_fact_is_told_once(overview: Overview) -> None:
    names = [fact.name for fact in ledger_of(overview).facts]

    assert len(names) == len(set(names))


def test_a_day_that_passes_without_data_changes_ages_and_not_the_identity() -> None:
    today = reference()
    uplift = msgspec.structs.replace(
        today.uplift, age_days=2.2, days_since_completion=10.5, expected_percentage=73
    )
    readiness = msgspec.structs.replace(today.readiness, age_days=2.2)
    tomorrow = reference(uplift=uplift, readiness=readiness)

    assert canonical(ledger_of(tomorrow)) != canonical(ledger_of(today))
    assert name_of(tomorrow) == name_of(today)


def test_a_score_that_moves_changes_the_identity() -> None:
    moved = msgspec.structs.replace(reference().readiness, overall_score=72.6)

    assert name_of(reference(readiness=moved)) != name_of(reference())


def test_a_difference_that_nobody_would_read_does_not_change_the_identity() -> None:
    moved = msgspec.structs.replace(reference().readiness, overall_score=72.41)

    assert name_of(reference(readiness=moved)) == name_of(reference())


@pytest.mark.parametrize(
    "changed", [{"instructions": "Tell more."}, {"model": "n"}, {"effort": "low"}]
)
def test_another_question_has_another_identity(changed: dict[str, str]) -> None:
    assert name_of(reference(), **changed) != name_of(reference())


def test_what_turns_stale_changes_the_identity() -> None:
    stale = msgspec.structs.replace(reference().adoption, status=Freshness.STALE)

    assert name_of(reference(adoption=stale)) != name_of(reference())


def test_the_score_goes_the_way_of_the_change_told_beside_it() -> None:
    readiness = msgspec.structs.replace(reference().readiness, trend=Trend.DOWN, delta_4w=8.0)
    facts = {fact.name: fact for fact in ledger_of(reference(readiness=readiness)).facts}

    assert facts[FactName.READINESS_SCORE].direction is Trend.UP
    assert facts[FactName.READINESS_CHANGE].direction is Trend.UP


def test_missing_is_never_nought() -> None:
    [gap] = ledger_of(nothing()).facts

    assert gap.name is FactName.MISSING
    assert gap.numbers == ()


@pytest.mark.parametrize(
    ("label", "named"),
    [
        ("Rule engine", "Rule engine"),
        ("jane.doe@example.com", "guardian core rules"),
        ("{f1} of it", "guardian core rules"),
        ("<script>", "guardian core rules"),
        ("one two three four five six seven", "one two three four five"),
    ],
)
def test_a_label_that_is_unfit_to_travel_gives_way_to_its_key(label: str, named: str) -> None:
    worst = capability("guardian.core.rules", label, 3.0)
    readiness = msgspec.structs.replace(reference().readiness, capabilities=[worst])
    facts = {fact.name: fact for fact in ledger_of(reference(readiness=readiness)).facts}

    assert facts[FactName.CAPABILITY_WEAKEST].words == (named,)
