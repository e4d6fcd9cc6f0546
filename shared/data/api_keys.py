"""Bearer keys as rows: what is stored can recognise a key but not make one.

Row-level security decides whose keys a session sees: a tenant's own, or for an operator all.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.keys import KeyInfo
from shared.contracts.words import Role
from shared.data.connection import Row
from shared.data.session import OperatorSession, TenantSession
from shared.errors import NotFoundError

_SHOWN = "id, role, label, prefix, created_at, last_used_at, expires_at, revoked_at"
_STORED = "id, tenant_id, role, label, digest, last_used_at, expires_at, revoked_at"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What recognises one key, and what it may do."""

    id: UUID
    tenant_id: UUID | None
    role: Role
    label: str
    digest: bytes
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


async def create_key(
    session: TenantSession | OperatorSession,
    *,
    key_id: UUID,
    tenant_id: UUID | None,
    role: Role,
    label: str,
    prefix: str,
    digest: bytes,
    now: datetime,
    expires_at: datetime | None = None,
) -> KeyInfo:
    """Store what recognises a key that was just made.

    Args:
        session: whose policies the row must pass.
        key_id: the row's id, not part of the key.
        tenant_id: whom it belongs to; None exactly for the role operator.
        role: what it may do.
        label: the owner's name for it.
        prefix: the part of the key that finds the row; unique.
        digest: the keyed digest of the whole key.
        now: when it was made.
        expires_at: from when on it is refused.
    """
    await session.connection.execute(
        """
        INSERT INTO api_key (id, tenant_id, role, label, prefix, digest, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        key_id,
        tenant_id,
        role,
        label,
        prefix,
        digest,
        now,
        expires_at,
    )
    return KeyInfo(
        id=key_id, role=role, label=label, prefix=prefix, created_at=now, expires_at=expires_at
    )


async def list_keys(
    session: TenantSession | OperatorSession,
    *,
    tenant_id: UUID | None,
    before: UUID | None = None,
    limit: int = 200,
) -> list[KeyInfo]:
    """The keys of one tenant, or of the operators where `tenant_id` is None; newest first."""
    rows = await session.connection.fetch(
        f"""
        SELECT {_SHOWN} FROM api_key
        WHERE (tenant_id = $1 OR ($1::uuid IS NULL AND tenant_id IS NULL))
          AND ($2::uuid IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        """,  # noqa: S608 - the columns are a constant
        tenant_id,
        before,
        limit,
    )
    return [_info(row) for row in rows]


async def revoke_key(
    session: TenantSession | OperatorSession, key_id: UUID, *, now: datetime
) -> StoredKey:
    """Refuse a key from now on; a second time changes nothing.

    Raises:
        NotFoundError: the session sees no such key.
    """
    row = await session.connection.fetchrow(
        f"""
        UPDATE api_key SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1
        RETURNING {_STORED}
        """,  # noqa: S608 - the columns are a constant
        key_id,
        now,
    )
    if row is None:
        raise NotFoundError
    return _stored(row)


async def find_key(session: OperatorSession, prefix: str) -> StoredKey | None:
    """The key that begins with `prefix`, revoked and expired ones too."""
    row = await session.connection.fetchrow(
        f"SELECT {_STORED} FROM api_key WHERE prefix = $1",  # noqa: S608 - constant columns
        prefix,
    )
    return None if row is None else _stored(row)


async def touch_key(session: OperatorSession, key_id: UUID, *, now: datetime) -> None:
    """Note that a key was used."""
    await session.connection.execute(
        "UPDATE api_key SET last_used_at = $2 WHERE id = $1", key_id, now
    )


def _info(row: Row) -> KeyInfo:
    return KeyInfo(
        id=row["id"],
        role=Role(row["role"]),
        label=row["label"],
        prefix=row["prefix"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def _stored(row: Row) -> StoredKey:
    return StoredKey(
        id=row["id"],
        tenant_id=row["tenant_id"],
        role=Role(row["role"]),
        label=row["label"],
        digest=row["digest"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
