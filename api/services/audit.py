"""Records what was done through the API and what was refused, and reads it back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.audit import AuditEntry
from shared.data import audit
from shared.data.audit import Act, Actor
from shared.data.session import OperatorSession, TenantSession, acting_for, operating
from shared.domain.uuid7 import Ids

REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class Witness:
    """Who asks, with which request: what a service needs to record what it does.

    Attributes:
        actor: the key that asks.
        request_id: of the request it came with.
        clock: now.
        ids: makes the rows' ids.
    """

    actor: Actor
    request_id: str
    clock: Callable[[], datetime]
    ids: Ids


async def record(
    session: TenantSession | OperatorSession,
    act: Act,
    *,
    witness: Witness,
    tenant_id: UUID | None,
) -> None:
    """Record `act` in the transaction that does it."""
    await audit.record(
        session,
        act,
        entry_id=witness.ids(),
        tenant_id=tenant_id,
        actor=witness.actor,
        now=witness.clock(),
        request_id=witness.request_id,
    )


async def record_refusal(act: Act, *, code: str, witness: Witness, tenant_id: UUID | None) -> None:
    """Record a refusal in a transaction of its own, since the refused one rolled back."""
    refused = Act(
        action=act.action,
        target_kind=act.target_kind,
        target_id=act.target_id,
        outcome="refused",
        after={"code": code},
    )
    if tenant_id is None:
        async with operating() as session:
            await record(session, refused, witness=witness, tenant_id=None)
    else:
        async with acting_for(tenant_id) as session:
            await record(session, refused, witness=witness, tenant_id=tenant_id)


async def entries(
    session: TenantSession | OperatorSession,
    *,
    tenant_id: UUID | None,
    before: UUID | None,
    limit: int,
) -> list[AuditEntry]:
    """One more entry than `limit`, so that the caller sees whether there is a next page."""
    return await audit.list_entries(session, tenant_id=tenant_id, before=before, limit=limit + 1)
