"""Announcements through Redis: after a commit, what kind of a tenant's data changed.

PostgreSQL remembers, Redis only tells: an announcement may be lost or doubled, so nothing here
raises because Redis is away, and nobody who announces waits.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from shared.contracts.changes import Change, ChangeKind

CHANNEL = "guardian:changes"
MOST_WAITING = 10_000
"""Announcements kept while one message is on its way; more become one "something was lost"."""

SILENCE_S = 5.0
"""After so long without a message the connection is tried; after twice as long it is given up."""

log = logging.getLogger("guardian.announcements")


class Announced(NamedTuple):
    """What changed, and whose it is."""

    tenant_id: UUID
    change: Change


class Heard(NamedTuple):
    """One message; `is_gap` where others may have been lost before it."""

    announced: list[Announced]
    is_gap: bool


class Announcements:
    """Tells the streams of all API processes what changed.

    The first announcement goes at once; those that come while it is on its way, or within the
    pause after it, become one message in which nothing stands twice.
    """

    def __init__(self, redis: Redis, *, pause_s: float = 0.0) -> None:
        """Borrow a client, whose owner closes it; rest `pause_s` after each message."""
        self._redis = redis
        self._pause_s = pause_s
        self._waiting: dict[tuple[UUID, ChangeKind, UUID | None], None] = {}
        self._is_gap = False
        self._is_news = True
        self._sending: asyncio.Task[None] | None = None

    def tell(self, tenant_id: UUID, kind: ChangeKind, id: UUID | None = None) -> None:  # noqa: A002 - as on the wire
        """Send soon; returns at once and never raises."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting[tenant_id, kind, id] = None
        else:
            self._is_gap = True
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def aclose(self) -> None:
        """Wait for what is being sent."""
        if self._sending is not None:
            await self._sending

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            try:
                await self._redis.publish(CHANNEL, _written(batch, is_gap=self._is_gap))
            except (RedisError, OSError, TimeoutError) as error:
                if self._is_news:
                    log.warning("announcements are lost for now: %s", type(error).__name__)
                self._is_news = False
                self._is_gap = True
            else:
                self._is_news = True
                self._is_gap = False
            if self._pause_s:
                await asyncio.sleep(self._pause_s)


async def overhear(redis: Redis, *, pause_s: float = 1.0) -> AsyncGenerator[Heard | None, None]:
    """Yield what is announced, for ever; None whenever the connection is lost or not to be had.

    After each (re)connection an empty message is yielded, with a gap before it.
    """
    while True:
        try:
            async with redis.pubsub() as channel:
                await channel.subscribe(CHANNEL)
                while True:
                    kind, data = await _next(channel)
                    if kind == "subscribe":
                        # Also when the client connected anew by itself.
                        yield Heard([], is_gap=True)
                    elif kind == "message":
                        yield _read(data)
        except (RedisError, OSError, TimeoutError):
            yield None
            await asyncio.sleep(pause_s)


async def _next(channel: PubSub) -> tuple[str, bytes]:
    """Wait for a message of whatever kind; who is silent for long is asked whether they live."""
    for _ in range(2):
        message = cast("dict[str, Any] | None", await channel.get_message(timeout=SILENCE_S))
        if message is not None:
            return message["type"], message["data"]
        await channel.ping()
    raise TimeoutError


def _written(batch: dict[tuple[UUID, ChangeKind, UUID | None], None], *, is_gap: bool) -> bytes:
    lines = [
        (tenant_id.bytes, str(kind), None if id_ is None else id_.bytes)
        for tenant_id, kind, id_ in batch
    ]
    return msgspec.msgpack.encode((is_gap, lines))


def _read(message: bytes) -> Heard:
    """What cannot be read was written by another version, or by nobody of ours."""
    with suppress(msgspec.MsgspecError, ValueError):
        is_gap, lines = _decode(message)
        announced = [
            Announced(
                UUID(bytes=tenant_id),
                Change(kind=kind, id=None if id_ is None else UUID(bytes=id_)),
            )
            for tenant_id, kind, id_ in lines
        ]
        return Heard(announced, is_gap=is_gap)
    return Heard([], is_gap=True)


_decode = msgspec.msgpack.Decoder(tuple[bool, list[tuple[bytes, ChangeKind, bytes | None]]]).decode
