"""A batch of outcomes, written once, by the owner only."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.services.integration_rows import read
from shared.contracts.words import EventType
from shared.data.connection import Connection
from shared.data.session import acting_for
from tests.unit.worker.conftest import AGENT, Builder, Made, lease_all, make_leases
from worker.delivery.claim import Want, claim
from worker.delivery.lane import START
from worker.delivery.leases import Leases, shard_of
from worker.delivery.outcome import (
    Delivered,
    Discard,
    DiscardReason,
    Fault,
    Outcome,
    RetryAt,
)
from worker.delivery.prepare import Due, UnsentReason
from worker.delivery.settle import Record, attempted, settle, unsent


async def _claimed(builder: Builder, made: Made) -> list[Due]:
    async with claim(
        [Want(made.id, START, 100)],
        known={},
        busy=[],
        now=datetime.now(UTC) + timedelta(days=1),
        ring=builder.ring,
        user_agent=AGENT,
    ) as found:
        return found.fresh.get(made.id, []) + found.retries.get(made.id, [])


def _record(
    due: Due,
    builder: Builder,
    verdict: Delivered | RetryAt | Discard,
    *,
    epoch: int = 1,
    status_code: int | None = 200,
    fault: Fault | None = None,
) -> Record:
    outcome = Outcome(
        builder.clock(), 12, status_code=status_code, fault=fault, excerpt="it says this"
    )
    return attempted(due, outcome, verdict, shard=shard_of(due.integration_id), epoch=epoch)


async def _settle(builder: Builder, leases: Leases, *records: Record) -> set[UUID]:
    written = await settle(records, owner=leases.owner, now=builder.clock(), ids=builder.ids)
    return written.refused


async def _hour(owner: Connection) -> dict[str, object]:
    row = await owner.fetchrow("SELECT * FROM integration_hour")
    assert row is not None
    return dict(row.items())


async def test_every_verdict_is_written_with_its_attempt_and_counted(builder: Builder) -> None:
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made, count=4)
    one, two, three, four = await _claimed(builder, made)
    later = builder.clock() + timedelta(minutes=5)

    refused = await _settle(
        builder,
        leases,
        _record(one, builder, Delivered()),
        _record(two, builder, RetryAt(later, "timeout"), status_code=None, fault=Fault.TIMEOUT),
        _record(three, builder, Discard(DiscardReason.REJECTED), status_code=422),
        unsent(
            four,
            UnsentReason.OUT_OF_SCOPE,
            at=builder.clock(),
            shard=shard_of(made.id),
            epoch=1,
        ),
    )

    assert not refused
    [due] = await builder.due()
    assert (due["id"], due["attempt_count"], due["next_attempt_at"]) == (two.id, 1, later)
    written = [
        (row["delivery_id"], row["number"], row["status"], row["reason"], row["error_class"])
        for row in await builder.attempts()
    ]
    assert written == [
        (one.id, 1, "delivered", None, None),
        (two.id, 1, "failed", "timeout", "timeout"),
        (three.id, 1, "discarded", "rejected", "http_422"),
        (four.id, 0, "discarded", "out_of_scope", None),
    ]
    [first, *_] = await builder.attempts()
    assert (first["duration_ms"], first["excerpt"]) == (12, "it says this")
    assert first["event_type"] == EventType.READINESS_UPDATED
    hour = await _hour(builder.owner)
    assert hour["hour"] == builder.clock().replace(minute=0, second=0)
    assert (hour["delivered"], hour["discarded"], hour["failed_attempts"]) == (1, 2, 2)
    ended_at = builder.clock() + timedelta(milliseconds=12)
    assert (hour["last_delivered_at"], hour["last_error_at"]) == (ended_at, ended_at)


async def test_counters_of_an_hour_add_up_and_keep_the_newest_error(builder: Builder) -> None:
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made, count=3)
    one, two, three = await _claimed(builder, made)
    at = builder.clock() + timedelta(minutes=5)

    for due, status in ((one, 500), (two, 503), (three, None)):
        builder.clock.advance(timedelta(seconds=1))
        verdict = Delivered() if status is None else RetryAt(at, f"http_{status}")
        await _settle(builder, leases, _record(due, builder, verdict, status_code=status))

    hour = await _hour(builder.owner)
    assert (hour["delivered"], hour["failed_attempts"], hour["last_error"]) == (1, 2, "http_503")


async def test_settling_twice_changes_nothing_the_second_time(builder: Builder) -> None:
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made, count=2)
    one, two = await _claimed(builder, made)
    records = (
        _record(one, builder, Delivered()),
        _record(two, builder, RetryAt(builder.clock(), "http_500"), status_code=500),
    )
    assert not await _settle(builder, leases, *records)

    assert await _settle(builder, leases, *records) == {one.id, two.id}

    assert len(await builder.attempts()) == 2
    hour = await _hour(builder.owner)
    assert (hour["delivered"], hour["failed_attempts"]) == (1, 1)


async def _is_refused_after(builder: Builder, change: str) -> None:
    """Settle after `change` of who holds the shards; nothing may be written."""
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made)
    [due] = await _claimed(builder, made)
    await builder.owner.execute(change)

    refused = await _settle(builder, leases, _record(due, builder, Delivered()))

    assert refused == {due.id}
    assert await builder.attempts() == []
    assert len(await builder.due()) == 1
    assert await builder.owner.fetchval("SELECT count(*) FROM integration_hour") == 0


async def test_an_owner_of_an_older_epoch_settles_nothing(builder: Builder) -> None:
    await _is_refused_after(builder, "UPDATE shard_lease SET epoch = epoch + 1")


async def test_who_has_lost_the_shard_settles_nothing(builder: Builder) -> None:
    await _is_refused_after(builder, "UPDATE shard_lease SET owner = gen_random_uuid()")


async def test_gone_disables_once_and_leaves_a_trace(builder: Builder) -> None:
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made, count=2)
    verdict = Discard(DiscardReason.GONE, is_gone=True)

    records = [
        _record(due, builder, verdict, status_code=410) for due in await _claimed(builder, made)
    ]
    assert not await _settle(builder, leases, *records)

    row = await builder.owner.fetchrow("SELECT * FROM integration")
    assert row is not None
    assert (row["is_enabled"], row["disabled_reason"], row["version"]) == (False, "gone", 2)
    assert await builder.owner.fetchval("SELECT count(*) FROM audit") == 1


async def _fail(
    builder: Builder, leases: Leases, due: Due, *, after: timedelta = timedelta(0)
) -> None:
    builder.clock.advance(after)
    verdict = RetryAt(builder.clock(), "http_500")
    assert not await _settle(builder, leases, _record(due, builder, verdict, status_code=500))


async def _pulse(owner: Connection) -> tuple[int, datetime | None]:
    row = await owner.fetchrow("SELECT * FROM integration_pulse")
    assert row is not None
    return row["consecutive_failures"], row["failing_since"]


async def test_five_days_of_nothing_but_failure_disable_and_leave_a_trace(builder: Builder) -> None:
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made, count=3)
    one, two, three = await _claimed(builder, made)
    began = builder.clock()

    await _fail(builder, leases, one)
    await _fail(builder, leases, two, after=timedelta(days=4, hours=23))
    assert await builder.owner.fetchval("SELECT is_enabled FROM integration")
    builder.clock.advance(timedelta(hours=1))
    verdict = Discard(DiscardReason.ATTEMPTS_EXHAUSTED)
    written = await settle(
        [_record(three, builder, verdict, status_code=500)],
        owner=leases.owner,
        now=builder.clock(),
        ids=builder.ids,
    )

    assert written.disabled == {made.id: "failing"}
    assert await _pulse(builder.owner) == (3, began + timedelta(milliseconds=12))
    row = await builder.owner.fetchrow("SELECT * FROM integration")
    assert row is not None
    assert (row["is_enabled"], row["disabled_reason"], row["version"]) == (False, "failing", 2)
    assert row["disabled_at"] == builder.clock()
    audit = await builder.owner.fetchrow("SELECT * FROM audit")
    assert audit is not None
    assert (audit["action"], audit["target_id"]) == ("integration.disable", str(made.id))
    assert '"failing"' in audit["after"]


async def test_one_success_ends_the_run_of_failures(builder: Builder) -> None:
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made, count=5)
    one, two, three, four, five = await _claimed(builder, made)

    await _fail(builder, leases, one)
    builder.clock.advance(timedelta(days=4))
    await _settle(builder, leases, _record(two, builder, Delivered()))
    assert await _pulse(builder.owner) == (0, None)
    await _fail(builder, leases, three, after=timedelta(days=2))
    since = builder.clock() + timedelta(milliseconds=12)
    assert await _pulse(builder.owner) == (1, since)

    # In one batch: what failed before the success is over, what failed after it counts.
    builder.clock.advance(timedelta(seconds=1))
    earlier = _record(four, builder, Delivered())
    builder.clock.advance(timedelta(seconds=1))
    later = _record(five, builder, RetryAt(builder.clock(), "timeout"), fault=Fault.TIMEOUT)
    assert not await _settle(builder, leases, later, earlier)
    assert await _pulse(builder.owner) == (1, builder.clock() + timedelta(milliseconds=12))
    assert await builder.owner.fetchval("SELECT is_enabled FROM integration")


async def test_a_receiver_that_is_well_costs_no_row(builder: Builder) -> None:
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made)
    [due] = await _claimed(builder, made)

    await _settle(builder, leases, _record(due, builder, Delivered()))

    assert await builder.owner.fetchval("SELECT count(*) FROM integration_pulse") == 0


async def test_who_is_enabled_again_has_five_days_anew(builder: Builder) -> None:
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made, count=2)
    one, two = await _claimed(builder, made)
    await _fail(builder, leases, one)
    builder.clock.advance(timedelta(days=30))
    await builder.change(made, f"counted_from = '{builder.clock().isoformat()}'")

    await _fail(builder, leases, two)

    assert await _pulse(builder.owner) == (1, builder.clock() + timedelta(milliseconds=12))
    assert await builder.owner.fetchval("SELECT is_enabled FROM integration")


async def test_settling_does_not_wait_for_a_change_of_the_integration(builder: Builder) -> None:
    """Each would wait for the other where two integrations are changed and settled at once."""
    leases = make_leases()
    await lease_all(leases)
    made = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(made)
    [due] = await _claimed(builder, made)
    is_locked = asyncio.Event()

    async def settle_meanwhile() -> set[UUID]:
        await is_locked.wait()
        return await _settle(builder, leases, _record(due, builder, Delivered()))

    settling = asyncio.create_task(settle_meanwhile())
    async with acting_for(builder.tenant_id) as session:
        await read(session, [made.id], is_to_change=True)
        is_locked.set()
        assert await asyncio.wait_for(settling, 10) == set()
