"""Tenants, as only the operator may make and end them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.contracts.tenants import Tenant
from shared.data import tables
from shared.data.session import OperatorSession
from shared.errors import NotFoundError


async def create_tenant(
    session: OperatorSession, name: str, *, tenant_id: UUID, now: datetime
) -> Tenant:
    """Make a tenant; its rows are seen from now on by sessions that act for it."""
    await tables.Tenant.insert(tables.Tenant(id=tenant_id, name=name, created_at=now))
    return Tenant(id=tenant_id, name=name, created_at=now)


async def list_tenants(
    session: OperatorSession, *, before: UUID | None = None, limit: int = 200
) -> list[Tenant]:
    """Tenants, newest first, those made before `before`."""
    earlier = [] if before is None else [tables.Tenant.id < before]
    rows = (
        await tables.Tenant.select()
        .where(*earlier)
        .order_by(tables.Tenant.id, ascending=False)
        .limit(limit)
    )
    return [_tenant(row) for row in rows]


async def has_tenant(session: OperatorSession, tenant_id: UUID) -> bool:
    """Whether there is such a tenant."""
    return await tables.Tenant.exists().where(tables.Tenant.id == tenant_id)


async def present_tenants(session: OperatorSession, tenant_ids: Iterable[UUID]) -> set[UUID]:
    """Those of `tenant_ids` that there are."""
    it = tables.Tenant.id
    rows = await tables.Tenant.select(it).where(it.is_in(list(tenant_ids)))
    return {row["id"] for row in rows}


async def delete_tenant(session: OperatorSession, tenant_id: UUID) -> Tenant:
    """End a tenant and delete everything that belongs to it, except what the audit recorded.

    Raises:
        NotFoundError: there is no such tenant.
    """
    it = tables.Tenant.id == tenant_id
    row = await tables.Tenant.select().where(it).lock_rows("UPDATE").first()
    if row is None:
        raise NotFoundError
    await tables.Tenant.delete().where(it)
    return _tenant(row)


async def keep_history(session: OperatorSession, tenant_id: UUID, *, days: int | None) -> Tenant:
    """Keep a tenant's events and attempts for `days`, or for as long as all others'.

    Raises:
        NotFoundError: there is no such tenant.
    """
    it = tables.Tenant.id == tenant_id
    row = await tables.Tenant.select().where(it).first()
    if row is None:
        raise NotFoundError
    await tables.Tenant.update({tables.Tenant.retention_days: days}).where(it)
    return _tenant(row)


def _tenant(row: dict[str, Any]) -> Tenant:
    return Tenant(id=row["id"], name=row["name"], created_at=row["created_at"])
