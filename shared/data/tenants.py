"""Tenants, as only the operator may make and end them."""

from datetime import datetime
from uuid import UUID

from shared.contracts.tenants import Tenant
from shared.data.connection import Row
from shared.data.session import OperatorSession
from shared.errors import NotFoundError


async def create_tenant(
    session: OperatorSession, name: str, *, tenant_id: UUID, now: datetime
) -> Tenant:
    """Make a tenant; its rows are seen from now on by sessions that act for it."""
    await session.connection.execute(
        "INSERT INTO tenant (id, name, created_at) VALUES ($1, $2, $3)", tenant_id, name, now
    )
    return Tenant(id=tenant_id, name=name, created_at=now)


async def list_tenants(
    session: OperatorSession, *, before: UUID | None = None, limit: int = 200
) -> list[Tenant]:
    """Tenants, newest first, those made before `before`."""
    rows = await session.connection.fetch(
        """
        SELECT id, name, created_at FROM tenant
        WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2
        """,
        before,
        limit,
    )
    return [_tenant(row) for row in rows]


async def has_tenant(session: OperatorSession, tenant_id: UUID) -> bool:
    """Whether there is such a tenant."""
    found = await session.connection.fetchval("SELECT true FROM tenant WHERE id = $1", tenant_id)
    return found is not None


async def delete_tenant(session: OperatorSession, tenant_id: UUID) -> Tenant:
    """End a tenant and delete everything that belongs to it, except what the audit recorded.

    Raises:
        NotFoundError: there is no such tenant.
    """
    row = await session.connection.fetchrow(
        "DELETE FROM tenant WHERE id = $1 RETURNING id, name, created_at", tenant_id
    )
    if row is None:
        raise NotFoundError
    return _tenant(row)


def _tenant(row: Row) -> Tenant:
    return Tenant(id=row["id"], name=row["name"], created_at=row["created_at"])
