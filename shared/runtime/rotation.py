"""`guardian rotate-secrets`: seal everything anew under the ring's first key, while all runs on.

That is one small row per tenant, since the ring seals tenants' keys and these seal the secrets.
What the ring sealed itself, before tenants had keys, is sealed anew under its tenant's.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from shared.data import audit, tenant_keys
from shared.data.engine import close_pool, open_pool
from shared.data.session import OperatorSession, operating
from shared.domain.credentials import resealed_credentials, resealed_secret
from shared.domain.sealing import KeyRing
from shared.domain.tenant_keys import new_tenant_key, rewrapped, sealer_of
from shared.domain.uuid7 import Ids
from shared.errors import SealBrokenError, StartError
from shared.runtime.kept import kept_system
from shared.runtime.operators import who
from shared.settings import DatabaseSettings, SealSettings, load

AT_ONCE = 200
"""Rows of one transaction: each waits at most as long as so many are sealed."""


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation did.

    Attributes:
        tenant_keys: of tenants, made or sealed anew.
        integrations: looked at.
        resealed: of them, sealed anew; the others were under their tenant's key already.
        unreadable: ids of those that no key of the ring opens; they stay as they are.
    """

    tenant_keys: int
    integrations: int
    resealed: int
    unreadable: list[UUID]


def command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian rotate-secrets [--json]`; exit 1 when something does not open."""
    settings = kept_system(env, options.data_dir)
    ring = KeyRing.parse(load(SealSettings, settings).guardian_key_ring)
    url = load(DatabaseSettings, settings).database_url
    done = asyncio.run(rotate(url, ring, is_told=not options.json))
    if options.json:
        sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
    else:
        sys.stdout.write(
            f"{done.tenant_keys} tenants' keys and {done.resealed} of {done.integrations} "
            "integrations sealed anew"
            + ("" if done.unreadable else "; keys behind the first may leave the ring")
            + ".\n"
        )
    if done.unreadable:
        sys.stderr.write(
            f"guardian: {len(done.unreadable)} integrations do not open with this ring: "
            "put the key back under which they were sealed.\n"
        )
        return 1
    return 0


async def rotate(url: str, ring: KeyRing, *, is_told: bool = False) -> Rotation:
    """Reseal in batches by key order, each in a transaction of its own; safe to repeat.

    Args:
        url: of the database, for a login that may act as the operator.
        ring: the first key seals, all open.
        is_told: whether each batch is a line on stdout.

    Raises:
        StartError: PostgreSQL cannot be reached or refuses.
    """
    await open_pool(url, size=1, name="guardian rotate-secrets")
    wrapped = 0
    tenant: UUID | None = UUID(int=0)
    after: tuple[UUID, UUID] | None = (UUID(int=0), UUID(int=0))
    try:
        while tenant is not None:
            async with operating() as session:
                count, tenant = await _tenants(session, ring, tenant)
            wrapped += count
            if is_told and tenant is not None:
                sys.stdout.write(f"{wrapped} tenants' keys sealed anew\n")
                sys.stdout.flush()
        done = Rotation(tenant_keys=wrapped, integrations=0, resealed=0, unreadable=[])
        while after is not None:
            async with operating() as session:
                done, after = await _batch(session, ring, done, after)
            if is_told and after is not None:
                sys.stdout.write(f"{done.integrations} looked at, {done.resealed} sealed anew\n")
                sys.stdout.flush()
        async with operating() as session:
            await _record(session, done)
    except asyncpg.PostgresError as error:
        raise StartError(f"PostgreSQL refused: {' '.join(str(error).split())}.") from None
    finally:
        await close_pool()
    return done


async def _tenants(session: OperatorSession, ring: KeyRing, after: UUID) -> tuple[int, UUID | None]:
    """Give a key to tenants that need one and seal the others' anew; say how many, and the last."""
    sql = session.connection
    rows = await sql.fetch(_NEXT_TENANTS, after, AT_ONCE)
    count = 0
    for row in rows:
        tenant_id, sealed = row["id"], row["sealed_key"]
        if sealed is None:
            fresh = new_tenant_key(ring, tenant_id=tenant_id)
            await tenant_keys.keep(session, tenant_id, fresh, now=datetime.now(UTC))
            count += 1
            continue
        try:
            anew = rewrapped(ring, sealed, tenant_id=tenant_id)
        except SealBrokenError:
            continue  # its integrations are told of
        if anew != sealed:
            await sql.execute(_REWRAP, tenant_id, anew)
            count += 1
    return count, rows[-1]["id"] if len(rows) == AT_ONCE else None


async def _batch(
    session: OperatorSession, ring: KeyRing, done: Rotation, after: tuple[UUID, UUID]
) -> tuple[Rotation, tuple[UUID, UUID] | None]:
    rows = await session.connection.fetch(_NEXT, *after, AT_ONCE)
    changed: list[tuple[object, ...]] = []
    unreadable: list[UUID] = []
    for row in rows:
        place = {"tenant_id": row["tenant_id"], "integration_id": row["id"]}
        before = (row["sealed_config"], row["sealed_secret"], row["sealed_previous_secret"])
        try:
            sealer = sealer_of(ring, row["sealed_key"], tenant_id=row["tenant_id"])
            sealed = (
                resealed_credentials(sealer, before[0], **place),
                resealed_secret(sealer, before[1], **place),
                None if before[2] is None else resealed_secret(sealer, before[2], **place),
            )
        except SealBrokenError:
            unreadable.append(row["id"])
            continue
        if sealed != before:
            changed.append((row["tenant_id"], row["id"], *sealed))
    if changed:
        await session.connection.executemany(_RESEAL, changed)
    seen = Rotation(
        tenant_keys=done.tenant_keys,
        integrations=done.integrations + len(rows),
        resealed=done.resealed + len(changed),
        unreadable=done.unreadable + unreadable,
    )
    if len(rows) < AT_ONCE:
        return seen, None
    return seen, (rows[-1]["tenant_id"], rows[-1]["id"])


async def _record(session: OperatorSession, done: Rotation) -> None:
    now = datetime.now(UTC)
    await audit.record(
        session,
        audit.Act(
            action="secrets.rotate",
            target_kind="key_ring",
            target_id="",
            after={
                "tenant_keys": done.tenant_keys,
                "integrations": done.integrations,
                "resealed": done.resealed,
            },
        ),
        entry_id=Ids(lambda: now)(),
        tenant_id=None,
        actor=audit.Actor(kind="command", label=who()),
        now=now,
    )


_NEXT = """
SELECT i.tenant_id, i.id, i.sealed_config, i.sealed_secret, i.sealed_previous_secret, k.sealed_key
FROM integration i LEFT JOIN tenant_key k ON k.tenant_id = i.tenant_id
WHERE i.deleted_at IS NULL AND (i.tenant_id, i.id) > ($1, $2)
ORDER BY i.tenant_id, i.id LIMIT $3 FOR UPDATE OF i
"""

_NEXT_TENANTS = """
SELECT t.id, k.sealed_key
FROM tenant t LEFT JOIN tenant_key k ON k.tenant_id = t.id
WHERE t.id > $1 AND (k.sealed_key IS NOT NULL OR EXISTS
  (SELECT FROM integration i WHERE i.tenant_id = t.id AND i.deleted_at IS NULL))
ORDER BY t.id LIMIT $2
"""

_REWRAP = "UPDATE tenant_key SET sealed_key = $2 WHERE tenant_id = $1"

# What is sealed means the same as before, so the version stays and no worker reads it anew.
_RESEAL = """
UPDATE integration SET sealed_config = $3, sealed_secret = $4, sealed_previous_secret = $5
WHERE tenant_id = $1 AND id = $2
"""
