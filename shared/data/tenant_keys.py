"""The row that holds a tenant's key, sealed; deleting the tenant deletes it."""

from datetime import datetime
from uuid import UUID

from shared.data.session import OperatorSession, TenantSession


async def read(session: TenantSession) -> bytes | None:
    """The key of the session's tenant, None where it has none yet."""
    return await session.connection.fetchval(
        "SELECT sealed_key FROM tenant_key WHERE tenant_id = $1", session.tenant_id
    )


async def keep(
    session: TenantSession | OperatorSession, tenant_id: UUID, sealed_key: bytes, *, now: datetime
) -> bytes:
    """Give the tenant this key unless it has one, and answer the one it has."""
    sql = session.connection
    await sql.execute(
        "INSERT INTO tenant_key (tenant_id, sealed_key, created_at) VALUES ($1, $2, $3) "
        "ON CONFLICT DO NOTHING",
        tenant_id,
        sealed_key,
        now,
    )
    return await sql.fetchval("SELECT sealed_key FROM tenant_key WHERE tenant_id = $1", tenant_id)
