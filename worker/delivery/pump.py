"""Who is next: fair turns between integrations, the caps, the wake-ups, and a clean end.

The steps themselves stand in files of their own; here work is only moved between them. What is in
memory may be lost at any moment: a delivery is due as long as its row exists, so whoever holds the
shard next finds it again.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from shared.domain.sealing import KeyRing
from shared.errors import UnavailableError
from worker.delivery.breaker import State
from worker.delivery.claim import Claim, Want, claim, look, outdated
from worker.delivery.lane import START, Lane
from worker.delivery.leases import Leases, shard_of
from worker.delivery.outcome import (
    TRIES_BEFORE_A_CHAT_REJECTED,
    TRIES_BEFORE_REJECTED,
    Again,
    Discard,
    Fault,
    Outcome,
    RetryAt,
    judge,
)
from worker.delivery.pause import is_paused
from worker.delivery.prepare import Destination, Due, Endpoint, UnsentReason, prepare, unsent_reason
from worker.delivery.retry import SCHEDULE
from worker.delivery.send import Transport
from worker.delivery.settle import Record, attempted, settle, unsent

LANES_PER_CLAIM = 64
SMALLEST_ROOM = 8
LARGEST_ROOM = 128
SETTLE_BATCH = 256
UNSETTLED = 512
"""Outcomes not written down yet, at which nothing more is sent: a crash would repeat them all."""
LOOKS_PER_DEEP_LOOK = 30
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
LEAVE_S = 2.0

OUTAGE = (
    UnavailableError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What a query raises while PostgreSQL is away, going or coming."""

UNFIT = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What a settle raises, however often it is repeated, because of one of its records."""

log = logging.getLogger("guardian.delivery")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast the pump may go, in seconds where it says so.

    Attributes:
        in_flight: requests under way at once, in all.
        look_s: between two looks at the queue.
        beat_s: between two renewals of the leases.
        drain_s: how long the end waits for requests under way.
        schedule: the waits between the attempts of one delivery.
    """

    in_flight: int
    look_s: float
    beat_s: float
    drain_s: float
    schedule: Sequence[timedelta] = SCHEDULE


@dataclass(frozen=True, kw_only=True)
class Means:
    """What the pump works with.

    Attributes:
        wake_ups: yields integrations that have something due, an empty list for "look yourself".
        spread: random, 0 to 1, for the waits between attempts.
        traceparent_of: what an attempt tells its receiver of its trace; None: nothing, ever.
    """

    leases: Leases
    transport: Transport
    ring: KeyRing
    user_agent: str
    wake_ups: Callable[[], AsyncGenerator[list[UUID], None]]
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    spread: Callable[[], float]
    ids: Callable[[], UUID]
    traceparent_of: Callable[[Due], str | None] | None = None


class Pump:
    """Delivers what is due of the shards it holds, until it is told to stop."""

    def __init__(self, means: Means, pace: Pace) -> None:
        """Hold nothing, send nothing yet."""
        self._means = means
        self._pace = pace
        self._lanes: dict[UUID, Lane] = {}
        self._dirty: dict[UUID, None] = {}
        self._ready: deque[Lane] = deque()
        self._sending: set[asyncio.Task[None]] = set()
        self._records: list[Record] = []
        # A request may be begun from within a session, and must not take itself for a part of it.
        self._outside = copy_context()
        self._looks = 0
        self._is_draining = False
        # Until the first look has told: a database restored a moment ago must not be delivered.
        self._is_paused = True
        self._claim_now = asyncio.Event()
        self._look_now = asyncio.Event()
        self._beat_now = asyncio.Event()
        self._settle_now = asyncio.Event()
        self._is_quiet = asyncio.Event()
        self.is_ready = asyncio.Event()
        """Set once the first shards are held."""
        self.watchers: list[Callable[[Record], None]] = []
        """Told of each outcome once it is settled."""
        self.on_disabled: list[Callable[[str], None]] = []
        """Told, by the reason, of each integration that was switched off."""
        self.claim_watchers: list[Callable[[Claim, datetime], None]] = []
        """Told of what each claim found, and when it was asked for."""

    @property
    def is_paused(self) -> bool:
        """Whether deliveries are held back by the operator, or the queue was never looked at."""
        return self._is_paused

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._sending)

    @property
    def unsettled(self) -> int:
        """Outcomes not yet written down."""
        return len(self._records)

    @property
    def shards(self) -> int:
        """Shards for which something may be begun now."""
        return len(self._means.leases.working_shards())

    def breakers(self) -> Counter[State]:
        """How many of the integrations in memory have their breaker in which state."""
        return Counter(lane.breaker_state for lane in self._lanes.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`, then let what is under way end, settle it and hand the shards back.

        Outages of PostgreSQL and Redis, however long, end nothing: the pump goes on by itself.
        """
        asking = [
            asyncio.create_task(step())
            for step in (self._listen_for_wake_ups, self._look_on_and_on, self._claim_on_and_on)
        ]
        keeping = [
            asyncio.create_task(step()) for step in (self._beat_on_and_on, self._settle_on_and_on)
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait(
                [*asking, *keeping, stopping], return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
            await _end(asking)
            await self._drain()
        finally:
            await _end([*asking, stopping, *self._sending, *keeping])
            # Nobody waits for a database that is away: then the leases simply expire.
            with suppress(*OUTAGE):
                await asyncio.wait_for(self._means.leases.leave(), LEAVE_S)

    # Who has something due.

    async def _listen_for_wake_ups(self) -> None:
        async with aclosing(self._means.wake_ups()) as wake_ups:
            async for integration_ids in wake_ups:
                if not integration_ids:
                    self._look_now.set()
                for integration_id in integration_ids:
                    if self._means.leases.epoch_of(shard_of(integration_id)) is not None:
                        self._ask_for(self._lane(integration_id))

    async def _look_on_and_on(self) -> None:
        while True:
            await woken(self._look_now, self._pace.look_s)
            try:
                await self._look()
                await self._give_up_what_is_too_old()
                await self._let_go()
            except OUTAGE as error:
                log.warning("the queue cannot be looked at: %s", _named(error))

    async def _look(self) -> None:
        shards = self._means.leases.working_shards()
        is_deep = self._looks % LOOKS_PER_DEEP_LOOK == 0
        self._heed(is_paused=await is_paused())
        seen = await look(shards)
        self._looks += 1
        if seen.is_shard_free:
            self._beat_now.set()
        for waiting in seen.waiting:
            lane = self._lane(waiting.integration_id)
            known = lane.destination
            if known is not None and known.version != waiting.version:
                lane.forget_queue()
            if waiting.is_open:
                self._ask_for(lane)
        if is_deep:
            self._start_over()
        for lane in self._lanes.values():
            self._line_up(lane)
        self._take_turns()

    async def _give_up_what_is_too_old(self) -> None:
        """Discard what has waited behind a dead receiver for longer than any schedule takes."""
        now = self._means.clock()
        horizons: dict[UUID, datetime] = {}
        epochs: dict[UUID, int] = {}
        for lane in self._lanes.values():
            horizon = lane.horizon(now, self._pace.schedule)
            epoch = self._means.leases.epoch_of(lane.shard)
            if horizon is not None and epoch is not None:
                horizons[lane.integration_id] = horizon
                epochs[lane.integration_id] = epoch
        room = UNSETTLED - len(self._records)
        if not horizons or room <= 0 or self._is_paused:
            return
        room = max(1, room // len(horizons))
        busy = [due_id for one in horizons for due_id in self._lanes[one].busy]
        for due in await outdated(horizons, busy=busy, room=room):
            lane = self._lane(due.integration_id)
            epoch = epochs[due.integration_id]
            if self._means.leases.epoch_of(lane.shard) == epoch and lane.give_up(due):
                reason = UnsentReason.EXPIRED
                self._settle_soon(unsent(due, reason, at=now, shard=lane.shard, epoch=epoch))

    def _heed(self, *, is_paused: bool) -> None:
        if is_paused and (not self._is_paused or not self._looks):
            log.warning("deliveries are paused: see `guardian deliveries status`")
        if is_paused == self._is_paused:
            return
        self._is_paused = is_paused
        if is_paused:
            for lane in self._lanes.values():
                lane.forget_queue()
        else:
            self._claim_now.set()

    def _start_over(self) -> None:
        """Find even what became visible long after its neighbours, and forget who is idle."""
        now = self._means.clock()
        for lane in list(self._lanes.values()):
            lane.cursor = START
            if lane.is_idle(now) and lane.integration_id not in self._dirty:
                del self._lanes[lane.integration_id]

    # The shards.

    async def _beat_on_and_on(self) -> None:
        leases = self._means.leases
        while True:
            pause_s = self._pace.beat_s
            try:
                before, was_leaving = set(leases.working_shards()), leases.leaving
                await leases.renew()
            except OUTAGE as error:
                log.warning("the leases cannot be renewed: %s", _named(error))
                pause_s = min(pause_s, LONGEST_PAUSE_S)
            else:
                gained = set(leases.working_shards()) - before
                if gained or leases.leaving - was_leaving:
                    self._look_now.set()
                if gained:
                    log.info("shards gained: %d", len(gained))
                if gained and not self.is_ready.is_set():
                    self.is_ready.set()
                    log.info("worker ready")
            await woken(self._beat_now, pause_s)

    async def _let_go(self) -> None:
        """Release shards beyond the fair share as soon as nothing of them is in memory."""
        leaving = self._means.leases.leaving
        if not leaving:
            return
        held_back: set[int] = set()
        for lane in self._lanes.values():
            if lane.shard in leaving:
                lane.forget_queue()
                if lane.busy:
                    held_back.add(lane.shard)
        free = leaving - held_back
        if free:
            await self._means.leases.release(free)
            log.info("shards handed over: %d", len(free))

    # From PostgreSQL into memory.

    async def _claim_on_and_on(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self._claim_now.wait()
            lanes = [] if self._is_paused else self._next_lanes()
            if not lanes:
                self._claim_now.clear()
                continue
            try:
                await self._claim(lanes)
                pause_s = FIRST_PAUSE_S
            except OUTAGE as error:
                log.warning("nothing can be claimed: %s", _named(error))
                for lane in lanes:
                    self._ask_for(lane)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _next_lanes(self) -> list[Lane]:
        now = self._means.clock()
        lanes: list[Lane] = []
        while self._dirty and len(lanes) < LANES_PER_CLAIM:
            integration_id = next(iter(self._dirty))
            del self._dirty[integration_id]
            lane = self._lanes.get(integration_id)
            if lane is not None and not lane.is_resting(now):
                lanes.append(lane)
        return lanes

    async def _claim(self, lanes: list[Lane]) -> None:
        means = self._means
        room = max(SMALLEST_ROOM, LARGEST_ROOM // len(lanes))
        wants: list[Want] = []
        epochs: dict[UUID, int] = {}
        for lane in lanes:
            epoch = means.leases.epoch_of(lane.shard)
            if epoch is None or lane.queued >= room or (lane.is_ordered and lane.busy):
                continue
            epochs[lane.integration_id] = epoch
            is_idle = not lane.busy
            wants.append(Want(lane.integration_id, lane.begin_claim(), room, is_idle))
        if not wants:
            return
        asked_at = means.clock()
        async with claim(
            wants,
            known={
                one: destination
                for one in epochs
                if (destination := self._lanes[one].destination) is not None
            },
            busy=[one for want in wants for one in self._lanes[want.integration_id].busy],
            now=asked_at,
            ring=means.ring,
            user_agent=means.user_agent,
        ) as found:
            for watch in self.claim_watchers:
                watch(found, asked_at)
            for integration_id, epoch in epochs.items():
                self._take_in(self._lane(integration_id), found, epoch=epoch, room=room)
            self._take_turns()

    def _take_in(self, lane: Lane, found: Claim, *, epoch: int, room: int) -> None:
        changed = found.changed.get(lane.integration_id)
        if changed is not None:
            lane.destination = changed
            if changed.is_ordered:
                lane.forget_queue()  # it was claimed in no order
        if self._means.leases.epoch_of(lane.shard) != epoch:
            return
        lane.take_in(
            found.fresh.get(lane.integration_id, []),
            found.retries.get(lane.integration_id, []),
            epoch=epoch,
            room=room,
        )
        self._line_up(lane)

    # From memory to the receivers.

    def _take_turns(self) -> None:
        """Begin what may begin, one request per integration and turn."""
        now = self._means.clock()
        while (
            self._ready
            and len(self._sending) < self._pace.in_flight
            and len(self._records) < UNSETTLED
        ):
            lane = self._ready.popleft()
            if self._begin(lane, now):
                self._ready.append(lane)
            else:
                lane.is_in_line = False

    def _begin(self, lane: Lane, now: datetime) -> bool:
        """Move one delivery of `lane` on; say whether it may be its turn again."""
        epoch = self._means.leases.epoch_of(lane.shard)
        destination = lane.destination
        if not lane.is_waiting:
            return False
        first, claimed_under = lane.first()
        if claimed_under != epoch or destination is None or self._is_draining or self._is_paused:
            # Who had the shard between may have delivered it.
            lane.forget_queue()
            return False
        reason = unsent_reason(first, destination)
        if reason is not None:
            due, epoch = self._next_of(lane)
            self._settle_soon(unsent(due, reason, at=now, shard=lane.shard, epoch=epoch))
            return True
        return self._begin_to_send(lane, destination, now)

    def _begin_to_send(self, lane: Lane, destination: Destination, now: datetime) -> bool:
        if lane.is_held or lane.in_flight >= self._allowance(lane):
            return False
        pause_s = lane.pause_s()
        if pause_s:
            self._line_up_later(lane, pause_s)
            return False
        endpoint = destination.endpoint
        if not destination.is_enabled or endpoint is None or not lane.admits(now):
            lane.forget_queue()
            return False
        lane.pace()
        due, epoch = self._next_of(lane)
        lane.in_flight += 1
        schedule = self._pace.schedule if destination.schedule is None else destination.schedule
        task = asyncio.create_task(
            self._deliver(lane, due, endpoint, schedule=schedule, epoch=epoch),
            context=self._outside.copy(),
        )
        self._sending.add(task)
        task.add_done_callback(self._sent)
        return True

    def _next_of(self, lane: Lane) -> tuple[Due, int]:
        due, epoch = lane.next()
        if lane.has_more and lane.queued <= lane.cap:
            self._ask_for(lane)
        return due, epoch

    def _allowance(self, lane: Lane) -> int:
        """How many requests of one integration may be under way: the fuller, the fewer.

        So many integrations that hang together cannot take all the room.
        """
        fill = len(self._sending) / self._pace.in_flight
        if fill < 1 / 2:
            return lane.cap
        return min(lane.cap, 2) if fill < 3 / 4 else 1

    async def _deliver(
        self,
        lane: Lane,
        due: Due,
        endpoint: Endpoint,
        *,
        schedule: Sequence[timedelta],
        epoch: int,
    ) -> None:
        try:
            if self._means.leases.epoch_of(lane.shard) != epoch:
                # It slept between its turn and now, and somebody else may have sent this one.
                lane.put_back(due)
                self._line_up(lane)
                return
            outcome = await self._attempt(due, endpoint)
        except asyncio.CancelledError:
            lane.put_back(due)
            raise
        finally:
            lane.in_flight -= 1
        verdict = judge(
            outcome,
            attempt_number=due.attempt_count + 1,
            spread=self._means.spread(),
            schedule=schedule,
            # A chat's gateway is not in the midst of a deployment.
            tries_before_rejected=TRIES_BEFORE_A_CHAT_REJECTED
            if endpoint.shape.is_chat
            else TRIES_BEFORE_REJECTED,
        )
        lane.learn(outcome, verdict)
        if isinstance(verdict, Discard) and verdict.is_gone:
            lane.close()
        if lane.is_ordered and isinstance(verdict, RetryAt | Again):
            lane.forget_queue()  # those behind it wait until it is their turn
        if isinstance(verdict, Again):
            lane.put_back(due)
        else:
            self._settle_soon(attempted(due, outcome, verdict, shard=lane.shard, epoch=epoch))
        self._line_up(lane)

    async def _attempt(self, due: Due, endpoint: Endpoint) -> Outcome:
        try:
            tell = self._means.traceparent_of
            prepared = prepare(
                due, endpoint, now=self._means.clock(), traceparent=tell(due) if tell else None
            )
            return await self._means.transport.post(prepared)
        except Exception:
            # Whatever it is, it is ours: the delivery must neither count an attempt nor be lost.
            log.exception("delivery %s could not be sent", due.id)
            return Outcome(self._means.clock(), 0, fault=Fault.INTERNAL)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._take_turns()
        self._note_quiet()

    # From memory into PostgreSQL.

    def _settle_soon(self, record: Record) -> None:
        self._records.append(record)
        self._settle_now.set()

    async def _settle_on_and_on(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self._settle_now.wait()
            # What came while the last batch was settled goes next: the more there is, the larger
            # the batches, and nothing waits without need.
            batch = self._records[:SETTLE_BATCH]
            try:
                await self._settle(batch)
                pause_s = FIRST_PAUSE_S
            except OUTAGE as error:
                log.warning("%d outcomes wait to be settled: %s", len(batch), _named(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            del self._records[: len(batch)]
            if not self._records:
                self._settle_now.clear()
            self._take_turns()
            self._note_quiet()

    async def _settle(self, batch: list[Record]) -> None:
        means = self._means
        try:
            written = await settle(
                batch, owner=means.leases.owner, now=means.clock(), ids=means.ids
            )
        except UNFIT as error:
            if len(batch) > 1:
                for record in batch:
                    await self._settle([record])
            else:
                # It stays known, so that it is not sent again and again for as long as we live.
                # The error's text may hold what the receiver answered.
                log.warning(
                    "delivery %s cannot be settled: %s", batch[0].due.id, type(error).__name__
                )
            return
        refused = written.refused
        if refused:
            log.warning("%d outcomes were refused: settled before, or no longer ours", len(refused))
        for integration_id, reason in written.disabled.items():
            log.warning("integration %s is disabled: %s", integration_id, reason)
            self._lane(integration_id).close()
            for tell in self.on_disabled:
                tell(reason)
        for record in batch:
            lane = self._lane(record.due.integration_id)
            lane.busy.discard(record.due.id)
            if record.due.id in refused:
                lane.destination = None  # what we thought followed from the outcome may not be so
                continue
            self._go_on_in_order(lane)
            for watch in self.watchers:
                watch(record)

    def _go_on_in_order(self, lane: Lane) -> None:
        """Where order counts, it is settling that lets the next one go."""
        if not lane.is_ordered:
            return
        if lane.is_waiting:
            self._line_up(lane)
        elif not lane.busy:
            self._ask_for(lane)

    # The end.

    async def _drain(self) -> None:
        self._is_draining = True
        for lane in self._lanes.values():
            lane.forget_queue()
        self._note_quiet()
        if not await woken(self._is_quiet, self._pace.drain_s):
            log.warning("given up after the drain: %d requests", len(self._sending))

    def _note_quiet(self) -> None:
        if self._is_draining and not self._sending and not self._records:
            self._is_quiet.set()

    # The bookkeeping of lanes.

    def _lane(self, integration_id: UUID) -> Lane:
        lane = self._lanes.get(integration_id)
        if lane is None:
            lane = Lane(integration_id, monotonic=self._means.monotonic)
            self._lanes[integration_id] = lane
        return lane

    def _ask_for(self, lane: Lane) -> None:
        self._dirty[lane.integration_id] = None
        self._claim_now.set()

    def _line_up(self, lane: Lane) -> None:
        if lane.is_waiting and not lane.is_in_line:
            lane.is_in_line = True
            self._ready.append(lane)

    def _line_up_later(self, lane: Lane, pause_s: float) -> None:
        def line_up() -> None:
            lane.is_paced = False
            self._line_up(lane)
            self._take_turns()

        if not lane.is_paced:
            lane.is_paced = True
            asyncio.get_running_loop().call_later(pause_s, line_up)


async def woken(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until `event`, which is cleared, or the timeout; say whether it was the event."""
    try:
        # Not `wait_for`, which in Python 3.11 forgets a cancellation that comes with the event.
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True


async def _end(tasks: Sequence[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _named(error: BaseException) -> str:
    """The error without the details PostgreSQL appends, which may hold values."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
