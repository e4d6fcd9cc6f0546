"""A dead endpoint is left alone, and found again when it lives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.delivery.breaker import Breaker, State


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock, failures_to_open=3, first_pause_s=30, longest_pause_s=100)


def _open(breaker: Breaker) -> None:
    for _ in range(3):
        assert breaker.admit()
        breaker.failed()


def test_a_few_failures_change_nothing(breaker: Breaker) -> None:
    breaker.failed()
    breaker.failed()

    assert breaker.state is State.CLOSED
    assert breaker.probe_due is None
    assert breaker.admit()


def test_a_success_between_failures_starts_the_count_again(breaker: Breaker) -> None:
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()

    assert breaker.state is State.CLOSED


def test_a_run_of_failures_opens_it_for_a_pause(breaker: Breaker, clock: Clock) -> None:
    _open(breaker)

    assert breaker.state is State.OPEN
    assert breaker.probe_due == clock.now + 30
    clock.now += 29.9
    assert not breaker.admit()


def test_after_the_pause_one_probe_goes_alone(breaker: Breaker, clock: Clock) -> None:
    _open(breaker)
    clock.now += 30

    assert breaker.admit()
    assert breaker.state is State.HALF_OPEN
    assert not breaker.admit()


def test_a_probe_that_succeeds_closes_it(breaker: Breaker, clock: Clock) -> None:
    _open(breaker)
    clock.now += 30
    breaker.admit()

    breaker.succeeded()

    assert breaker.state is State.CLOSED
    assert breaker.admit()
    assert breaker.admit()


def test_each_failed_probe_doubles_the_pause_up_to_the_longest(
    breaker: Breaker, clock: Clock
) -> None:
    _open(breaker)
    pauses: list[float] = []
    for _ in range(4):
        assert breaker.probe_due is not None
        pauses.append(breaker.probe_due - clock.now)
        clock.now = breaker.probe_due
        assert breaker.admit()
        breaker.failed()

    assert pauses == [30, 60, 100, 100]


def test_after_a_recovery_the_pauses_begin_small_again(breaker: Breaker, clock: Clock) -> None:
    _open(breaker)
    clock.now += 30
    breaker.admit()
    breaker.failed()
    breaker.succeeded()

    _open(breaker)

    assert breaker.probe_due == clock.now + 30


def test_late_failures_of_earlier_requests_do_not_lengthen_the_pause(
    breaker: Breaker, clock: Clock
) -> None:
    _open(breaker)
    due = breaker.probe_due
    clock.now += 10

    breaker.failed()

    assert breaker.probe_due == due


def test_a_late_success_of_an_earlier_request_closes_it(breaker: Breaker) -> None:
    _open(breaker)

    breaker.succeeded()

    assert breaker.state is State.CLOSED


def test_a_probe_that_was_never_sent_makes_room_for_another(breaker: Breaker, clock: Clock) -> None:
    _open(breaker)
    clock.now += 30
    breaker.admit()

    breaker.abandoned()

    assert breaker.admit()
    assert not breaker.admit()


def test_a_probe_that_never_reports_is_taken_for_lost(breaker: Breaker, clock: Clock) -> None:
    _open(breaker)
    clock.now += 30
    breaker.admit()
    clock.now += 30

    assert breaker.admit()


def test_giving_up_an_ordinary_request_changes_nothing(breaker: Breaker) -> None:
    breaker.abandoned()

    assert breaker.state is State.CLOSED


@given(
    events=st.lists(
        st.one_of(st.sampled_from(["admit", "succeeded", "failed", "abandoned"]), st.floats(0, 50))
    )
)
def test_whatever_happens_a_request_goes_through_within_the_longest_pause(
    events: list[str | float],
) -> None:
    clock = Clock()
    breaker = Breaker(clock, failures_to_open=3, first_pause_s=30, longest_pause_s=100)
    for event in events:
        if isinstance(event, str):
            getattr(breaker, event)()
        else:
            clock.now += event

    clock.now += 100

    assert breaker.admit()
