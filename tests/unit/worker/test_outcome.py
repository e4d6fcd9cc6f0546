"""What an answer, or its absence, means for a delivery."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.delivery.outcome import (
    TRIES_BEFORE_A_CHAT_REJECTED,
    Again,
    Delivered,
    Discard,
    DiscardReason,
    Fault,
    Outcome,
    RetryAt,
    judge,
)

STARTED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ENDED = STARTED + timedelta(milliseconds=250)
COUNTED_FAULTS = [fault for fault in Fault if fault is not Fault.INTERNAL]


def _answer(status: int, *, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(STARTED, 250, status_code=status, retry_after=retry_after)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("attempt", [1, 10])
def test_2xx_is_delivered_on_any_attempt(status: int, attempt: int) -> None:
    assert judge(_answer(status), attempt_number=attempt, spread=0.5) == Delivered()


@pytest.mark.parametrize(
    "status", [301, 302, 304, 307, 401, 403, 404, 408, 425, 500, 501, 100, 999]
)
def test_any_other_status_is_tried_again_on_the_schedule(status: int) -> None:
    assert judge(_answer(status), attempt_number=1, spread=0.5) == RetryAt(
        ENDED + timedelta(seconds=5), f"http_{status}"
    )


@pytest.mark.parametrize("fault", COUNTED_FAULTS)
def test_a_fault_on_the_way_is_tried_again_on_the_schedule(fault: Fault) -> None:
    outcome = Outcome(STARTED, 250, fault=fault)

    assert judge(outcome, attempt_number=2, spread=0.5) == RetryAt(
        ENDED + timedelta(minutes=5), fault.value
    )


def test_a_2xx_that_never_ends_is_no_success() -> None:
    outcome = Outcome(STARTED, 250, status_code=200, fault=Fault.TOO_SLOW)

    assert judge(outcome, attempt_number=1, spread=0.5) == RetryAt(
        ENDED + timedelta(seconds=5), "too_slow"
    )


def test_410_is_goodbye_on_the_first_attempt() -> None:
    assert judge(_answer(410), attempt_number=1, spread=0.5) == Discard(
        DiscardReason.GONE, is_gone=True
    )


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_rejected_message_is_tried_three_times(status: int) -> None:
    assert isinstance(judge(_answer(status), attempt_number=1, spread=0.5), RetryAt)
    assert isinstance(judge(_answer(status), attempt_number=2, spread=0.5), RetryAt)
    assert judge(_answer(status), attempt_number=3, spread=0.5) == Discard(DiscardReason.REJECTED)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_chat_that_rejects_a_message_is_believed_at_once(status: int) -> None:
    verdict = judge(
        _answer(status),
        attempt_number=1,
        spread=0.5,
        tries_before_rejected=TRIES_BEFORE_A_CHAT_REJECTED,
    )

    assert verdict == Discard(DiscardReason.REJECTED)


def test_a_2xx_whose_body_refuses_the_message_is_like_a_rejected_one() -> None:
    refused = Outcome(STARTED, 250, status_code=200, is_refused=True)

    assert judge(refused, attempt_number=1, spread=0.5) == RetryAt(
        ENDED + timedelta(seconds=5), "not_accepted"
    )
    assert judge(refused, attempt_number=3, spread=0.5) == Discard(DiscardReason.REJECTED)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_receiver_slows_its_whole_endpoint_for_the_wait_of_the_schedule(
    status: int,
) -> None:
    in_five_seconds = ENDED + timedelta(seconds=5)

    assert judge(_answer(status), attempt_number=1, spread=0.5) == RetryAt(
        in_five_seconds, f"http_{status}", slow_until=in_five_seconds
    )


def test_one_old_delivery_slows_the_fresh_ones_for_five_minutes_at_the_most() -> None:
    assert judge(_answer(503), attempt_number=9, spread=0.5) == RetryAt(
        ENDED + timedelta(hours=24), "http_503", slow_until=ENDED + timedelta(minutes=5)
    )


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed_by_the_delivery_and_by_its_endpoint(status: int) -> None:
    outcome = _answer(status, retry_after=timedelta(hours=3))

    assert judge(outcome, attempt_number=1, spread=0.5) == RetryAt(
        ENDED + timedelta(hours=3), f"http_{status}", slow_until=ENDED + timedelta(hours=3)
    )


def test_retry_after_never_brings_a_delivery_forward() -> None:
    outcome = _answer(503, retry_after=timedelta(seconds=1))

    assert judge(outcome, attempt_number=4, spread=0.5) == RetryAt(
        ENDED + timedelta(hours=2), "http_503", slow_until=ENDED + timedelta(seconds=1)
    )


def test_retry_after_with_another_status_holds_back_that_delivery_alone() -> None:
    outcome = _answer(500, retry_after=timedelta(hours=1))

    assert judge(outcome, attempt_number=1, spread=0.5) == RetryAt(
        ENDED + timedelta(hours=1), "http_500"
    )


def test_the_tenth_failure_is_the_last() -> None:
    assert isinstance(judge(_answer(500), attempt_number=9, spread=0.5), RetryAt)
    assert judge(_answer(500), attempt_number=10, spread=0.5) == Discard(
        DiscardReason.ATTEMPTS_EXHAUSTED
    )


def test_the_last_attempt_still_slows_the_endpoint() -> None:
    assert judge(_answer(503), attempt_number=10, spread=0.5) == Discard(
        DiscardReason.ATTEMPTS_EXHAUSTED, slow_until=ENDED + timedelta(minutes=5)
    )


@pytest.mark.parametrize("attempt", [1, 9, 10])
def test_a_fault_of_ours_never_costs_an_attempt(attempt: int) -> None:
    outcome = Outcome(STARTED, 250, fault=Fault.INTERNAL)

    assert judge(outcome, attempt_number=attempt, spread=0.5) == Again(ENDED + timedelta(seconds=5))


def test_another_schedule_ends_elsewhere() -> None:
    once = [timedelta(seconds=1)]

    assert judge(_answer(500), attempt_number=1, spread=0.5, schedule=once) == RetryAt(
        ENDED + once[0], "http_500"
    )
    assert judge(_answer(500), attempt_number=2, spread=0.5, schedule=once) == Discard(
        DiscardReason.ATTEMPTS_EXHAUSTED
    )


@given(
    status=st.one_of(st.none(), st.integers(min_value=100, max_value=999)),
    fault=st.sampled_from(COUNTED_FAULTS),
    asked=st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(days=400))),
    spread=st.floats(0, 1),
)
def test_every_delivery_ends_within_ten_attempts_and_every_wait_within_29_hours(
    status: int | None, fault: Fault, asked: timedelta | None, spread: float
) -> None:
    for attempt in range(1, 11):
        outcome = Outcome(
            STARTED,
            250,
            status_code=status,
            fault=fault if status is None else None,
            retry_after=asked,
        )
        verdict = judge(outcome, attempt_number=attempt, spread=spread)
        if not isinstance(verdict, RetryAt):
            assert isinstance(verdict, Delivered | Discard)
            return
        assert ENDED < verdict.at <= ENDED + timedelta(hours=24) * 1.2
        assert verdict.slow_until is None or verdict.slow_until <= ENDED + timedelta(hours=24)
    pytest.fail("there was an eleventh attempt")
