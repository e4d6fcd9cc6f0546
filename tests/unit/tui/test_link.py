"""The link's word is never better than the truth."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.client import UnreachableError
from shared.errors import (
    ForbiddenError,
    GuardianError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
    UnavailableError,
)
from tui.link import BACK_OFF_S, SLOWED_S, Link

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def a_link() -> Link:
    return Link(interval_s=5.0, dice=lambda: 0.5)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_nothing_looks_connected_before_the_first_answer() -> None:
    assert a_link().word(NOON).text == "… connecting"


def test_while_all_is_well_it_says_how_often_it_asks() -> None:
    link = a_link()

    assert link.answered(NOON) == 5.0
    assert link.word(after(1)).text == "◐ polling 5 s"
    assert not link.is_stale(after(1))


def test_three_intervals_without_an_answer_are_stale() -> None:
    link = a_link()
    link.answered(NOON)

    assert link.word(after(16)).text == "▲ stale 16 s"
    assert link.is_stale(after(16))


def test_offline_counts_down_to_the_next_try_and_waits_longer_each_time() -> None:
    link = a_link()
    link.answered(NOON)
    waits = [link.failed(UnreachableError(), NOON) for _ in range(8)]

    assert waits == [1.0, 2.0, *[4.0] * 6]
    assert link.word(after(1)).text == "✗ offline, retry in 3 s"
    assert link.is_stale(NOON)


def test_the_next_good_answer_ends_the_back_off() -> None:
    link = a_link()
    link.failed(UnreachableError(), NOON)
    link.answered(after(1))

    assert link.word(after(2)).text == "◐ polling 5 s"
    assert link.failed(UnreachableError(), after(3)) == BACK_OFF_S[0]


def test_told_of_changes_it_is_live_and_silence_is_no_staleness() -> None:
    link = a_link()
    link.answered(NOON)
    link.is_told = True

    assert link.word(after(40)).text == "● live"
    assert not link.is_stale(after(40))
    link.failed(UnreachableError(), after(41))
    assert link.word(after(41)).text == "✗ offline, retry in 1 s"


def test_retries_are_spread() -> None:
    low, high = Link(5.0, lambda: 0.0), Link(5.0, lambda: 1.0)

    assert low.failed(UnreachableError(), NOON) == pytest.approx(0.8)
    assert high.failed(UnreachableError(), NOON) == pytest.approx(1.2)


@pytest.mark.parametrize("error", [GuardianError("500"), UnavailableError(), RateLimitedError()])
def test_a_server_in_trouble_makes_stale_not_offline(error: GuardianError) -> None:
    link = a_link()
    link.answered(NOON)
    link.failed(error, after(2))

    assert link.word(after(42)).text == "▲ stale 42 s"


def test_a_server_in_trouble_from_the_start_gave_no_data_yet() -> None:
    link = a_link()
    link.failed(UnavailableError(), NOON)

    assert link.word(NOON).text == "▲ no data yet"


def test_slowed_down_by_the_server_it_slows_down() -> None:
    assert a_link().failed(RateLimitedError(), NOON) == SLOWED_S


def test_a_refused_key_is_signed_out_and_not_hammered() -> None:
    link = a_link()

    assert link.failed(UnauthenticatedError(), NOON) == SLOWED_S
    assert link.word(NOON).text == "⊘ signed out"


@pytest.mark.parametrize("error", [ForbiddenError(), NotFoundError()])
def test_a_refusal_of_one_question_is_no_trouble_of_the_link(error: GuardianError) -> None:
    link = a_link()
    link.failed(error, NOON)

    assert link.word(NOON).text == "◐ polling 5 s"
