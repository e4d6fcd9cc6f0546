"""Deliveries from the database to real receivers on this host."""

import asyncio
import os
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.contracts.words import EventType
from shared.data.connection import Row
from shared.domain.signing import new_secret
from shared.domain.uuid7 import uuid7
from tests.conftest import Clock
from tests.receiver import Answer, Receiver
from tests.unit.worker.conftest import AGENT, Builder, Made, engine, eventually
from worker.delivery.breaker import State
from worker.delivery.outcome import Fault, Outcome
from worker.delivery.prepare import Prepared
from worker.delivery.pump import UNSETTLED, woken
from worker.delivery.retry import SCHEDULE, lifetime


async def test_a_delivery_arrives_signed_and_is_settled(builder: Builder) -> None:
    async with Receiver() as receiver, engine(builder):
        made = await builder.integration(receiver.url, headers={"X-Env": "prod"})
        [delivery_id] = await builder.deliveries(made)

        [request] = await receiver.wait_for(1)
        await eventually(builder.is_settled)

    Webhook(made.secret).verify(request.body.decode(), request.headers)
    assert request.method == "POST"
    assert request.headers["user-agent"] == AGENT
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-env"] == "prod"
    [attempt] = await builder.attempts(delivery_id)
    assert attempt["status"] == "delivered"
    assert attempt["number"] == 1
    assert attempt["status_code"] == 200


async def test_a_wake_up_is_followed_at_once(builder: Builder) -> None:
    async with Receiver() as receiver, engine(builder, look_s=60) as running:
        await running.pump.is_ready.wait()
        made = await builder.integration(receiver.url)
        await builder.deliveries(made)
        running.wake_ups.wake(made)

        await receiver.wait_for(1, deadline_s=2)


async def test_a_lost_wake_up_is_found_by_looking(builder: Builder) -> None:
    async with Receiver() as receiver, engine(builder, look_s=0.2) as running:
        await running.pump.is_ready.wait()
        await builder.deliveries(await builder.integration(receiver.url))

        await receiver.wait_for(1, deadline_s=2)


async def test_an_empty_wake_up_asks_for_a_look(builder: Builder) -> None:
    async with Receiver() as receiver, engine(builder, look_s=60) as running:
        await running.pump.is_ready.wait()
        await builder.deliveries(await builder.integration(receiver.url))
        running.wake_ups.wake()

        await receiver.wait_for(1, deadline_s=2)


async def test_a_failure_is_tried_again_with_the_same_id_and_a_new_signature(
    builder: Builder, clock: Clock
) -> None:
    async with Receiver(500, 200) as receiver, engine(builder):
        made = await builder.integration(receiver.url)
        [delivery_id] = await builder.deliveries(made)
        await receiver.wait_for(1)
        await eventually(lambda: _is_failed(builder))
        [due] = await builder.due()
        wait = due["next_attempt_at"] - clock()
        assert timedelta(seconds=5) <= wait < timedelta(seconds=6)
        assert due["attempt_count"] == 1

        clock.advance(timedelta(seconds=6))
        first, second = await receiver.wait_for(2)
        await eventually(builder.is_settled)

    assert first.webhook_id == second.webhook_id
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 6
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert first.body == second.body
    failed, delivered = await builder.attempts(delivery_id)
    assert (failed["status"], failed["reason"], failed["error_class"]) == (
        "failed",
        "http_500",
        "http_500",
    )
    assert (delivered["status"], delivered["reason"], delivered["number"]) == ("delivered", None, 2)


async def _is_failed(builder: Builder) -> bool:
    return bool(await builder.owner.fetchval("SELECT bool_or(attempt_count = 1) FROM delivery_due"))


async def test_a_spent_schedule_ends_in_a_dead_letter(builder: Builder, clock: Clock) -> None:
    schedule = (timedelta(seconds=1),)
    async with Receiver(otherwise=500) as receiver, engine(builder, schedule=schedule):
        made = await builder.integration(receiver.url)
        [delivery_id] = await builder.deliveries(made)
        await eventually(lambda: _is_failed(builder))
        clock.advance(timedelta(seconds=2))
        await eventually(builder.is_settled)

    *_, last = await builder.attempts(delivery_id)
    assert (last["status"], last["reason"]) == ("discarded", "attempts_exhausted")


async def test_gone_disables_the_integration_and_parks_the_rest(builder: Builder) -> None:
    async with Receiver(410) as receiver, engine(builder, in_flight=1):
        made = await builder.integration(receiver.url)
        first, *_ = await builder.deliveries(made, count=3)
        await eventually(lambda: builder.attempts(first))

        row = await builder.owner.fetchrow("SELECT * FROM integration")
        assert row is not None
        assert (row["is_enabled"], row["disabled_reason"], row["version"]) == (False, "gone", 2)
        [attempt] = await builder.attempts(first)
        assert (attempt["status"], attempt["reason"]) == ("discarded", "gone")
        audit = await builder.owner.fetchrow("SELECT * FROM audit")
        assert audit is not None
        assert (audit["actor_kind"], audit["action"]) == ("worker", "integration.disable")
        assert audit["target_id"] == str(made.id)

    assert len(receiver.received) == 1
    assert len(await builder.due()) == 2


async def test_a_disabled_integration_keeps_its_deliveries_until_it_is_enabled(
    builder: Builder,
) -> None:
    async with Receiver() as receiver, engine(builder) as running:
        made = await builder.integration(receiver.url)
        other = await builder.integration(receiver.url)
        await builder.change(made, "is_enabled = false")
        [parked] = await builder.deliveries(made)
        running.wake_ups.wake(made)
        await builder.deliveries(other)
        await receiver.wait_for(1)
        await eventually(lambda: _is_only(builder, parked))
        assert len(receiver.received) == 1

        await builder.change(made, "is_enabled = true")
        await receiver.wait_for(2)
        await eventually(builder.is_settled)


async def _is_only(builder: Builder, delivery_id: UUID) -> bool:
    return [row["id"] for row in await builder.due()] == [delivery_id]


async def test_what_the_integration_no_longer_wants_is_discarded_without_a_request(
    builder: Builder,
) -> None:
    async with Receiver() as receiver, engine(builder):
        made = await builder.integration(receiver.url, scopes=["adoption"])
        [unwanted] = await builder.deliveries(made)
        await eventually(builder.is_settled)
        [test] = await builder.deliveries(made, type=EventType.TEST)
        await eventually(builder.is_settled)

    [attempt] = await builder.attempts(unwanted)
    assert (attempt["number"], attempt["status"]) == (0, "discarded")
    assert attempt["reason"] == "out_of_scope"
    assert attempt["error_class"] is None
    [attempt] = await builder.attempts(test)
    assert attempt["status"] == "delivered"
    assert len(receiver.received) == 1


async def test_narrowing_reaches_what_is_already_in_memory(builder: Builder) -> None:
    async with Receiver() as receiver, engine(builder, drain_s=0.1):
        receiver.is_hanging = True
        made = await builder.integration(receiver.url)
        await builder.deliveries(made, count=20)
        await receiver.wait_for(8)
        await builder.change(made, "scopes = '{adoption}'")
        await eventually(lambda: _discarded(builder, 12))

    assert len(receiver.received) == 8


async def _discarded(builder: Builder, count: int) -> bool:
    return len(await builder.attempts()) == count


async def test_deliveries_of_a_deleted_integration_are_discarded_whenever_they_were_due(
    builder: Builder,
) -> None:
    async with Receiver(otherwise=500) as receiver, engine(builder):
        made = await builder.integration(receiver.url)
        await builder.deliveries(made)
        await eventually(lambda: _is_failed(builder))
        await builder.change(
            made,
            "is_enabled = false, deleted_at = now(), sealed_config = NULL, sealed_secret = NULL",
        )
        await eventually(builder.is_settled)

    given_up, _ = await builder.attempts()
    assert (given_up["number"], given_up["reason"]) == (0, "integration_deleted")
    assert len(receiver.received) == 1


async def test_two_workers_never_deliver_the_same_row_twice(builder: Builder) -> None:
    async with Receiver() as receiver:
        made = [await builder.integration(receiver.url, shard=shard) for shard in range(0, 64, 4)]
        await builder.deliveries(*made, count=10)
        async with engine(builder, lease_s=3), engine(builder, lease_s=3) as second:
            await builder.deliveries(*made, count=10)
            await asyncio.wait_for(second.pump.is_ready.wait(), 10)
            await builder.deliveries(*made, count=12)
            await eventually(builder.is_settled)

    counts = Counter(
        (one.webhook_id, one.headers["webhook-signature"]) for one in receiver.received
    )
    assert len(counts) == len(receiver.received) == 16 * 32


async def test_a_hanging_receiver_delays_nobody_else(builder: Builder) -> None:
    async with (
        Receiver() as hanging,
        Receiver() as healthy,
        engine(builder, in_flight=16, drain_s=0.1),
    ):
        hanging.is_hanging = True
        await builder.deliveries(await builder.integration(hanging.url), count=50)
        await hanging.wait_for(8)

        await builder.deliveries(await builder.integration(healthy.url), count=50)
        await healthy.wait_for(50, deadline_s=3)

        assert len(hanging.received) == 8


async def test_many_hanging_receivers_leave_room_for_others(builder: Builder) -> None:
    async with (
        Receiver() as hanging,
        Receiver() as healthy,
        engine(builder, in_flight=32, drain_s=0.1),
    ):
        hanging.is_hanging = True
        made = [await builder.integration(hanging.url) for _ in range(12)]
        await builder.deliveries(*made, count=10)
        await hanging.wait_for(24)

        await builder.deliveries(await builder.integration(healthy.url), count=20)
        await healthy.wait_for(20, deadline_s=3)


async def test_fresh_deliveries_go_before_retries(builder: Builder, clock: Clock) -> None:
    async with Receiver(500, 500) as receiver:
        made = await builder.integration(receiver.url)
        async with engine(builder):
            old = await builder.deliveries(made, count=2)
            await receiver.wait_for(2)
            await eventually(lambda: _is_failed_twice(builder))
        clock.advance(timedelta(seconds=6))
        await builder.deliveries(made, count=2)
        async with engine(builder, in_flight=1):
            await eventually(builder.is_settled)

    order = [one.webhook_id for one in receiver.received]
    assert len(old) == 2
    assert set(order[:2]) == set(order[4:])


async def _is_failed_twice(builder: Builder) -> bool:
    return [row["attempt_count"] for row in await builder.due()] == [1, 1]


async def test_an_overloaded_receiver_is_left_alone_for_as_long_as_it_asks(
    builder: Builder, clock: Clock
) -> None:
    busy = Answer(429, headers={"retry-after": "60"})
    async with Receiver(busy) as receiver, engine(builder) as running:
        made = await builder.integration(receiver.url)
        await builder.deliveries(made)
        await eventually(lambda: _is_failed(builder))
        await builder.deliveries(made, count=3)
        running.wake_ups.wake(made)
        other = await builder.integration(receiver.url)
        await builder.deliveries(other)
        await receiver.wait_for(2)
        clock.advance(timedelta(seconds=59))
        await builder.deliveries(other)
        await receiver.wait_for(3)
        assert len(await builder.due()) >= 4

        clock.advance(timedelta(seconds=2))
        await receiver.wait_for(7)


async def test_a_dead_receiver_is_left_alone_after_a_run_of_failures(builder: Builder) -> None:
    async with Receiver(otherwise=500) as receiver, engine(builder):
        await builder.deliveries(await builder.integration(receiver.url), count=100)
        await eventually(lambda: _has_attempts(builder, 10))
        healthy = await builder.integration(receiver.url)
        await builder.deliveries(healthy)
        await eventually(lambda: _has_attempts_of(builder, healthy))

    # Those on their way when the tenth failed still count.
    assert 11 <= len(receiver.received) <= 20
    untouched = [row for row in await builder.due() if row["attempt_count"] == 0]
    assert len(untouched) >= 80


async def _has_attempts(builder: Builder, count: int) -> bool:
    return len(await builder.attempts()) >= count


async def _has_attempts_of(builder: Builder, made: Made) -> bool:
    return any(row["integration_id"] == made.id for row in await builder.attempts())


class Faulty:
    """A transport that fails in itself before it works."""

    def __init__(self, clock: Clock, *faults: Exception | Outcome) -> None:
        self.clock = clock
        self.faults = list(faults)
        self.sent = 0

    async def post(self, request: Prepared) -> Outcome:
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        self.sent += 1
        return Outcome(self.clock(), 1, status_code=200)

    async def aclose(self) -> None:
        """Nothing is open."""


async def test_a_fault_of_our_own_costs_no_attempt(builder: Builder, clock: Clock) -> None:
    transport = Faulty(
        clock, ValueError("a header is one line"), Outcome(clock(), 0, fault=Fault.INTERNAL)
    )
    async with engine(builder, transport=transport):
        [delivery_id] = await builder.deliveries(await builder.integration("http://127.0.0.1:9/"))
        await eventually(lambda: len(transport.faults) == 1)
        clock.advance(timedelta(seconds=10))
        await eventually(lambda: len(transport.faults) == 0)
        clock.advance(timedelta(seconds=10))
        await eventually(builder.is_settled)

    [attempt] = await builder.attempts(delivery_id)
    assert (attempt["number"], attempt["status"]) == (1, "delivered")


async def test_after_a_rotation_both_secrets_sign_until_the_old_one_ends(
    builder: Builder, clock: Clock
) -> None:
    old = new_secret(os.urandom(32))
    async with Receiver() as receiver, engine(builder):
        made = await builder.integration(
            receiver.url, previous_secret=old, previous_until=clock() + timedelta(minutes=1)
        )
        await builder.deliveries(made)
        [request] = await receiver.wait_for(1)
        for secret in (old, made.secret):
            Webhook(secret).verify(request.body.decode(), request.headers)

        clock.advance(timedelta(minutes=1))
        await builder.deliveries(made)
        _, request = await receiver.wait_for(2)
        Webhook(made.secret).verify(request.body.decode(), request.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(request.body.decode(), request.headers)


async def test_secrets_that_do_not_open_hold_only_their_integration_back(
    builder: Builder, caplog: pytest.LogCaptureFixture
) -> None:
    async with Receiver() as receiver, engine(builder):
        broken = await builder.integration(receiver.url)
        await builder.change(broken, "sealed_secret = 'v1.k1.AAAAAAAAAAAAAAAA.AAAA'")
        sound = await builder.integration(receiver.url)
        await builder.deliveries(broken, sound)
        await receiver.wait_for(1)
        await eventually(lambda: _has_attempts_of(builder, sound))
        [left] = await builder.due()

    assert left["integration_id"] == broken.id
    assert f"integration {broken.id} is held back" in caplog.text


async def test_an_outcome_that_cannot_be_written_holds_nothing_else_up_and_is_not_sent_again(
    builder: Builder, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    unwritable = Outcome(clock(), 1, status_code=500, excerpt="a \0 that PostgreSQL refuses")
    transport = Faulty(clock, unwritable)
    async with engine(builder, transport=transport):
        await builder.deliveries(await builder.integration("http://127.0.0.1:9/"), count=20)
        await eventually(lambda: _has_attempts(builder, 19))
        await builder.deliveries(await builder.integration("http://127.0.0.1:9/"))
        await eventually(lambda: _has_attempts(builder, 20))

    assert transport.sent == 20
    assert "cannot be settled" in caplog.text


async def test_a_backlog_is_worked_off_in_order(builder: Builder) -> None:
    async with Receiver() as receiver:
        made = await builder.integration(receiver.url)
        await builder.deliveries(made, count=700)
        async with engine(builder, in_flight=1):
            await eventually(builder.is_settled)

    order = [one.body for one in receiver.received]
    assert order == [b'{"type":"readiness_updated","data":{"n":%d}}' % n for n in range(700)]


async def test_a_delivery_that_became_visible_late_is_found(builder: Builder, clock: Clock) -> None:
    async with Receiver() as receiver, engine(builder):
        made = await builder.integration(receiver.url)
        late = uuid7(clock() - timedelta(seconds=5), os.urandom(10))
        [delivery_id] = await builder.deliveries(made)
        await receiver.wait_for(1)
        [later] = await builder.deliveries(made)
        await receiver.wait_for(2)
        event = await builder.owner.fetchval("SELECT id FROM event LIMIT 1")
        await builder.owner.execute(
            "INSERT INTO delivery_due (integration_id, id, tenant_id, event_id) "
            "VALUES ($1, $2, $3, $4)",
            made.id,
            late,
            made.tenant_id,
            event,
        )
        await receiver.wait_for(3)
        await eventually(builder.is_settled)

    assert late < delivery_id < later


async def test_stopping_lets_what_is_under_way_end(builder: Builder) -> None:
    async with Receiver(otherwise=Answer(after_s=0.3)) as receiver:
        made = await builder.integration(receiver.url)
        await builder.deliveries(made, count=30)
        async with engine(builder, look_s=0.02):
            await receiver.wait_for(8)
        assert receiver.open_requests == 0

    assert len(receiver.received) == 8
    assert len(await builder.attempts()) == 8
    assert len(await builder.due()) == 22
    assert await builder.owner.fetchval("SELECT count(owner) FROM shard_lease") == 0
    assert await builder.owner.fetchval("SELECT count(*) FROM worker_heartbeat") == 0


async def test_a_drain_that_takes_too_long_is_given_up(
    builder: Builder, caplog: pytest.LogCaptureFixture
) -> None:
    async with Receiver() as receiver:
        receiver.is_hanging = True
        await builder.deliveries(await builder.integration(receiver.url))
        async with engine(builder, drain_s=0.1):
            await receiver.wait_for(1)

    assert "given up after the drain: 1 requests" in caplog.text
    assert len(await builder.due()) == 1


async def test_shards_move_to_a_second_worker_and_back(builder: Builder) -> None:
    async with engine(builder, lease_s=3) as first:
        await eventually(lambda: len(first.leases.working_shards()) == 64)
        async with engine(builder, lease_s=3) as second:
            await eventually(lambda: len(second.leases.working_shards()) == 32)
            await eventually(lambda: len(first.leases.working_shards()) == 32)
        await eventually(lambda: len(first.leases.working_shards()) == 64)


@pytest.mark.parametrize("turns", range(4))
async def test_a_step_that_is_told_to_end_while_it_is_woken_ends(turns: int) -> None:
    event = asyncio.Event()
    step = asyncio.create_task(woken(event, 60))
    for _ in range(3):
        await asyncio.sleep(0)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)

    was_told = step.cancel()
    await asyncio.wait([step])

    assert step.cancelled() == was_told


async def test_a_dead_receiver_is_tried_for_75_hours_and_then_the_delivery_is_given_up(
    builder: Builder, clock: Clock
) -> None:
    transport = Faulty(clock, *(Outcome(clock(), 0, status_code=500) for _ in range(10)))
    began = clock()
    waits: list[timedelta] = []
    async with engine(builder, transport=transport, look_s=0.02):
        [delivery_id] = await builder.deliveries(await builder.integration("http://127.0.0.1:9/"))
        for number in range(1, 10):
            await eventually(lambda number=number: _is_tried(builder, number))
            [due] = await builder.due()
            waits.append(due["next_attempt_at"] - clock())
            clock.advance(waits[-1])
            transport.faults[0] = Outcome(clock(), 0, status_code=500)
        await eventually(builder.is_settled)

    assert waits == list(SCHEDULE)
    assert clock() - began == timedelta(hours=75, minutes=35, seconds=5)
    attempts = await builder.attempts(delivery_id)
    assert [row["number"] for row in attempts] == list(range(1, 11))
    assert {row["status"] for row in attempts[:-1]} == {"failed"}
    assert (attempts[-1]["status"], attempts[-1]["reason"]) == ("discarded", "attempts_exhausted")


async def _is_tried(builder: Builder, times: int) -> bool:
    return [row["attempt_count"] for row in await builder.due()] == [times]


async def test_what_waits_behind_a_dead_receiver_is_given_up_when_it_is_too_old(
    builder: Builder, clock: Clock
) -> None:
    async with Receiver(otherwise=500) as receiver, engine(builder) as running:
        made = await builder.integration(receiver.url)
        old = await builder.deliveries(made, count=60)
        await eventually(lambda: _has_attempts(builder, 10))
        clock.advance(lifetime() - timedelta(minutes=1))
        young = await builder.deliveries(made, count=5)
        await eventually(lambda: running.pump.breakers()[State.OPEN] == 1)
        assert await _given_up(builder) == []

        clock.advance(timedelta(minutes=2))
        await eventually(lambda: _is_gone(builder, old))
        left = {row["id"] for row in await builder.due()}

    assert left == set(young)
    given_up = await _given_up(builder)
    assert len(given_up) >= 40
    assert {row["number"] for row in given_up} == {0}


async def _given_up(builder: Builder) -> list[Row]:
    return [row for row in await builder.attempts() if row["reason"] == "expired"]


async def _is_gone(builder: Builder, ids: list[UUID]) -> bool:
    return not {row["id"] for row in await builder.due()} & set(ids)


async def test_nothing_is_given_up_for_having_waited_while_guardian_was_away(
    builder: Builder, clock: Clock
) -> None:
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made, count=30)
    clock.advance(timedelta(days=30))
    async with engine(builder, transport=Faulty(clock)):
        await eventually(builder.is_settled)

    assert {row["status"] for row in await builder.attempts()} == {"delivered"}


async def test_five_days_of_failure_end_with_a_disabled_integration(
    builder: Builder, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with Receiver(otherwise=500) as receiver, engine(builder) as running:
        told: list[str] = []
        running.pump.on_disabled.append(told.append)
        made = await builder.integration(receiver.url)
        await builder.deliveries(made, count=2)
        await eventually(lambda: _is_failed_twice(builder))
        clock.advance(timedelta(days=5, minutes=1))
        await eventually(lambda: bool(told))
        healthy = await builder.integration(receiver.url)
        await builder.deliveries(made, healthy)
        await eventually(lambda: _has_attempts_of(builder, healthy))

    assert told == ["failing"]
    assert f"integration {made.id} is disabled: failing" in caplog.text
    assert len(receiver.received) == 5
    assert [row["attempt_count"] for row in await builder.due() if not row["attempt_count"]] == [0]


async def test_a_third_worker_takes_its_share_while_deliveries_move(builder: Builder) -> None:
    async with Receiver(otherwise=Answer(after_s=0.01)) as receiver:
        made = [await builder.integration(receiver.url, shard=shard) for shard in range(0, 64, 4)]
        await builder.deliveries(*made, count=40)
        async with (
            engine(builder, lease_s=3) as first,
            engine(builder, lease_s=3) as second,
            engine(builder, lease_s=3) as third,
        ):
            await eventually(lambda: 18 <= len(third.leases.working_shards()) <= 22)
            for other in (first, second):
                await eventually(lambda other=other: len(other.leases.working_shards()) <= 22)
            await eventually(builder.is_settled, deadline_s=20)

    counts = Counter(
        (one.webhook_id, one.headers["webhook-signature"]) for one in receiver.received
    )
    assert len(counts) == len(receiver.received) == 16 * 40


async def test_what_a_crash_could_repeat_is_bounded_however_long_nothing_can_be_written(
    builder: Builder,
) -> None:
    in_flight, count = 64, 1500
    async with Receiver() as receiver:
        made = [await builder.integration(receiver.url) for _ in range(6)]
        await builder.deliveries(*made, count=count // 6)
        async with builder.owner.transaction():
            await builder.owner.execute("LOCK TABLE delivery_attempt IN ACCESS EXCLUSIVE MODE")
            # It ends as in a crash: nothing of what was sent is written down.
            async with engine(builder, in_flight=in_flight, drain_s=0) as running:
                await receiver.wait_for(UNSETTLED)
                await eventually(lambda: running.pump.in_flight == 0)
                sent = len(receiver.received)
                assert UNSETTLED <= sent <= UNSETTLED + in_flight
        async with engine(builder):
            await eventually(builder.is_settled, deadline_s=30)

    again = len(receiver.received) - count
    assert 0 < again <= sent
