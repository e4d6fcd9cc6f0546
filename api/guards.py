"""Who may do what: the role first, then the tenant that the request names.

Guards run before a body is read, so a caller learns nothing about a route that is not theirs.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.principal import Principal
from shared.contracts.words import Role
from shared.data.session import operating
from shared.data.tenants import has_tenant
from shared.errors import FieldError, ForbiddenError, InvalidError, NotFoundError

WORKSPACE = "workspaceId"

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


def requires(*roles: Role) -> Guard:
    """Let in keys of one of `roles`, and whoever may do everything the roles may.

    An admin may do what any role of a tenant may; an operator may act in any tenant. Nobody but an
    operator may do an operator's work.
    """
    allowed = {*roles, Role.OPERATOR}
    if any(role is not Role.OPERATOR for role in roles):
        allowed.add(Role.ADMIN)

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal: Principal = connection.user
        if principal.role not in allowed:
            raise ForbiddenError(f"A key of the role {principal.role} may not do this.")
        connection.state.tenant_id = await _judged_tenant(connection, principal)

    return guard


def named_tenant(connection: ASGIConnection[Any, Any, Any, Any]) -> UUID | None:
    """The tenant a request is about; None where an operator named none."""
    tenant_id: UUID | None = connection.state.tenant_id
    return tenant_id


def tenant_of(connection: ASGIConnection[Any, Any, Any, Any]) -> UUID:
    """The tenant a request is about, where there must be one.

    Raises:
        InvalidError: an operator did not name one.
    """
    tenant_id = named_tenant(connection)
    if tenant_id is None:
        needed = FieldError(WORKSPACE, "missing", "An operator's key must name the tenant.")
        raise InvalidError(errors=[needed])
    return tenant_id


async def _judged_tenant(
    connection: ASGIConnection[Any, Any, Any, Any], principal: Principal
) -> UUID | None:
    named = connection.query_params.get(WORKSPACE)
    if named is None:
        return principal.tenant_id
    try:
        tenant_id = UUID(named)
    except ValueError:
        refused = FieldError(WORKSPACE, "malformed", "A UUID is expected.")
        raise InvalidError(errors=[refused]) from None
    if principal.tenant_id is not None:
        if tenant_id != principal.tenant_id:
            raise NotFoundError
        return tenant_id
    async with operating(is_read_only=True) as session:
        if not await has_tenant(session, tenant_id):
            raise NotFoundError
    return tenant_id
