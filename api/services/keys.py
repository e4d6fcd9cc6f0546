"""Keys, as admins and operators make and revoke them through the API."""

from collections.abc import Callable
from uuid import UUID

from api.services.audit import Witness, record
from shared.contracts.keys import MadeKey, NewKey
from shared.contracts.words import Role
from shared.data.api_keys import create_key, revoke_key
from shared.data.audit import Act
from shared.data.session import OperatorSession, TenantSession
from shared.domain import api_keys
from shared.errors import FieldError, InvalidError


async def create(
    session: TenantSession | OperatorSession,
    new: NewKey,
    *,
    tenant_id: UUID | None,
    pepper: str,
    entropy: Callable[[int], bytes],
    witness: Witness,
) -> MadeKey:
    """Make a key of a tenant, or of the operators where `tenant_id` is None.

    Raises:
        InvalidError: the role does not fit the owner, or it would already have expired.
    """
    now = witness.clock()
    if (new.role is Role.OPERATOR) != (tenant_id is None):
        message = (
            "A tenant's key is a reader, an ingest or an admin key."
            if tenant_id is not None
            else "Without `workspaceId` only an operator's key can be made."
        )
        raise InvalidError(errors=[FieldError("$.role", "not_allowed", message)])
    if new.expires_at is not None and new.expires_at <= now:
        passed = FieldError("$.expires_at", "out_of_range", "It must lie in the future.")
        raise InvalidError(errors=[passed])
    key = api_keys.new_key(entropy(api_keys.ENTROPY_BYTES))
    info = await create_key(
        session,
        key_id=witness.ids(),
        tenant_id=tenant_id,
        role=new.role,
        label=new.label,
        prefix=key.prefix,
        digest=api_keys.digest(key.text, pepper=pepper),
        now=now,
        expires_at=new.expires_at,
    )
    after = {"role": info.role, "label": info.label, "prefix": info.prefix}
    act = Act("key.create", "key", str(info.id), after=after)
    await record(session, act, witness=witness, tenant_id=tenant_id)
    return MadeKey(
        id=info.id,
        role=info.role,
        label=info.label,
        prefix=info.prefix,
        created_at=info.created_at,
        expires_at=info.expires_at,
        key=key.text,
    )


async def revoke(
    session: TenantSession | OperatorSession, key_id: UUID, *, witness: Witness
) -> None:
    """Refuse a key from now on.

    Raises:
        NotFoundError: the session sees no such key.
    """
    key = await revoke_key(session, key_id, now=witness.clock())
    act = Act("key.revoke", "key", str(key_id), before={"role": key.role, "label": key.label})
    await record(session, act, witness=witness, tenant_id=key.tenant_id)
