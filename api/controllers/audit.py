"""GET /audit: who did what, and when."""

from typing import Any

from litestar import Controller, Request, get
from litestar.params import FromQuery

from api.guards import named_tenant, requires
from api.pages import DEFAULT_LIMIT, Limit, page_of, position_of
from api.principal import Principal
from api.services import audit
from shared.contracts.audit import AuditEntry
from shared.contracts.pages import Page
from shared.contracts.words import Role
from shared.data.session import acting_for, operating


class AuditController(Controller):
    """What was done and what was refused; nobody can change it."""

    path = "/audit"
    tags = ["audit"]
    guards = [requires(Role.ADMIN)]

    @get(summary="List acts, newest first")
    async def listing(
        self,
        request: Request[Principal, Any, Any],
        cursor: FromQuery[str | None] = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[AuditEntry]:
        """A tenant's acts; for an operator who names no tenant, the operators' own."""
        before = position_of(cursor)
        tenant_id = named_tenant(request)
        opened = operating(is_read_only=True)
        if tenant_id is not None:
            opened = acting_for(tenant_id, is_read_only=True)
        async with opened as session:
            found = await audit.entries(session, tenant_id=tenant_id, before=before, limit=limit)
        return page_of(found, limit=limit, id_of=lambda entry: entry.id)
