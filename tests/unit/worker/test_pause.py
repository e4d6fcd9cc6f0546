"""While deliveries are paused nothing is sent and nothing is lost."""

from tests.receiver import Answer, Receiver
from tests.unit.worker.conftest import Builder, engine, eventually

PAUSE = "UPDATE system_state SET paused_since = now(), paused_reason = 'a test'"
RESUME = "UPDATE system_state SET paused_since = NULL, paused_reason = NULL"


async def test_a_worker_that_starts_during_a_pause_sends_nothing_even_when_woken(
    builder: Builder,
) -> None:
    await builder.owner.execute(PAUSE)
    async with Receiver() as receiver:
        made = await builder.integration(receiver.url)
        await builder.deliveries(made, count=5)
        async with engine(builder, look_s=0.02) as running:
            await running.pump.is_ready.wait()
            running.wake_ups.wake(made)
            await eventually(lambda: running.pump._looks >= 5)

            assert receiver.received == []
            assert len(await builder.due()) == 5

            await builder.owner.execute(RESUME)
            await receiver.wait_for(5)
            await eventually(builder.is_settled)
            assert len(receiver.received) == 5


async def test_a_pause_lets_what_is_under_way_end_and_begins_nothing_more(
    builder: Builder,
) -> None:
    async with Receiver(otherwise=Answer(after_s=0.2)) as receiver:
        made = await builder.integration(receiver.url)
        async with engine(builder, look_s=0.02) as running:
            await builder.deliveries(made, count=40)
            await receiver.wait_for(8)
            await builder.owner.execute(PAUSE)
            await eventually(lambda: running.pump.is_paused)
            await eventually(lambda: not running.pump.in_flight and not running.pump.unsettled)
            sent = len(receiver.received)
            looks = running.pump._looks
            await eventually(lambda: running.pump._looks >= looks + 5)

            assert len(receiver.received) == sent < 40
            assert len(await builder.due()) == 40 - sent

            await builder.owner.execute(RESUME)
            await eventually(builder.is_settled)
            assert len(receiver.received) == 40, "each was sent once"
