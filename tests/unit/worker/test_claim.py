"""What is due is found, and nothing else, without a write."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from tests.unit.worker.conftest import AGENT, Builder, Made, lease_all, make_leases
from worker.delivery.claim import Claim, Want, claim, look
from worker.delivery.lane import START
from worker.delivery.prepare import Destination

URL = "http://127.0.0.1:9/"


async def _claim(
    builder: Builder,
    *made: Made,
    after: UUID = START,
    room: int = 10,
    known: dict[UUID, Destination] | None = None,
    busy: Collection[UUID] = (),
    now: datetime | None = None,
) -> Claim:
    async with claim(
        [Want(one.id, after, room) for one in made],
        known=known or {},
        busy=busy,
        now=now or builder.clock(),
        ring=builder.ring,
        user_agent=AGENT,
    ) as found:
        return found


async def test_each_integration_gets_its_own_oldest_first(builder: Builder) -> None:
    busy_one, quiet_one = await builder.integration(URL), await builder.integration(URL)
    backlog = await builder.deliveries(busy_one, count=30)
    [single] = await builder.deliveries(quiet_one)

    found = await _claim(builder, busy_one, quiet_one)

    assert [due.id for due in found.fresh[busy_one.id]] == backlog[:10]
    assert [due.id for due in found.fresh[quiet_one.id]] == [single]
    assert not found.retries
    first = found.fresh[busy_one.id][0]
    assert first.body == b'{"type":"readiness_updated","data":{"n":0}}'
    assert (first.event_type, first.scope) == ("readiness_updated", "readiness")


async def test_what_is_known_or_in_memory_is_left_out(builder: Builder) -> None:
    made = await builder.integration(URL)
    ids = await builder.deliveries(made, count=5)

    found = await _claim(builder, made, after=ids[1], busy=[ids[3]])

    assert [due.id for due in found.fresh[made.id]] == [ids[2], ids[4]]


async def test_retries_are_found_when_their_time_has_come(builder: Builder) -> None:
    made = await builder.integration(URL)
    early, late = await builder.deliveries(made, count=2)
    for delivery_id, seconds in ((early, 5), (late, 50)):
        await builder.owner.execute(
            "UPDATE delivery_due SET attempt_count = 1, next_attempt_at = $2 WHERE id = $1",
            delivery_id,
            builder.clock() + timedelta(seconds=seconds),
        )

    before = await _claim(builder, made)
    at_last = await _claim(builder, made, now=builder.clock() + timedelta(seconds=5))

    assert not before.fresh
    assert not before.retries
    [due] = at_last.retries[made.id]
    assert (due.id, due.is_retry, due.attempt_count) == (early, True, 1)


async def test_an_integration_is_read_again_only_when_it_changed(builder: Builder) -> None:
    made = await builder.integration(URL)
    await builder.deliveries(made)
    known = (await _claim(builder, made)).changed

    same = await _claim(builder, made, known=known)
    await builder.change(made, "scopes = '{adoption}'")
    changed = await _claim(builder, made, known=known)

    assert not same.changed
    assert same.fresh
    assert changed.changed[made.id].scopes == {"adoption"}
    assert changed.changed[made.id].version == 2


async def test_a_disabled_integration_yields_nothing(builder: Builder) -> None:
    made = await builder.integration(URL)
    await builder.deliveries(made)
    await builder.change(made, "is_enabled = false")

    found = await _claim(builder, made)

    assert not found.fresh
    assert not found.changed[made.id].is_enabled


async def test_a_row_that_cannot_be_read_holds_only_its_integration_back(builder: Builder) -> None:
    broken, sound = await builder.integration(URL), await builder.integration(URL)
    await builder.change(broken, "headers = '[]'")
    await builder.deliveries(broken, sound)

    found = await _claim(builder, broken, sound)

    assert list(found.fresh) == [sound.id]
    assert found.changed[broken.id].endpoint is None


async def test_an_unknown_integration_yields_nothing(builder: Builder) -> None:
    stranger = Made(builder.tenant_id, builder.ids(), "")

    found = await _claim(builder, stranger)

    assert not found.changed
    assert not found.fresh


async def test_a_look_shows_who_waits_on_the_shards_it_is_asked_for(builder: Builder) -> None:
    made = [await builder.integration(URL, shard=shard) for shard in (3, 4, 5)]
    await builder.deliveries(*made)
    await builder.integration(URL, shard=3)
    await builder.change(made[1], "is_enabled = false")

    seen = await look([3, 4])

    assert {one.integration_id: one.is_open for one in seen.waiting} == {
        made[0].id: True,
        made[1].id: False,
    }
    assert seen.is_shard_free


async def test_a_look_shows_a_worker_that_waits_for_its_share(builder: Builder) -> None:
    await lease_all(make_leases())
    assert not (await look([])).is_shard_free

    await builder.owner.execute(
        "INSERT INTO worker_heartbeat (owner, host, pid, version, started_at, seen_at) "
        "VALUES (gen_random_uuid(), 'another', 1, '1', now(), now())"
    )

    assert (await look([])).is_shard_free


async def test_a_long_queue_is_never_walked_for_somebody_else(builder: Builder) -> None:
    backlog, quiet_one = await builder.integration(URL), await builder.integration(URL)
    await builder.deliveries(quiet_one)
    short = await _seconds(builder, quiet_one)
    event_id = await builder.owner.fetchval("SELECT id FROM event")
    await builder.owner.execute(
        """
        INSERT INTO delivery_due (integration_id, id, tenant_id, event_id)
        SELECT $1, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $2, $3
        FROM generate_series(1, 50000) n
        """,
        backlog.id,
        backlog.tenant_id,
        event_id,
    )

    assert await _seconds(builder, quiet_one) < max(short * 4, 0.02)


async def _seconds(builder: Builder, made: Made) -> float:
    loop = asyncio.get_running_loop()
    fastest = 1.0
    for _ in range(5):
        began = loop.time()
        await _claim(builder, made)
        fastest = min(fastest, loop.time() - began)
    return fastest
