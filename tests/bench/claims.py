"""What a claim and a settle cost, beside much history and beside a long queue.

All sizes stand side by side in databases of their own; a round goes through all of them. The
history lies in the partitions that the measured deliveries are in, which is the harder case.
"""

import os
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from uuid import UUID

from shared.data.engine import close_pool, open_pool
from shared.domain.sealing import KeyRing
from shared.domain.uuid7 import Ids
from tests.bench.figures import Figure
from tests.bench.seeding import Seeder
from tests.bench.size import Size
from tests.bench.stand import Bench, Stand
from worker.delivery.claim import Want, claim
from worker.delivery.lane import START
from worker.delivery.leases import shard_of
from worker.delivery.outcome import Delivered, Outcome
from worker.delivery.prepare import Destination, Due
from worker.delivery.settle import attempted, settle

LANES = 64
ROOM = 4
"""Of each integration at a time, so that a batch is as large as the engine's."""
WARM_UP = 5
NO_CONTENT = 204
OWNER = UUID(int=1)
EPOCH = 1


@dataclass
class Queue:
    """One of the sizes, and what was measured in it."""

    name: str
    bench: Bench
    ring: KeyRing
    lanes: Sequence[UUID]
    known: dict[UUID, Destination] = field(default_factory=dict[UUID, Destination])
    cursors: dict[UUID, UUID] = field(default_factory=dict[UUID, UUID])
    claim_ms: list[float] = field(default_factory=list[float])
    settle_ms: list[float] = field(default_factory=list[float])


async def measure(stand: Stand, *, rounds: int, size: Size) -> list[Figure]:
    """Claim and settle batch after batch in each of the queues, round by round."""
    histories = size.pick(
        tiny=[100, 200],
        usual=[10_000, 1_000_000, 5_000_000],
        full=[10_000, 1_000_000, 5_000_000],
    )
    pending = size.pick(tiny=4_000, usual=1_000_000, full=1_000_000)
    batches = size.pick(tiny=2, usual=40, full=100)
    few = (batches + WARM_UP) * rounds * LANES * ROOM
    async with AsyncExitStack() as stack:
        queues = [
            await stack.enter_async_context(_queue(stand, history=history, pending=few))
            for history in histories
        ]
        queues.append(
            await stack.enter_async_context(
                _queue(stand, history=histories[0], pending=max(few, pending))
            )
        )
        for _ in range(rounds):
            for queue in queues:
                await _work_through(queue, batches)
    return _figures(queues)


@asynccontextmanager
async def _queue(stand: Stand, *, history: int, pending: int) -> AsyncGenerator[Queue, None]:
    async with stand.database(f"claims_{history}_{pending}") as bench:
        seeder = Seeder(bench.owner, stand.ring)
        await bench.owner.execute("SET synchronous_commit = off")
        await seeder.tenant()
        lanes = await seeder.integrations([f"http://127.0.0.1:9/{n}" for n in range(LANES)])
        await seeder.history(lanes, history)
        await seeder.deliveries(lanes, pending)
        await bench.owner.execute(
            f"UPDATE shard_lease SET owner = '{OWNER}', epoch = {EPOCH}, until = 'infinity'"
        )
        # What the housekeeping of PostgreSQL will have done long before history is that long.
        for command in ("VACUUM ANALYZE", "CHECKPOINT"):
            await bench.owner.execute(command)
        name = f"history {history:,}, pending {pending:,}"
        yield Queue(name, bench, KeyRing.parse(stand.ring), lanes)


async def _work_through(queue: Queue, batches: int) -> None:
    claims: list[float] = []
    settles: list[float] = []
    await open_pool(queue.bench.worker_url, size=2, name="bench")
    try:
        for number in range(WARM_UP + batches):
            claimed_s, dues = await _claimed(queue)
            settled_s = await _settled(dues)
            if number >= WARM_UP:
                claims.append(claimed_s * 1e3)
                settles.append(settled_s * 1e3)
    finally:
        await close_pool()
    queue.claim_ms.append(median(claims))
    queue.settle_ms.append(median(settles))


async def _claimed(queue: Queue) -> tuple[float, list[Due]]:
    wants = [Want(one, queue.cursors.get(one, START), ROOM) for one in queue.lanes]
    began = time.perf_counter()
    async with claim(
        wants, known=queue.known, busy=[], now=_now(), ring=queue.ring, user_agent="bench"
    ) as found:
        pass
    elapsed = time.perf_counter() - began
    queue.known.update(found.changed)
    dues = [due for fresh in found.fresh.values() for due in fresh]
    if len(dues) != LANES * ROOM:
        raise RuntimeError(f"{queue.name}: {len(dues)} claimed instead of {LANES * ROOM}")
    for lane, fresh in found.fresh.items():
        queue.cursors[lane] = UUID(int=fresh[-1].id.int)
    return elapsed, dues


async def _settled(dues: Sequence[Due]) -> float:
    outcome = Outcome(_now(), 5, status_code=NO_CONTENT)
    records = [
        attempted(due, outcome, Delivered(), shard=shard_of(due.integration_id), epoch=EPOCH)
        for due in dues
    ]
    began = time.perf_counter()
    written = await settle(records, owner=OWNER, now=_now(), ids=Ids(_now, os.urandom))
    elapsed = time.perf_counter() - began
    if written.refused:
        raise RuntimeError(f"{len(written.refused)} outcomes were refused")
    return elapsed


def _figures(queues: Sequence[Queue]) -> list[Figure]:
    first, *others = queues
    goals = {queues[-2].name: "<= 1.15", queues[-1].name: "<= 1.6"}
    figures: list[Figure] = []
    for queue in queues:
        figures += [
            Figure(name=f"claim of {LANES * ROOM}, {queue.name}", unit="ms", values=queue.claim_ms),
            Figure(
                name=f"settle of {LANES * ROOM}, {queue.name}", unit="ms", values=queue.settle_ms
            ),
        ]
    for queue in others:
        for word, mine, theirs, goal in (
            ("claim", queue.claim_ms, first.claim_ms, goals.get(queue.name, "")),
            ("settle", queue.settle_ms, first.settle_ms, ""),
        ):
            ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
            figures.append(
                Figure(
                    name=f"{word}, {queue.name} / {first.name}", unit="x", values=ratios, goal=goal
                )
            )
    return figures


def _now() -> datetime:
    return datetime.now(UTC)
