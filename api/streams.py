"""Open streams: who listens, what they are told and when they end.

What changed is told by kind and id alone, so a stream holds nothing that a refusal would have to
guard. Every tenant has a short log of its own: a stream is a position in it, and whoever falls
behind its beginning is told to start over. So a slow reader costs nobody anything.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from shared.announcements import Heard
from shared.contracts.changes import NOTICES, Change, Live, Notice, Reset
from shared.data.api_keys import good_keys
from shared.data.session import operating
from shared.data.tenants import present_tenants
from shared.errors import RateLimitedError, UnavailableError

LOG_LENGTH = 256
EPOCH_BYTES = 4
RETRY_MS = 2000
FIRST_WORD_S = 1.0
HEARTBEAT = b":\n\n"

log = logging.getLogger("guardian.streams")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How much and how often; times are in seconds.

    Attributes:
        most: streams of this process at once.
        most_per_tenant: of them, of one tenant.
        rest_s: between two notices of the same change.
        heartbeat_s: after which a silent stream shows that it lives.
        check_s: between two looks at whether the keys of all streams are still good.
        kept_s: how long the log of a tenant is kept after its last stream, to resume from.
    """

    most: int = 500
    most_per_tenant: int = 50
    rest_s: float = 0.5
    heartbeat_s: float = 15.0
    check_s: float = 2.0
    kept_s: float = 120.0


@dataclass(eq=False)
class _Listener:
    """One stream. `news` is set when there is something to tell, or the end has come."""

    key_id: UUID
    news: asyncio.Event = field(default_factory=asyncio.Event)
    is_ended: bool = False

    def end(self) -> None:
        self.is_ended = True
        self.news.set()


class _Channel:
    """What one tenant's streams are told, numbered from 1; only the newest are kept."""

    def __init__(self, epoch: str, *, rest_s: float) -> None:
        self.listeners: set[_Listener] = set()
        self.idle_since = 0.0
        self.newest = 0
        self._epoch = epoch
        self._rest_s = rest_s
        self._log: deque[bytes] = deque(maxlen=LOG_LENGTH)
        self._resting: dict[Change, bool] = {}

    def note(self, change: Change) -> None:
        """Tell of a change, or of all of them that come within the rest as of one."""
        if change in self._resting:
            self._resting[change] = True
            return
        self.tell(change)
        self._resting[change] = False
        asyncio.get_running_loop().call_later(self._rest_s, self._rested, change)

    def tell(self, notice: Notice) -> None:
        """Tell at once."""
        self.newest += 1
        self._log.append(self.written(notice, self.newest))
        for listener in self.listeners:
            listener.news.set()

    def written(self, notice: Notice, number: int) -> bytes:
        """A notice as it stands on the wire."""
        data = msgspec.json.encode(notice)
        return b"id: %b-%d\nevent: %b\ndata: %b\n\n" % (
            self._epoch.encode(),
            number,
            _NAMES[type(notice)],
            data,
        )

    def after(self, position: int) -> bytes | None:
        """All that was told after `position`; None when part of it is no longer known."""
        count = self.newest - position
        if count > len(self._log):
            return None
        return b"".join(self._log[at] for at in range(len(self._log) - count, len(self._log)))

    def position(self, event_id: str) -> int | None:
        """Where the reader of `event_id` stands; None when nobody knows."""
        epoch, _, number = event_id.partition("-")
        is_known = epoch == self._epoch and number.isascii() and number.isdecimal()
        position = int(number[:15]) if is_known else None
        return position if position is not None and position <= self.newest else None

    def _rested(self, change: Change) -> None:
        if self._resting.pop(change):
            self.note(change)


class Streams:
    """All streams of this process; nothing runs before the first of them."""

    def __init__(
        self,
        *,
        overhear: Callable[[], AsyncGenerator[Heard | None, None]],
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        forget_key: Callable[[UUID], None],
        measure: Measure = Measure(),
    ) -> None:
        """Open none yet.

        Args:
            overhear: yields what is announced.
            clock: the expiry of keys is judged by it.
            entropy: gives n random bytes.
            forget_key: told of each key that was found to be no longer good.
            measure: how much and how often.
        """
        self._overhear = overhear
        self._clock = clock
        self._entropy = entropy
        self._forget_key = forget_key
        self._measure = measure
        self._channels: dict[UUID, _Channel] = {}
        self._open = 0
        self._is_live = False
        self._is_ended = False
        self._was_heard = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def told(
        self, tenant_id: UUID, key_id: UUID, *, last_event_id: str | None
    ) -> AsyncGenerator[bytes, None]:
        """What a new stream is told, as it stands on the wire.

        Raises:
            UnavailableError: there are as many streams as there may be, or the process ends.
            RateLimitedError: the tenant has as many as it may have.
        """
        channel = self._channels.get(tenant_id)
        if self._is_ended or self._open >= self._measure.most:
            raise UnavailableError("No more streams can be opened here at the moment: look again.")
        if channel is not None and len(channel.listeners) >= self._measure.most_per_tenant:
            raise RateLimitedError("The tenant has too many streams open: end one of them.")
        return self._told(tenant_id, _Listener(key_id), last_event_id)

    def end_all(self) -> None:
        """End every stream and open no more: the process is about to stop."""
        self._is_ended = True
        for channel in self._channels.values():
            for listener in channel.listeners:
                listener.end()

    async def aclose(self) -> None:
        """End every stream, and stop listening."""
        self.end_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _told(
        self, tenant_id: UUID, listener: _Listener, last_event_id: str | None
    ) -> AsyncGenerator[bytes, None]:
        if self._is_ended or self._open >= self._measure.most:
            return  # another one was quicker
        self._begin()
        channel = self._channel(tenant_id)
        channel.listeners.add(listener)
        self._open += 1
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            await self._first_word()
            position = channel.newest if last_event_id is None else channel.position(last_event_id)
            if position is None:
                position = channel.newest
                yield channel.written(Reset(), position)
            yield channel.written(Live(is_live=self._is_live), position)
            while not listener.is_ended:
                listener.news.clear()
                missed = channel.after(position)
                position, behind = channel.newest, position
                if missed is None:
                    yield channel.written(Reset(), position)
                elif behind < position:
                    yield missed
                elif not await _is_set(listener.news, self._measure.heartbeat_s):
                    yield HEARTBEAT
        finally:
            self._open -= 1
            channel.listeners.discard(listener)
            channel.idle_since = asyncio.get_running_loop().time()

    def _begin(self) -> None:
        if not self._tasks:
            self._tasks = [_alone(self._listen_on_and_on()), _alone(self._check_on_and_on())]

    def _channel(self, tenant_id: UUID) -> _Channel:
        channel = self._channels.get(tenant_id)
        if channel is None:
            epoch = self._entropy(EPOCH_BYTES).hex()
            channel = _Channel(epoch, rest_s=self._measure.rest_s)
            self._channels[tenant_id] = channel
        return channel

    async def _first_word(self) -> None:
        """Wait a moment until it is known whether Redis can be heard."""
        await _is_set(self._was_heard, FIRST_WORD_S)

    async def _listen_on_and_on(self) -> None:
        async for heard in self._overhear():
            self._note_live(is_live=heard is not None)
            self._was_heard.set()
            if heard is None:
                continue
            if heard.is_gap:
                for channel in self._channels.values():
                    channel.tell(Reset())
            for tenant_id, change in heard.announced:
                channel = self._channels.get(tenant_id)
                if channel is not None:
                    channel.note(change)

    def _note_live(self, *, is_live: bool) -> None:
        if is_live == self._is_live:
            return
        self._is_live = is_live
        if self._was_heard.is_set():
            for channel in self._channels.values():
                channel.tell(Live(is_live=is_live))

    async def _check_on_and_on(self) -> None:
        while True:
            await asyncio.sleep(self._measure.check_s)
            self._forget_idle()
            try:
                await self._check()
            except (UnavailableError, asyncpg.PostgresError, TimeoutError) as error:
                # Nobody can revoke a key meanwhile.
                log.warning("the keys of streams cannot be checked: %s", type(error).__name__)

    def _forget_idle(self) -> None:
        until = asyncio.get_running_loop().time() - self._measure.kept_s
        for tenant_id, channel in list(self._channels.items()):
            if not channel.listeners and channel.idle_since < until:
                del self._channels[tenant_id]

    async def _check(self) -> None:
        """End the streams whose key was revoked or has expired, or whose tenant is gone."""
        asked = {
            tenant_id: list(channel.listeners)
            for tenant_id, channel in self._channels.items()
            if channel.listeners
        }
        if not asked:
            return
        key_ids = {one.key_id for listeners in asked.values() for one in listeners}
        async with operating(is_read_only=True) as session:
            keys = await good_keys(session, key_ids, now=self._clock())
            tenants = await present_tenants(session, asked)
        for tenant_id, listeners in asked.items():
            for listener in listeners:
                if listener.key_id not in keys:
                    self._forget_key(listener.key_id)
                if tenant_id not in tenants or listener.key_id not in keys:
                    listener.end()


_NAMES = {kind: name.encode() for name, kind in NOTICES.items()}


def _alone(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Start it in a context of its own: it outlives the request that began it."""
    return asyncio.get_running_loop().create_task(work, context=Context())


async def _is_set(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for `event`; say whether it came within the time."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
