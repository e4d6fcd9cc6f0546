"""GET, POST and DELETE /tenants: the operators' business."""

from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation

from api.authentication import Authenticator
from api.guards import requires
from api.pages import DEFAULT_LIMIT, Limit, page_of, position_of
from api.services import tenants
from api.services.audit import Witness
from shared.contracts.pages import Page
from shared.contracts.tenants import NewTenant, Tenant
from shared.contracts.words import Role
from shared.data.session import operating
from shared.data.tenants import list_tenants


class TenantController(Controller):
    """Whom data belongs to."""

    path = "/tenants"
    tags = ["tenants"]
    guards = [requires(Role.OPERATOR)]

    @get(summary="List tenants, newest first")
    async def listing(
        self, cursor: FromQuery[str | None] = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[Tenant]:
        """Every tenant of this Guardian."""
        before = position_of(cursor)
        async with operating(is_read_only=True) as session:
            found = await list_tenants(session, before=before, limit=limit + 1)
        return page_of(found, limit=limit, id_of=lambda tenant: tenant.id)

    @post(summary="Make a tenant", opt={"action": "tenant.create"})
    async def create(
        self, data: JSONBody[NewTenant], witness: NamedDependency[SkipValidation[Witness]]
    ) -> Tenant:
        """Make a tenant; make a key for it next."""
        async with operating() as session:
            return await tenants.create(session, data, witness=witness)

    @delete(
        "/{target_id:uuid}",
        summary="Delete a tenant",
        opt={"action": "tenant.delete"},
    )
    async def delete(
        self,
        target_id: FromPath[UUID],
        witness: NamedDependency[SkipValidation[Witness]],
        authenticator: NamedDependency[Authenticator],
    ) -> None:
        """Delete a tenant with everything that belongs to it; only the audit remembers it."""
        async with operating() as session:
            await tenants.delete(session, target_id, witness=witness)
        authenticator.forget_tenant(target_id)
