"""Reminders through Redis: wake-ups for the pump, and the one coat over arq.

PostgreSQL remembers, Redis only reminds: everything sent here may be lost or doubled, and costs a
delay at most. So nothing in this module raises because Redis is away.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import suppress
from typing import NamedTuple, cast
from uuid import UUID

import msgspec
from arq.connections import ArqRedis
from arq.connections import RedisSettings as ArqRedisSettings
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError

WAKE_CHANNEL = "guardian:wake"
UUID_BYTES = 16

log = logging.getLogger("guardian.jobs")

encode_job = msgspec.msgpack.Encoder(
    enc_hook=lambda value: f"{type(value).__name__}: {value}"
).encode
"""arq would pickle, which runs code on reading; msgpack does not."""

decode_job = msgspec.msgpack.Decoder().decode


def arq_settings(redis_url: str) -> ArqRedisSettings:
    """Where arq keeps its jobs; the worker's own loop decides about retries, so none here."""
    settings = ArqRedisSettings.from_dsn(redis_url)
    settings.conn_retries = 0
    settings.conn_timeout = 5
    return settings


def open_redis(redis_url: str) -> Redis:
    """A client that gives up soon: whoever reminds must not wait."""
    return Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)


class Job(NamedTuple):
    """Something the worker shall do soon; two of the same id are one."""

    name: str
    id: str
    arguments: tuple[str, ...]


def narrative_job(tenant_id: UUID, key: str) -> Job:
    """Answer one narrative's question."""
    return Job("tell_narrative", f"narrative:{tenant_id}:{key}", (str(tenant_id), key))


class Jobs:
    """Hands jobs to arq after a commit; what is lost is found again by the worker's rounds."""

    def __init__(self, redis: Redis) -> None:
        """Borrow a client's connections; the owner closes them."""
        self._arq = ArqRedis(
            cast("ConnectionPool", redis.connection_pool),
            job_serializer=encode_job,
            job_deserializer=decode_job,
        )
        self._asking: set[asyncio.Task[None]] = set()

    def ask(self, job: Job) -> None:
        """Ask soon; returns at once and never raises."""
        task = asyncio.get_running_loop().create_task(self._ask(job))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def aclose(self) -> None:
        """Wait for what is being asked."""
        await asyncio.gather(*self._asking)

    async def _ask(self, job: Job) -> None:
        try:
            await self._arq.enqueue_job(job.name, *job.arguments, _job_id=job.id)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("a job was not asked for, the worker will look by itself: %s", error)


class WakeUps:
    """Tells the workers, after a commit, which integrations have something due.

    The first wake-up goes at once; those that come while it is on its way become one message.
    """

    def __init__(self, redis: Redis) -> None:
        """Borrow a client; the owner closes it."""
        self._redis = redis
        self._waiting: set[UUID] = set()
        self._sending: asyncio.Task[None] | None = None

    def wake(self, integration_ids: Iterable[UUID]) -> None:
        """Send soon; returns at once and never raises."""
        self._waiting.update(UUID(int=one.int) for one in integration_ids)
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def aclose(self) -> None:
        """Wait for what is being sent."""
        if self._sending is not None:
            await self._sending

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, set()
            try:
                await self._redis.publish(WAKE_CHANNEL, b"".join(one.bytes for one in batch))
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("a wake-up was lost, the workers will look by themselves: %s", error)


async def listen(redis_url: str, *, pause_s: float = 1.0) -> AsyncGenerator[list[UUID], None]:
    """Yield the integrations of each wake-up, for ever; reconnects by itself.

    An empty list is yielded after each (re)connection: wake-ups may have been missed, so look.
    """
    while True:
        redis = Redis.from_url(redis_url, socket_connect_timeout=2, health_check_interval=10)
        try:
            async with redis.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(WAKE_CHANNEL)
                yield []
                messages = cast("AsyncIterator[dict[str, bytes]]", channel.listen())
                async for message in messages:
                    data = message["data"]
                    if len(data) % UUID_BYTES:
                        continue
                    yield [
                        UUID(bytes=data[at : at + UUID_BYTES])
                        for at in range(0, len(data), UUID_BYTES)
                    ]
        except (RedisError, OSError, TimeoutError):
            await asyncio.sleep(pause_s)
        finally:
            with suppress(Exception):
                await redis.aclose()
