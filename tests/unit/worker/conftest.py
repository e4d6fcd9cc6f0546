"""An engine as the worker runs it, on a database of the test's own, and what it may find there."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import msgspec
import pytest

from shared.contracts.words import SCOPE_OF, EventType
from shared.data.connection import Connection, Row
from shared.data.session import working
from shared.domain.addresses import EgressRules
from shared.domain.credentials import Credentials, seal_credentials, seal_secret
from shared.domain.sealing import KeyRing
from shared.domain.signing import new_secret
from shared.domain.uuid7 import Ids, uuid7
from tests.conftest import Clock
from worker.delivery.leases import Identity, Leases
from worker.delivery.pump import Means, Pace, Pump
from worker.delivery.send import CurlTransport, Transport
from worker.delivery.tokens import TokenTransport

LOOPBACK = EgressRules(
    allowed_nets=(ip_network("127.0.0.0/8"),), is_http_allowed=True, allowed_ports=None
)
SCOPES = ("readiness", "uplift", "editions", "executive_reports", "adoption", "lifecycle")
AGENT = "Guardian-Webhooks/test"


async def eventually(
    is_so: Callable[[], Any], *, what: str = "it", deadline_s: float = 10.0
) -> None:
    """Wait until a condition, plain or awaitable, holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    while True:
        answer = is_so()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        assert loop.time() < deadline, f"{what} did not happen within {deadline_s:g} s"
        await asyncio.sleep(0.005)


@dataclass(frozen=True)
class Made:
    """An integration as it was made."""

    tenant_id: UUID
    id: UUID
    secret: str


class Builder:
    """Puts integrations and deliveries straight into the database."""

    def __init__(self, owner: Connection, *, tenant_id: UUID, clock: Clock) -> None:
        self.owner = owner
        self.tenant_id = tenant_id
        self.clock = clock
        self.ids = Ids(clock)
        self.ring = KeyRing({"k1": os.urandom(32)})

    async def integration(
        self,
        url: str,
        *,
        scopes: Sequence[str] = SCOPES,
        headers: dict[str, str] | None = None,
        credentials: dict[str, Any] | None = None,
        previous_secret: str | None = None,
        previous_until: datetime | None = None,
        shard: int | None = None,
    ) -> Made:
        last = os.urandom(1) if shard is None else bytes([shard])
        integration_id = uuid7(self.clock(), os.urandom(9) + last)
        place = {"tenant_id": self.tenant_id, "integration_id": integration_id}
        secret = new_secret(os.urandom(32))
        await self.owner.execute(
            """
            INSERT INTO integration (tenant_id, id, integration_key, label, description,
              is_enabled, scopes, format, signature, webhook_host, url_hint, headers,
              secret_header_names, auth_kind, sealed_config, sealed_secret,
              sealed_previous_secret, previous_secret_until, created_at, updated_at)
            VALUES ($1, $2, $3, 'Made', '', true, $4, 'standard', 'v1', '127.0.0.1', 'hook', $5,
              '{}', 'none', $6, $7, $8, $9, $10, $10)
            """,
            self.tenant_id,
            integration_id,
            f"made_{integration_id.hex}",
            list(scopes),
            msgspec.json.encode(headers or {}).decode(),
            seal_credentials(self.ring, Credentials(url=url, **(credentials or {})), **place),
            seal_secret(self.ring, secret, **place),
            seal_secret(self.ring, previous_secret, **place) if previous_secret else None,
            previous_until,
            self.clock(),
        )
        return Made(self.tenant_id, integration_id, secret)

    async def deliveries(
        self, *made: Made, count: int = 1, type: EventType = EventType.READINESS_UPDATED
    ) -> list[UUID]:
        """One event after the other, each with a delivery to every integration given."""
        event_ids = [self.ids() for _ in range(count)]
        scope = SCOPE_OF[type]
        bodies = [
            b'{"type":"%s","data":{"n":%d}}' % (type.encode(), number) for number in range(count)
        ]
        await self.owner.execute(
            """
            INSERT INTO event (tenant_id, id, type, scope, occurred_at, body)
            SELECT $1, id, $2, $3, $4, body FROM unnest($5::uuid[], $6::bytea[]) AS e (id, body)
            """,
            self.tenant_id,
            str(type),
            None if scope is None else str(scope),
            self.clock(),
            event_ids,
            bodies,
        )
        rows = [(one.id, event_id, self.ids()) for event_id in event_ids for one in made]
        await self.owner.execute(
            """
            INSERT INTO delivery_due (integration_id, event_id, id, tenant_id)
            SELECT integration_id, event_id, id, $1
            FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS d (integration_id, event_id, id)
            """,
            self.tenant_id,
            *(list(column) for column in zip(*rows, strict=True)),
        )
        return [delivery_id for _, _, delivery_id in rows]

    async def change(self, made: Made, assignment: str) -> None:
        """Change an integration as the API would."""
        await self.owner.execute(
            f"UPDATE integration SET {assignment}, version = version + 1 WHERE id = $1",  # noqa: S608 - the test's own text
            made.id,
        )

    async def due(self) -> list[Row]:
        return await self.owner.fetch("SELECT * FROM delivery_due ORDER BY id")

    async def attempts(self, delivery_id: UUID | None = None) -> list[Row]:
        return await self.owner.fetch(
            "SELECT * FROM delivery_attempt WHERE $1::uuid IS NULL OR delivery_id = $1 "
            "ORDER BY delivery_id, number",
            delivery_id,
        )

    async def is_settled(self) -> bool:
        return not await self.owner.fetchval("SELECT count(*) FROM delivery_due")


@dataclass
class WakeUps:
    """Wake-ups without Redis."""

    queue: asyncio.Queue[list[UUID]] = field(default_factory=asyncio.Queue[list[UUID]])

    async def __call__(self) -> AsyncGenerator[list[UUID], None]:
        while True:
            yield await self.queue.get()

    def wake(self, *made: Made) -> None:
        self.queue.put_nowait([one.id for one in made])


@dataclass
class Engine:
    """One running pump."""

    pump: Pump
    leases: Leases
    wake_ups: WakeUps
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def end(self) -> None:
        self.stop.set()
        await self.task


Engines = Callable[..., Any]


def make_leases(*, duration_s: float = 15.0) -> Leases:
    identity = Identity(owner=UUID(bytes=os.urandom(16)), host="here", pid=1, version="test")
    return Leases(identity, duration_s=duration_s, monotonic=asyncio.get_running_loop().time)


@asynccontextmanager
async def engine(
    builder: Builder,
    *,
    in_flight: int = 64,
    look_s: float = 0.05,
    beat_s: float = 0.1,
    drain_s: float = 5.0,
    lease_s: float = 15.0,
    schedule: Sequence[timedelta] | None = None,
    transport: Transport | None = None,
    leases: Leases | None = None,
) -> AsyncGenerator[Engine, None]:
    """Run a pump until the block ends; it must end in peace."""
    wake_ups = WakeUps()
    leases = leases or make_leases(duration_s=lease_s)
    async with AsyncExitStack() as stack:
        if transport is None:
            transport = TokenTransport(
                CurlTransport(LOOPBACK, clock=builder.clock), clock=builder.clock, user_agent=AGENT
            )
            stack.push_async_callback(transport.aclose)
        means = Means(
            leases=leases,
            transport=transport,
            ring=builder.ring,
            user_agent=AGENT,
            wake_ups=wake_ups,
            clock=builder.clock,
            monotonic=asyncio.get_running_loop().time,
            spread=lambda: 0.5,
            ids=builder.ids,
        )
        pace = Pace(in_flight=in_flight, look_s=look_s, beat_s=beat_s, drain_s=drain_s)
        if schedule is not None:
            pace = Pace(
                in_flight=in_flight,
                look_s=look_s,
                beat_s=beat_s,
                drain_s=drain_s,
                schedule=schedule,
            )
        pump = Pump(means, pace)
        stop = asyncio.Event()
        task = asyncio.create_task(pump.run(stop))
        running = Engine(pump, leases, wake_ups, stop, task)
        try:
            yield running
        finally:
            await running.end()


@pytest.fixture
async def builder(owner: Connection, tenant: UUID, clock: Clock) -> Builder:
    return Builder(owner, tenant_id=tenant, clock=clock)


async def lease_all(leases: Leases) -> None:
    """Hold every shard."""
    await leases.renew()
    async with working() as session:
        held = await session.connection.fetchval(
            "SELECT count(*) FROM shard_lease WHERE owner = $1", leases.owner
        )
    assert held == 64
