"""Tenants, as operators make and end them through the API."""

from uuid import UUID

from api.services.audit import Witness, record
from shared.contracts.tenants import NewTenant, Tenant
from shared.data import tenants
from shared.data.audit import Act
from shared.data.session import OperatorSession


async def create(session: OperatorSession, new: NewTenant, *, witness: Witness) -> Tenant:
    """Make a tenant."""
    tenant = await tenants.create_tenant(
        session, new.name, tenant_id=witness.ids(), now=witness.clock()
    )
    act = Act("tenant.create", "tenant", str(tenant.id), after={"name": tenant.name})
    await record(session, act, witness=witness, tenant_id=None)
    return tenant


async def delete(session: OperatorSession, tenant_id: UUID, *, witness: Witness) -> None:
    """End a tenant and everything of it; the audit keeps that it was.

    Raises:
        NotFoundError: there is no such tenant.
    """
    tenant = await tenants.delete_tenant(session, tenant_id)
    act = Act("tenant.delete", "tenant", str(tenant_id), before={"name": tenant.name})
    await record(session, act, witness=witness, tenant_id=None)
