"""One owner per shard, whoever comes, goes, or falls silent."""

import os
from uuid import UUID

import pytest

from shared.data.session import working
from tests.conftest import Database
from tests.unit.worker.conftest import Builder
from worker.delivery.leases import SAFETY, SHARDS, Identity, Leases, shard_of

LEASE_S = 10.0


class Seconds:
    """A monotonic clock that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def _worker(seconds: Seconds) -> Leases:
    identity = Identity(UUID(bytes=os.urandom(16)), host="here", pid=1, version="test")
    return Leases(identity, duration_s=LEASE_S, monotonic=seconds)


async def _fall_silent(worker: Leases) -> None:
    """What the database sees when a worker says nothing for longer than a lease."""
    async with working() as session:
        await session.connection.execute(
            "UPDATE shard_lease SET until = now() - interval '1 s' WHERE owner = $1", worker.owner
        )
        await session.connection.execute(
            "UPDATE worker_heartbeat SET seen_at = now() - interval '1 h' WHERE owner = $1",
            worker.owner,
        )


async def test_a_worker_alone_holds_every_shard(database: Database, seconds: Seconds) -> None:
    worker = _worker(seconds)

    await worker.renew()

    assert sorted(worker.working_shards()) == list(range(SHARDS))


async def test_nothing_is_begun_near_the_end_of_a_lease(
    database: Database, seconds: Seconds
) -> None:
    worker = _worker(seconds)
    await worker.renew()
    seconds.now += LEASE_S * (1 - SAFETY) - 0.01
    assert worker.epoch_of(0) == 1

    seconds.now += 0.02
    assert worker.epoch_of(0) is None
    assert worker.working_shards() == []

    await worker.renew()
    assert worker.epoch_of(0) == 1, "nobody else had it meanwhile"


async def test_workers_share_fairly_once_the_first_has_let_go(
    database: Database, seconds: Seconds
) -> None:
    first, second, third = (_worker(seconds) for _ in range(3))
    await first.renew()
    await second.renew()
    assert second.working_shards() == []

    await first.renew()
    assert len(first.leaving) == 32
    assert len(first.working_shards()) == 32
    await first.release(first.leaving)
    await second.renew()
    assert len(second.working_shards()) == 32
    assert not set(first.working_shards()) & set(second.working_shards())

    await third.renew()
    for worker in (first, second):
        await worker.renew()
        await worker.release(worker.leaving)
    await third.renew()
    held = [len(worker.working_shards()) for worker in (first, second, third)]
    assert held == [22, 22, 20]


async def test_shards_about_to_leave_stay_when_the_other_worker_goes(
    database: Database, seconds: Seconds
) -> None:
    first, second = _worker(seconds), _worker(seconds)
    await first.renew()
    await second.renew()
    await first.renew()
    assert first.leaving

    await second.leave()
    await first.renew()

    assert not first.leaving
    assert len(first.working_shards()) == SHARDS


async def test_a_clean_end_frees_the_shards_at_once(database: Database, seconds: Seconds) -> None:
    first, second = _worker(seconds), _worker(seconds)
    await first.renew()

    await first.leave()
    await second.renew()

    assert first.working_shards() == []
    assert len(second.working_shards()) == SHARDS


async def test_the_shards_of_a_silent_worker_are_taken_over_under_a_new_epoch(
    database: Database, seconds: Seconds
) -> None:
    first, second = _worker(seconds), _worker(seconds)
    await first.renew()
    assert first.epoch_of(7) == 1
    await _fall_silent(first)

    await second.renew()
    assert len(second.working_shards()) == SHARDS
    assert second.epoch_of(7) == 2

    await first.renew()
    assert first.working_shards() == []


async def test_python_and_postgresql_agree_on_shards(builder: Builder) -> None:
    for _ in range(50):
        made = await builder.integration("http://127.0.0.1:9/")
        stored = await builder.owner.fetchval(
            "SELECT shard FROM integration WHERE id = $1", made.id
        )
        assert stored == shard_of(made.id)
