"""Bearer keys as rows: what is stored can recognise a key but not make one.

Row-level security decides whose keys a session sees: a tenant's own, or for an operator all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.contracts.keys import KeyInfo
from shared.contracts.words import Role
from shared.data.session import OperatorSession, TenantSession
from shared.data.tables import ApiKey
from shared.errors import NotFoundError

_SHOWN = (
    ApiKey.id,
    ApiKey.role,
    ApiKey.label,
    ApiKey.prefix,
    ApiKey.created_at,
    ApiKey.last_used_at,
    ApiKey.expires_at,
    ApiKey.revoked_at,
)
_STORED = (
    ApiKey.id,
    ApiKey.tenant_id,
    ApiKey.role,
    ApiKey.label,
    ApiKey.digest,
    ApiKey.last_used_at,
    ApiKey.expires_at,
    ApiKey.revoked_at,
)


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
    await ApiKey.insert(
        ApiKey(
            id=key_id,
            tenant_id=tenant_id,
            role=str(role),
            label=label,
            prefix=prefix,
            digest=digest,
            created_at=now,
            expires_at=expires_at,
        )
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
    owned = ApiKey.tenant_id.is_null() if tenant_id is None else ApiKey.tenant_id == tenant_id
    earlier = [] if before is None else [ApiKey.id < before]
    rows = (
        await ApiKey.select(*_SHOWN)
        .where(owned, *earlier)
        .order_by(ApiKey.id, ascending=False)
        .limit(limit)
    )
    return [_info(row) for row in rows]


async def revoke_key(
    session: TenantSession | OperatorSession, key_id: UUID, *, now: datetime
) -> StoredKey:
    """Refuse a key from now on; a second time changes nothing.

    Raises:
        NotFoundError: the session sees no such key.
    """
    await (
        ApiKey.update({ApiKey.revoked_at: now})
        .where(ApiKey.id == key_id)
        .where(ApiKey.revoked_at.is_null())
    )
    row = await ApiKey.select(*_STORED).where(ApiKey.id == key_id).first()
    if row is None:
        raise NotFoundError
    return _stored(row)


async def find_key(session: OperatorSession, prefix: str) -> StoredKey | None:
    """The key that begins with `prefix`, revoked and expired ones too."""
    row = await ApiKey.select(*_STORED).where(ApiKey.prefix == prefix).first()
    return None if row is None else _stored(row)


async def good_keys(
    session: OperatorSession, key_ids: Iterable[UUID], *, now: datetime
) -> set[UUID]:
    """Those of `key_ids` that are neither revoked nor expired."""
    rows = (
        await ApiKey.select(ApiKey.id)
        .where(ApiKey.id.is_in(list(key_ids)), ApiKey.revoked_at.is_null())
        .where(ApiKey.expires_at.is_null() | (ApiKey.expires_at > now))
    )
    return {row["id"] for row in rows}


async def touch_key(session: OperatorSession, key_id: UUID, *, now: datetime) -> None:
    """Note that a key was used."""
    await ApiKey.update({ApiKey.last_used_at: now}).where(ApiKey.id == key_id)


def _info(row: dict[str, Any]) -> KeyInfo:
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


def _stored(row: dict[str, Any]) -> StoredKey:
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
