"""GET, POST and DELETE /keys: who may speak for a tenant, or for the operators."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation

from api.authentication import Authenticator
from api.guards import named_tenant, requires
from api.pages import DEFAULT_LIMIT, Limit, page_of, position_of
from api.principal import Principal
from api.services import keys
from api.services.audit import Witness
from shared.contracts.keys import KeyInfo, MadeKey, NewKey
from shared.contracts.pages import Page
from shared.contracts.words import Role
from shared.data.api_keys import list_keys
from shared.data.session import OperatorSession, TenantSession, acting_for, operating


class KeyController(Controller):
    """An admin's keys are the tenant's; an operator who names no tenant means the operators'."""

    path = "/keys"
    tags = ["keys"]
    guards = [requires(Role.ADMIN)]

    @get(summary="List keys, newest first")
    async def listing(
        self,
        request: Request[Principal, Any, Any],
        cursor: FromQuery[str | None] = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[KeyInfo]:
        """Keys without their secrets; revoked and expired ones too."""
        before = position_of(cursor)
        tenant_id = named_tenant(request)
        async with _session(tenant_id, is_read_only=True) as session:
            found = await list_keys(session, tenant_id=tenant_id, before=before, limit=limit + 1)
        return page_of(found, limit=limit, id_of=lambda key: key.id)

    @post(summary="Make a key", opt={"action": "key.create"})
    async def create(
        self,
        request: Request[Principal, Any, Any],
        data: JSONBody[NewKey],
        witness: NamedDependency[SkipValidation[Witness]],
        pepper: NamedDependency[str],
        entropy: NamedDependency[Callable[[int], bytes]],
    ) -> MadeKey:
        """Make a key. It is shown in this answer and never again."""
        tenant_id = named_tenant(request)
        async with _session(tenant_id) as session:
            return await keys.create(
                session,
                data,
                tenant_id=tenant_id,
                pepper=pepper,
                entropy=entropy,
                witness=witness,
            )

    @delete("/{key_id:uuid}", summary="Revoke a key", opt={"action": "key.revoke"})
    async def revoke(
        self,
        request: Request[Principal, Any, Any],
        key_id: FromPath[UUID],
        witness: NamedDependency[SkipValidation[Witness]],
        authenticator: NamedDependency[Authenticator],
    ) -> None:
        """Refuse a key from now on, in every process within five seconds."""
        async with _session(named_tenant(request)) as session:
            await keys.revoke(session, key_id, witness=witness)
        authenticator.forget(key_id)


def _session(
    tenant_id: UUID | None, *, is_read_only: bool = False
) -> AbstractAsyncContextManager[TenantSession | OperatorSession]:
    if tenant_id is None:
        return operating(is_read_only=is_read_only)
    return acting_for(tenant_id, is_read_only=is_read_only)
