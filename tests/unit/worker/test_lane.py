"""The memory of one integration: order, cursor and pace."""

from datetime import timedelta
from uuid import UUID

import pytest

from shared.domain.uuid7 import Ids
from tests.conftest import Clock
from worker.delivery.lane import LARGEST_CAP, OVERLAP_MS, START, Lane
from worker.delivery.outcome import Delivered, Fault, Outcome, RetryAt
from worker.delivery.prepare import Destination, Due


@pytest.fixture
def lane(clock: Clock) -> Lane:
    return Lane(Ids(clock)(), monotonic=lambda: 0.0)


def _due(lane: Lane, clock: Clock, *, is_retry: bool = False) -> Due:
    one = Ids(clock)()
    return Due(
        integration_id=lane.integration_id,
        id=one,
        tenant_id=one,
        event_id=one,
        attempt_count=int(is_retry),
        is_retry=is_retry,
        replay_of=None,
        event_type="test",
        scope=None,
        body=b"",
    )


def _outcome(clock: Clock, *, duration_ms: int = 1, fault: Fault | None = None) -> Outcome:
    return Outcome(clock(), duration_ms, status_code=None if fault else 200, fault=fault)


def test_fresh_ones_go_before_retries_each_under_the_epoch_of_its_claim(
    lane: Lane, clock: Clock
) -> None:
    retry, fresh = _due(lane, clock, is_retry=True), _due(lane, clock)

    lane.take_in([], [retry], epoch=1, room=5)
    lane.take_in([fresh], [], epoch=2, room=5)

    assert lane.first() == (fresh, 2)
    assert lane.next() == (fresh, 2)
    assert lane.next() == (retry, 1)
    assert lane.busy == {fresh.id, retry.id}


def test_a_claim_reads_a_little_further_back_unless_it_works_off_a_backlog(
    lane: Lane, clock: Clock
) -> None:
    due = _due(lane, clock)
    assert lane.begin_claim() == START

    lane.take_in([due], [], epoch=1, room=1)
    assert lane.begin_claim() == due.id

    lane.take_in([], [], epoch=1, room=1)
    assert lane.begin_claim() == UUID(int=due.id.int - (OVERLAP_MS << 80))


def test_what_is_put_back_during_a_claim_is_not_stepped_over(lane: Lane, clock: Clock) -> None:
    early = _due(lane, clock)
    clock.advance(timedelta(minutes=1))
    late = _due(lane, clock)
    lane.take_in([early], [], epoch=1, room=5)

    lane.begin_claim()
    lane.forget_queue()
    lane.take_in([late], [], epoch=1, room=5)

    assert lane.cursor < early.id
    assert lane.busy == {late.id}


def test_slow_answers_widen_the_way_and_quick_ones_leave_it(lane: Lane, clock: Clock) -> None:
    for _ in range(50):
        lane.learn(_outcome(clock, duration_ms=1), Delivered())
    assert lane.cap == 8

    for _ in range(2000):
        lane.learn(_outcome(clock, duration_ms=200), Delivered())
    assert lane.cap == LARGEST_CAP


def test_silence_halves_the_way_down_to_one(lane: Lane, clock: Clock) -> None:
    caps: list[int] = []
    for _ in range(5):
        lane.learn(_outcome(clock, fault=Fault.TIMEOUT), RetryAt(clock(), "timeout"))
        caps.append(lane.cap)

    assert caps == [4, 2, 1, 1, 1]


def test_a_longer_rest_is_not_shortened_by_a_shorter_one(lane: Lane, clock: Clock) -> None:
    for seconds in (60, 10):
        until = clock() + timedelta(seconds=seconds)
        lane.learn(_outcome(clock), RetryAt(until, "http_429", slow_until=until))

    clock.advance(timedelta(seconds=59))
    assert lane.is_resting(clock())
    assert not lane.is_idle(clock())
    clock.advance(timedelta(seconds=1))
    assert not lane.is_resting(clock())


def test_a_deleted_integration_needs_no_rest(lane: Lane, clock: Clock) -> None:
    until = clock() + timedelta(seconds=60)
    lane.learn(_outcome(clock), RetryAt(until, "http_429", slow_until=until))
    lane.destination = Destination(
        integration_id=lane.integration_id,
        version=2,
        is_enabled=False,
        is_deleted=True,
        scopes=frozenset(),
        endpoint=None,
    )

    assert not lane.is_resting(clock())


def test_closing_sends_nothing_more_even_when_nothing_is_known(lane: Lane, clock: Clock) -> None:
    lane.take_in([_due(lane, clock)], [], epoch=1, room=5)

    lane.close()

    assert lane.queued == 0
    assert lane.destination is None
