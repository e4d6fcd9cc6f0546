"""A stream tells its own tenant what changed, soon, seldom, and never too much."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from api.streams import LOG_LENGTH, Measure, Streams
from shared.announcements import Announced, Announcements, Heard, overhear
from shared.contracts.changes import Change, ChangeKind
from shared.contracts.words import Role
from shared.data.api_keys import create_key, revoke_key
from shared.data.session import acting_for, operating
from shared.data.tenants import delete_tenant
from shared.errors import RateLimitedError, UnavailableError
from shared.jobs import open_redis
from tests.conftest import Clock, Servers

ACME = UUID(int=1)
OTHER = UUID(int=2)
KEY = UUID(int=3)
QUICK = Measure(rest_s=0.05, heartbeat_s=0.2, check_s=60)
PATIENCE_S = 5.0


@dataclass
class Station:
    """What the streams overhear."""

    queue: asyncio.Queue[Heard | None] = field(default_factory=asyncio.Queue[Heard | None])

    async def __call__(self) -> AsyncGenerator[Heard | None, None]:
        yield Heard([], is_gap=True)
        while True:
            yield await self.queue.get()

    def say(self, kind: ChangeKind, *, tenant_id: UUID = ACME, id: UUID | None = None) -> None:
        change = Change(kind=kind, id=id)
        self.queue.put_nowait(Heard([Announced(tenant_id, change)], is_gap=False))


@dataclass
class Event:
    """One event as it stood on the wire."""

    id: str
    name: str
    data: str


class Listener:
    """Reads a stream as a client would."""

    def __init__(self, told: AsyncGenerator[bytes, None]) -> None:
        self._told = told
        self._events: list[Event] = []
        self.heartbeats = 0

    async def next(self) -> Event | None:
        """The next event; None when the stream has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._events:
                try:
                    self._take(await anext(self._told))
                except StopAsyncIteration:
                    return None
        return self._events.pop(0)

    async def opened(self) -> str:
        """Read until the stream says that it lives, and answer where it stands."""
        event = await self.next()
        assert event is not None
        assert event.name == "live"
        return event.id

    def _take(self, chunk: bytes) -> None:
        for block in chunk.decode().split("\n\n"):
            if block == ":":
                self.heartbeats += 1
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "event" in fields:
                self._events.append(Event(fields["id"], fields["event"], fields["data"]))


@dataclass
class Hall:
    """Streams, and what they hear."""

    streams: Streams
    station: Station
    forgotten: list[UUID]

    def listen(
        self, tenant_id: UUID = ACME, *, key_id: UUID = KEY, last_event_id: str | None = None
    ) -> Listener:
        return Listener(self.streams.told(tenant_id, key_id, last_event_id=last_event_id))


@pytest.fixture
async def hall(clock: Clock) -> AsyncGenerator[Hall, None]:
    made = make_hall(clock, QUICK)
    yield made
    await made.streams.aclose()


def make_hall(clock: Clock, measure: Measure) -> Hall:
    station = Station()
    forgotten: list[UUID] = []
    streams = Streams(
        overhear=station,
        clock=clock,
        entropy=os.urandom,
        forget_key=forgotten.append,
        measure=measure,
    )
    return Hall(streams, station, forgotten)


async def test_a_change_is_told_by_kind_and_id_and_only_to_its_tenant(hall: Hall) -> None:
    mine, theirs = hall.listen(), hall.listen(OTHER)
    await mine.opened()
    await theirs.opened()
    replay_id = uuid4()

    hall.station.say(ChangeKind.REPLAYS, id=replay_id)
    hall.station.say(ChangeKind.ADOPTION, tenant_id=OTHER)
    heard, overheard = await mine.next(), await theirs.next()

    assert heard is not None
    assert (heard.name, heard.data) == ("change", f'{{"kind":"replays","id":"{replay_id}"}}')
    assert overheard is not None
    assert overheard.data == '{"kind":"adoption","id":null}'


async def test_the_first_change_is_told_at_once_and_those_of_the_rest_as_one(hall: Hall) -> None:
    listener = hall.listen()
    await listener.opened()

    for _ in range(50):
        hall.station.say(ChangeKind.DELIVERIES)
    hall.station.say(ChangeKind.LIFECYCLE)
    kinds = [await told(listener), await told(listener), await told(listener)]

    assert kinds == ["deliveries", "lifecycle", "deliveries"]
    await asyncio.sleep(QUICK.rest_s * 2)
    hall.station.say(ChangeKind.EDITIONS)
    assert await told(listener) == "editions"


async def test_who_comes_back_is_told_what_was_missed(hall: Hall) -> None:
    first = hall.listen()
    position = await first.opened()
    hall.station.say(ChangeKind.READINESS)
    hall.station.say(ChangeKind.UPLIFT)
    await first.next()
    await first.next()

    again = hall.listen(last_event_id=position)
    await again.opened()

    assert [await told(again), await told(again)] == ["readiness", "uplift"]


@pytest.mark.parametrize("last_event_id", ["", "x", "00000000-1", "9-99999999999999999999", "é-1"])
async def test_who_comes_back_from_somewhere_unknown_is_told_to_start_over(
    hall: Hall, last_event_id: str
) -> None:
    listener = hall.listen(last_event_id=last_event_id)

    event = await listener.next()

    assert event is not None
    assert (event.name, event.data) == ("reset", "{}")
    await listener.opened()


async def test_who_falls_behind_is_told_to_start_over_and_costs_no_memory(hall: Hall) -> None:
    slow, quick = hall.listen(), hall.listen()
    await slow.opened()
    await quick.opened()

    for _ in range(LOG_LENGTH + 1):
        hall.station.say(ChangeKind.REPLAYS, id=uuid4())
        await quick.next()
    event = await slow.next()

    assert event is not None
    assert event.name == "reset"


async def test_a_gap_in_what_is_heard_resets_and_a_loss_of_hearing_is_told(hall: Hall) -> None:
    listener = hall.listen()
    await listener.opened()

    hall.station.queue.put_nowait(None)
    hall.station.queue.put_nowait(Heard([], is_gap=True))
    events = [await listener.next(), await listener.next(), await listener.next()]

    assert [(one.name, one.data) for one in events if one] == [
        ("live", '{"is_live":false}'),
        ("live", '{"is_live":true}'),
        ("reset", "{}"),
    ]


async def test_a_silent_stream_shows_that_it_lives(hall: Hall) -> None:
    listener = hall.listen()
    await listener.opened()
    asyncio.get_running_loop().call_later(1, hall.station.say, ChangeKind.EDITIONS)

    await listener.next()

    assert listener.heartbeats >= 2


async def test_there_are_only_so_many_streams_in_all_and_of_a_tenant(clock: Clock) -> None:
    hall = make_hall(clock, replace(QUICK, most=3, most_per_tenant=2))
    try:
        listeners = [hall.listen(), hall.listen(), hall.listen(OTHER)]
        await listeners[0].opened()
        await listeners[1].opened()
        with pytest.raises(RateLimitedError):
            hall.listen()
        await listeners[2].opened()
        with pytest.raises(UnavailableError):
            hall.listen(OTHER)

        async with aclosing(listeners[0]._told):
            pass
        await hall.listen().opened()
    finally:
        await hall.streams.aclose()


async def test_the_end_of_the_process_ends_every_stream(hall: Hall) -> None:
    listener = hall.listen()
    await listener.opened()

    hall.streams.end_all()

    assert await listener.next() is None
    with pytest.raises(UnavailableError):
        hall.listen()


@pytest.mark.parametrize("end", ["revoked", "expired", "tenant deleted"])
async def test_a_key_that_is_no_longer_good_ends_its_stream_and_no_other(
    tenant: UUID, clock: Clock, end: str
) -> None:
    async with operating() as session:
        for number, key_id in enumerate((KEY, OTHER)):
            await create_key(
                session,
                key_id=key_id,
                tenant_id=tenant if key_id == KEY else None,
                role=Role.READER if key_id == KEY else Role.OPERATOR,
                label="made",
                prefix=f"gk_{number}",
                digest=b"d",
                now=clock(),
                expires_at=clock() + timedelta(hours=1) if key_id == KEY else None,
            )
    hall = make_hall(clock, replace(QUICK, check_s=0.05))
    try:
        mine, operators = hall.listen(tenant), hall.listen(tenant, key_id=OTHER)
        await mine.opened()
        await operators.opened()

        match end:
            case "revoked":
                async with acting_for(tenant) as session:
                    await revoke_key(session, KEY, now=clock())
            case "expired":
                clock.advance(timedelta(hours=2))
            case _:
                async with operating() as session:
                    await delete_tenant(session, tenant)

        assert await mine.next() is None
        assert hall.forgotten == [KEY]
        if end == "tenant deleted":
            assert await operators.next() is None
        else:
            hall.station.say(ChangeKind.READINESS, tenant_id=tenant)
            assert await told(operators) == "readiness"
    finally:
        await hall.streams.aclose()


async def test_an_announcement_goes_through_redis_once_for_many(servers: Servers) -> None:
    redis = open_redis(servers.redis_url)
    announcements = Announcements(redis)
    heard = overhear(redis, pause_s=0.01)
    try:
        assert await anext(heard) == Heard([], is_gap=True)
        for _ in range(100):
            announcements.tell(ACME, ChangeKind.DELIVERIES)
        announcements.tell(ACME, ChangeKind.INTEGRATIONS, OTHER)

        first = await anext(heard)
        assert first == Heard(
            [
                Announced(ACME, Change(kind=ChangeKind.DELIVERIES)),
                Announced(ACME, Change(kind=ChangeKind.INTEGRATIONS, id=OTHER)),
            ],
            is_gap=False,
        )
    finally:
        await heard.aclose()
        await announcements.aclose()
        await redis.aclose()


async def test_a_lost_connection_is_told_and_after_it_a_gap(servers: Servers) -> None:
    redis = open_redis(servers.redis_url)
    heard = overhear(redis, pause_s=0.01)
    try:
        assert await anext(heard) == Heard([], is_gap=True)

        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        seen = await anext(heard)
        while seen is None:
            seen = await anext(heard)

        assert seen == Heard([], is_gap=True)
    finally:
        await heard.aclose()
        await redis.aclose()


async def test_what_could_not_be_announced_is_a_gap_before_what_can_be_again(
    servers: Servers,
) -> None:
    away = open_redis("redis://127.0.0.1:1/0")
    redis = open_redis(servers.redis_url)
    announcements = Announcements(away)
    heard = overhear(redis, pause_s=0.01)
    try:
        await anext(heard)
        announcements.tell(ACME, ChangeKind.DELIVERIES)
        await announcements.aclose()

        announcements._redis = redis
        announcements.tell(ACME, ChangeKind.READINESS)

        told = await anext(heard)
        assert told is not None
        assert told.is_gap
        assert [one.change.kind for one in told.announced] == [ChangeKind.READINESS]
    finally:
        await heard.aclose()
        await announcements.aclose()
        await redis.aclose()
        await away.aclose()


async def told(listener: Listener) -> str:
    """The kind of the next change."""
    event = await listener.next()
    assert event is not None
    assert event.name == "change"
    return msgspec.json.decode(event.data, type=Change).kind
