"""What an integration may ask for: its order, its rate, its own schedule."""

import asyncio
from datetime import timedelta
from pathlib import Path

from shared.contracts.words import EventType
from tests.conftest import Clock
from tests.receiver import Answer, Receiver
from tests.unit.worker.conftest import Builder, Made, engine, eventually, make_leases
from worker.delivery.leases import shard_of
from worker.delivery.outcome import Outcome
from worker.delivery.prepare import Prepared


async def _ordered(builder: Builder, receiver: Receiver) -> Made:
    made = await builder.integration(receiver.url)
    await builder.change(made, "is_ordered = true")
    return made


def _numbers(receiver: Receiver) -> list[int]:
    return [int(one.body.rpartition(b":")[2].rstrip(b"}")) for one in receiver.received]


async def _is_tried(builder: Builder) -> bool:
    return any(row["attempt_count"] for row in await builder.due())


async def test_where_order_counts_one_goes_after_the_other(builder: Builder) -> None:
    async with Receiver(otherwise=Answer(after_s=0.002)) as receiver, engine(builder):
        made = await _ordered(builder, receiver)
        await builder.deliveries(made, count=80)
        await receiver.wait_for(10)
        assert receiver.open_requests <= 1
        await eventually(builder.is_settled)

    assert _numbers(receiver) == list(range(80))


async def test_a_failed_head_holds_the_rest_back_until_it_is_delivered(
    builder: Builder, clock: Clock
) -> None:
    async with (
        Receiver(200, 500, 500, otherwise=200) as receiver,
        Receiver() as healthy,
        engine(builder) as running,
    ):
        made = await _ordered(builder, receiver)
        await builder.deliveries(made, count=5)
        await eventually(lambda: _is_tried(builder))
        other = await builder.integration(healthy.url)
        running.wake_ups.wake(made)
        await builder.deliveries(other, count=3)
        await healthy.wait_for(3)
        assert _numbers(receiver) == [0, 1]
        clock.advance(timedelta(seconds=6))
        await receiver.wait_for(3)
        clock.advance(timedelta(minutes=6))
        await eventually(builder.is_settled)

    assert _numbers(receiver) == [0, 1, 1, 1, 2, 3, 4]


async def test_a_head_that_is_given_up_lets_the_rest_go(builder: Builder) -> None:
    async with Receiver(500, otherwise=200) as receiver, engine(builder):
        made = await _ordered(builder, receiver)
        await builder.change(made, "retry_waits_s = '{}'")
        await builder.deliveries(made, count=3)
        await eventually(builder.is_settled)

    assert _numbers(receiver) == [0, 1, 2]
    first, *_ = await builder.attempts()
    assert (first["status"], first["reason"]) == ("discarded", "attempts_exhausted")


async def test_what_is_replayed_keeps_its_order_among_what_is_new(builder: Builder) -> None:
    async with Receiver() as receiver:
        made = await _ordered(builder, receiver)
        ids = await builder.deliveries(made, count=30)
        await builder.owner.execute(
            "UPDATE delivery_due SET next_attempt_at = $1 WHERE id = ANY ($2)",
            builder.clock() - timedelta(seconds=1),
            ids[5:25],
        )
        async with engine(builder):
            await eventually(builder.is_settled)

    assert _numbers(receiver) == list(range(30))


async def test_order_is_kept_from_worker_to_worker(builder: Builder) -> None:
    async with Receiver(otherwise=Answer(after_s=0.005)) as receiver:
        made = await _ordered(builder, receiver)
        await builder.deliveries(made, count=60)
        for share in (10, 30):
            async with engine(builder, drain_s=0, lease_s=1):
                await receiver.wait_for(share)
        async with engine(builder):
            await eventually(builder.is_settled)

    numbers = _numbers(receiver)
    assert sorted(set(numbers)) == list(range(60))
    # One that was under way when its worker ended may come twice, but never after a later one.
    assert numbers == sorted(numbers)
    assert len(numbers) <= 62


async def test_order_asked_for_while_a_backlog_moves_holds_from_then_on(builder: Builder) -> None:
    async with Receiver(otherwise=Answer(after_s=0.01)) as receiver, engine(builder):
        made = await builder.integration(receiver.url)
        await builder.deliveries(made, count=200)
        await receiver.wait_for(20)
        await builder.change(made, "is_ordered = true")
        await eventually(builder.is_settled)

    assert sorted(_numbers(receiver)) == list(range(200))
    assert _numbers(receiver)[-50:] == list(range(150, 200))


async def test_a_rate_is_kept_and_delays_nobody_else(builder: Builder) -> None:
    loop = asyncio.get_running_loop()
    async with Receiver() as slow, Receiver() as fast, engine(builder) as running:
        await running.pump.is_ready.wait()
        made = await builder.integration(slow.url)
        await builder.change(made, "rate_per_second = 20")
        other = await builder.integration(fast.url)
        began = loop.time()
        await builder.deliveries(made, other, count=15)
        await fast.wait_for(15, deadline_s=5)
        await slow.wait_for(15, deadline_s=5)
        took = loop.time() - began

    assert took >= 14 / 20
    gaps = [
        (later.at - earlier.at).total_seconds()
        for earlier, later in zip(slow.received, slow.received[1:], strict=False)
    ]
    assert sum(gaps) / len(gaps) >= 1 / 20 * 0.95


async def test_a_schedule_of_its_own_is_followed(builder: Builder, clock: Clock) -> None:
    async with Receiver(otherwise=500) as receiver, engine(builder):
        made = await builder.integration(receiver.url)
        await builder.change(made, "retry_waits_s = '{60}'")
        [delivery_id] = await builder.deliveries(made)
        await eventually(lambda: _is_tried(builder))
        [due] = await builder.due()
        assert due["next_attempt_at"] - clock() < timedelta(seconds=61)
        clock.advance(timedelta(seconds=61))
        await eventually(builder.is_settled)

    assert [row["status"] for row in await builder.attempts(delivery_id)] == ["failed", "discarded"]


class Held:
    """A transport that answers when it is let go."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.let_go = asyncio.Event()
        self.bodies: list[bytes] = []

    async def post(self, request: Prepared) -> Outcome:
        self.bodies.append(request.body)
        await self.let_go.wait()
        return Outcome(self.clock(), 1, status_code=200)

    async def aclose(self) -> None:
        """Nothing is open."""


async def test_what_was_claimed_under_an_older_lease_is_not_sent(
    builder: Builder, clock: Clock
) -> None:
    leases, transport = make_leases(), Held(clock)
    async with engine(builder, leases=leases, transport=transport, in_flight=1):
        made = await builder.integration("http://127.0.0.1:9/")
        ids = await builder.deliveries(made, count=3)
        await eventually(lambda: len(transport.bodies) == 1)
        # Another worker has the shards for a while and delivers what waits.
        await builder.owner.execute(
            "UPDATE shard_lease SET owner = gen_random_uuid(), epoch = epoch + 1, "
            "until = '-infinity'"
        )
        await builder.owner.execute("DELETE FROM delivery_due WHERE id = ANY ($1)", ids[1:])
        await eventually(lambda: leases.epoch_of(shard_of(made.id)) == 3)
        transport.let_go.set()
        await eventually(builder.is_settled)

    # The first was under way when the lease was lost: its outcome is refused, and it goes again.
    assert [body[-3:-2] for body in transport.bodies] == [b"0", b"0"]


async def test_a_chat_that_rejects_a_message_is_asked_once(builder: Builder) -> None:
    event = Path(__file__).parents[1] / "domain" / "golden" / "standard" / "test.json"
    async with Receiver(400) as receiver:
        made = await builder.integration(receiver.url)
        await builder.change(made, "format = 'slack'")
        [delivery_id] = await builder.deliveries(made, type=EventType.TEST)
        await builder.owner.execute("UPDATE event SET body = $1", event.read_bytes())
        async with engine(builder):
            await eventually(builder.is_settled)

    [attempt] = await builder.attempts(delivery_id)
    assert (attempt["status"], attempt["reason"]) == ("discarded", "rejected")
