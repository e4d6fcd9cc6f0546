"""One integration in the memory of the worker that owns it: its queue, its pace, its manners."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from worker.delivery.breaker import Breaker, State
from worker.delivery.leases import shard_of
from worker.delivery.outcome import Again, Delivered, Fault, Outcome, Verdict
from worker.delivery.prepare import Destination, Due
from worker.delivery.retry import lifetime

FIRST_CAP = 8.0
LARGEST_CAP = 32.0
SLOW_ANSWER_MS = 50
START = UUID(int=0)
"""The cursor before every delivery."""
RATE_SLACK_S = 0.02
OVERLAP_MS = 10_000
"""How far back a cursor is laid: clocks of several APIs differ, and so do their transactions."""

_SILENT = frozenset({Fault.CONNECT, Fault.TIMEOUT, Fault.TOO_SLOW})


class Lane:
    """What waits for one integration, and how fast it may go.

    Attributes:
        busy: ids of deliveries in memory: queued, in flight, or not settled yet.
        in_flight: requests under way.
        cursor: fresh deliveries up to this id were claimed, except for late ones.
        has_more: whether the last claim left something behind.
        is_in_line: whether it waits for its turn.
        is_paced: whether a timer will put it in line again.
        destination: the integration as last read.
    """

    def __init__(self, integration_id: UUID, *, monotonic: Callable[[], float]) -> None:
        """Start empty, closed breaker, at the beginning of the queue."""
        self.integration_id = integration_id
        self.shard = shard_of(integration_id)
        self.destination: Destination | None = None
        self.busy: set[UUID] = set()
        self.in_flight = 0
        self.cursor = START
        self.has_more = False
        self.is_in_line = False
        self.is_paced = False
        self._monotonic = monotonic
        self._breaker = Breaker(monotonic)
        self._fresh: deque[tuple[Due, int]] = deque()
        self._retries: deque[tuple[Due, int]] = deque()
        self._cap = FIRST_CAP
        self._slow_until: datetime | None = None
        self._is_rewound = False
        self._paced_until = 0.0

    @property
    def queued(self) -> int:
        """How many wait in memory."""
        return len(self._fresh) + len(self._retries)

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits in memory."""
        return bool(self._fresh or self._retries)

    @property
    def is_ordered(self) -> bool:
        """Whether one delivery after the other goes, each only once the one before is settled."""
        return self.destination is not None and self.destination.is_ordered

    @property
    def is_held(self) -> bool:
        """Whether order forbids to begin: something is under way, or not settled yet."""
        return self.is_ordered and len(self.busy) > self.queued

    @property
    def cap(self) -> int:
        """How many requests may be under way while there is room for everybody."""
        return int(self._cap)

    @property
    def breaker_state(self) -> State:
        """What the breaker lets through."""
        return self._breaker.state

    def is_idle(self, now: datetime) -> bool:
        """Whether forgetting it would lose nothing."""
        is_at_rest = self._is_slowed(now) or self._breaker.state is not State.CLOSED
        return not self.busy and not is_at_rest and not self.pause_s()

    def is_resting(self, now: datetime) -> bool:
        """Whether nothing may be sent at the moment; a deleted integration has no need of rest."""
        if self.destination is not None and self.destination.is_deleted:
            return False
        probe_due = self._breaker.probe_due
        return self._is_slowed(now) or (probe_due is not None and self._monotonic() < probe_due)

    def begin_claim(self) -> UUID:
        """Say from where the claim that begins now reads; `take_in` ends it."""
        self._is_rewound = False
        if self.has_more:
            return self.cursor
        return UUID(int=max(0, self.cursor.int - (OVERLAP_MS << 80)))

    def take_in(self, fresh: list[Due], retries: list[Due], *, epoch: int, room: int) -> None:
        """Queue what a claim found, with the epoch of the lease under which it was found."""
        self.has_more = len(fresh) >= room or len(retries) >= room
        fresh = [due for due in fresh if due.id not in self.busy]
        retries = [due for due in retries if due.id not in self.busy]
        if fresh and not self._is_rewound:
            self.cursor = max(self.cursor, fresh[-1].id)
        self._fresh.extend((due, epoch) for due in fresh)
        self._retries.extend((due, epoch) for due in retries)
        self.busy.update(due.id for due in fresh)
        self.busy.update(due.id for due in retries)

    def first(self) -> tuple[Due, int]:
        """Who is first in line, fresh before retries, with the epoch of its claim."""
        return (self._fresh or self._retries)[0]

    def pause_s(self) -> float:
        """How long the integration's rate asks to wait before the next request, in seconds."""
        rate = None if self.destination is None else self.destination.rate_per_second
        if rate is None:
            return 0.0
        # A timer is late by some milliseconds, which at a high rate may be caught up with.
        slack_s = RATE_SLACK_S if rate * RATE_SLACK_S > 1 else 0.0
        return max(0.0, self._paced_until - slack_s - self._monotonic())

    def pace(self) -> None:
        """Take note that a request goes now."""
        rate = None if self.destination is None else self.destination.rate_per_second
        if rate is not None:
            self._paced_until = max(self._paced_until, self._monotonic()) + 1 / rate

    def admits(self, now: datetime) -> bool:
        """Whether a request may go; when it may, it must be sent, for it can be the probe."""
        return not self._is_slowed(now) and self._breaker.admit()

    def next(self) -> tuple[Due, int]:
        """Take the first in line, with the epoch of its claim."""
        return (self._fresh or self._retries).popleft()

    def put_back(self, due: Due) -> None:
        """Leave `due` to a later claim."""
        self.busy.discard(due.id)
        if not due.is_retry:
            self.cursor = min(self.cursor, UUID(int=due.id.int - 1))
            self._is_rewound = True  # a claim under way did not see it and must not step over it

    def forget_queue(self) -> None:
        """Leave everything that is not under way to a later claim."""
        for queue in (self._fresh, self._retries):
            while queue:
                self.put_back(queue.popleft()[0])

    def horizon(self, now: datetime, schedule: Sequence[timedelta]) -> datetime | None:
        """Created before when a delivery is too old to wait any longer; None where none is.

        Only the backlog of a receiver that does not answer is given up for its age. Where Guardian
        itself was away, or the tenant had the integration disabled, nobody has failed yet.
        """
        known = self.destination
        if known is None or not known.is_enabled or self._breaker.state is State.CLOSED:
            return None
        waits = schedule if known.schedule is None else known.schedule
        horizon = now - lifetime(waits)
        return horizon if known.counted_from <= horizon else None

    def give_up(self, due: Due) -> bool:
        """Take note that `due` is about to be discarded; False where it is in memory already."""
        if due.id in self.busy:
            return False
        self.busy.add(due.id)
        return True

    def close(self) -> None:
        """Send nothing more until the integration is seen to have changed."""
        if self.destination is not None:
            self.destination = replace(self.destination, is_enabled=False)
        self.forget_queue()

    def learn(self, outcome: Outcome, verdict: Verdict) -> None:
        """Adapt the pace to what an attempt brought."""
        match verdict:
            case Again():
                self._breaker.abandoned()
                self._slow_down(verdict.at)
                return
            case Delivered():
                self._breaker.succeeded()
                # More at once only where waiting, not computing, is what takes the time.
                if outcome.duration_ms >= SLOW_ANSWER_MS:
                    self._cap = min(LARGEST_CAP, self._cap + 1 / self._cap)
                return
            case _:
                self._slow_down(verdict.slow_until)
        is_gone = outcome.fault is None and outcome.status_code == HTTPStatus.GONE
        if outcome.is_rejected or is_gone:
            self._breaker.succeeded()  # the door is open, it is this message that is not wanted
        else:
            self._breaker.failed()
        if outcome.fault in _SILENT:
            self._cap = max(1.0, self._cap / 2)

    def _is_slowed(self, now: datetime) -> bool:
        return self._slow_until is not None and now < self._slow_until

    def _slow_down(self, until: datetime | None) -> None:
        if until is not None and (self._slow_until is None or until > self._slow_until):
            self._slow_until = until
