"""Rows to measure with, put straight into the database."""

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from redis.asyncio import Redis

from shared.contracts.words import EventType
from shared.data.connection import Connection
from shared.domain.credentials import Credentials, seal_credentials, seal_secret
from shared.domain.sealing import KeyRing
from shared.domain.signing import new_secret
from shared.domain.uuid7 import uuid7
from shared.jobs import WAKE_CHANNEL

BODY = (
    b'{"type":"readiness.updated","timestamp":"2026-11-01T06:00:00Z","scope":"readiness",'
    b'"schema_version":1,"data":{"overall_score":72,"band":"mature","capabilities":['
    + b",".join(
        b'{"key":"guardian.core.capability_%d","score":%d,"status":"ready"}' % (n, 50 + n)
        for n in range(7)
    )
    + b"]}}"
)
"""About 600 bytes, as an event of seven capabilities has."""


class Seeder:
    """Makes one tenant, its integrations, and what is due to them."""

    def __init__(self, owner: Connection, ring: str) -> None:
        self.owner = owner
        self.tenant_id = _id()
        self._ring = KeyRing.parse(ring)
        self._made = 0
        self._start_ms = int(time.time() * 1000)

    async def tenant(self) -> None:
        """Make the tenant."""
        await self.owner.execute(
            "INSERT INTO tenant (id, name, created_at) VALUES ($1, $2, $3)",
            self.tenant_id,
            "Bench",
            datetime.now(UTC),
        )

    async def integrations(self, urls: Sequence[str]) -> list[UUID]:
        """One for each URL, spread over all shards."""
        made = [_id(shard=number % 64) for number in range(len(urls))]
        place = {"tenant_id": self.tenant_id}
        rows: list[tuple[object, ...]] = [
            (
                self.tenant_id,
                integration_id,
                f"bench_{integration_id.hex}",
                seal_credentials(
                    self._ring, Credentials(url=url), integration_id=integration_id, **place
                ),
                seal_secret(
                    self._ring, new_secret(os.urandom(32)), integration_id=integration_id, **place
                ),
                datetime.now(UTC),
            )
            for integration_id, url in zip(made, urls, strict=True)
        ]
        await self.owner.executemany(_INTEGRATION, rows)
        return made

    async def deliveries(
        self, integration_ids: Sequence[UUID], count: int, *, at: datetime | None = None
    ) -> None:
        """`count` events with one delivery each, of now or of `at`, dealt out in turn."""
        await self.owner.execute(
            _DELIVERIES,
            self.tenant_id,
            list(integration_ids),
            self._made,
            count,
            self._start_ms if at is None else round(at.timestamp() * 1000),
            BODY,
            str(EventType.READINESS_UPDATED),
        )
        self._made += count

    async def delivery(self, integration_id: UUID) -> UUID:
        """One event with one delivery, committed; answers the event's id."""
        event_id = _id()
        await self.owner.execute(
            _DELIVERY,
            self.tenant_id,
            integration_id,
            event_id,
            BODY,
            str(EventType.READINESS_UPDATED),
        )
        return event_id

    async def history(self, integration_ids: Sequence[UUID], count: int) -> None:
        """`count` delivered ones, with their events."""
        await self.owner.execute(
            _HISTORY,
            self.tenant_id,
            list(integration_ids),
            self._made,
            count,
            self._start_ms,
            str(EventType.READINESS_UPDATED),
        )
        self._made += count

    async def wal(self) -> int:
        """Bytes of write-ahead log that the server has written in its life."""
        return int(
            await self.owner.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        )

    async def delivered(self) -> int:
        """How many have been settled as delivered."""
        return int(
            await self.owner.fetchval("SELECT coalesce(sum(delivered), 0) FROM integration_hour")
        )


async def wake(redis_url: str, integration_ids: Sequence[UUID]) -> None:
    """Tell the workers, as the API does."""
    async with Redis.from_url(redis_url) as redis:
        await redis.publish(WAKE_CHANNEL, b"".join(one.bytes for one in integration_ids))


async def until_delivered(seeder: Seeder, count: int, *, deadline_s: float = 120) -> None:
    """Wait until `count` deliveries in all are settled."""
    async with asyncio.timeout(deadline_s):
        while await seeder.delivered() < count:
            await asyncio.sleep(0.02)


def _id(*, shard: int | None = None) -> UUID:
    last = os.urandom(1) if shard is None else bytes([shard])
    return uuid7(datetime.now(UTC), os.urandom(9) + last)


_INTEGRATION = """
INSERT INTO integration (tenant_id, id, integration_key, label, description, is_enabled, scopes,
  format, signature, webhook_host, url_hint, headers, secret_header_names, auth_kind, sealed_config,
  sealed_secret, created_at, updated_at)
VALUES ($1, $2, $3, 'Made', '', true, '{readiness}', 'standard', 'v1', '127.0.0.1', 'hook', '{}',
  '{}', 'none', $4, $5, $6, $6)
"""

# Ids as the API makes them: the time, then a count.
_MADE = """
WITH made AS (
  SELECT n, (lpad(to_hex($5::bigint + n / 4096), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0')
    || '8' || substr(md5(n::text), 1, 15))::uuid AS id
  FROM generate_series($3::bigint, $3::bigint + $4::bigint - 1) AS n
)
"""

_DELIVERIES = f"""
{_MADE}, events AS (
  INSERT INTO event (tenant_id, id, type, scope, occurred_at, body)
  SELECT $1, id, $7, 'readiness', now(), $6 FROM made
)
INSERT INTO delivery_due (integration_id, id, tenant_id, event_id)
SELECT ($2::uuid[])[1 + n % cardinality($2::uuid[])], id, $1, id FROM made
"""

_DELIVERY = """
WITH event AS (
  INSERT INTO event (tenant_id, id, type, scope, occurred_at, body)
  VALUES ($1, $3, $5, 'readiness', now(), $4)
)
INSERT INTO delivery_due (integration_id, id, tenant_id, event_id) VALUES ($2, $3, $1, $3)
"""

_HISTORY = f"""
{_MADE}, events AS (
  INSERT INTO event (tenant_id, id, type, scope, occurred_at, body)
  SELECT $1, id, $6, 'readiness', now(), 'history' FROM made
)
INSERT INTO delivery_attempt (tenant_id, delivery_id, number, integration_id, event_id, event_type,
  status, started_at, duration_ms, status_code)
SELECT $1, id, 1, ($2::uuid[])[1 + n % cardinality($2::uuid[])], id, $6, 'delivered', now(), 5, 204
FROM made
"""
