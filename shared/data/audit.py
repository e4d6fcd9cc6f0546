"""The audit: rows are added in the transaction they speak of, and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.contracts.audit import AuditEntry
from shared.data.session import OperatorSession, TenantSession, WorkerSession
from shared.data.tables import Audit

Changes = Mapping[str, object]
"""Names and values of what was changed; secrets are redacted before they come here."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `key` (with its id and label), `command` or `worker`."""

    kind: str
    label: str
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What is done, such as `integration.create`, and to what."""

    action: str
    target_kind: str
    target_id: str
    outcome: str = "done"
    before: Changes | None = None
    after: Changes | None = None


async def record(
    session: TenantSession | OperatorSession | WorkerSession,
    act: Act,
    *,
    entry_id: UUID,
    tenant_id: UUID | None,
    actor: Actor,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Add one row, committed or forgotten together with what the session did.

    Args:
        session: for a tenant it may only name that tenant.
        act: what was done or refused.
        entry_id: the row's own id.
        tenant_id: whom it concerns; None for the operators' own affairs.
        actor: who did it.
        now: when.
        request_id: the request it came with, to be found in the log.
    """
    await Audit.insert(
        Audit(
            id=entry_id,
            tenant_id=tenant_id,
            at=now,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_label=actor.label,
            action=act.action,
            target_kind=act.target_kind,
            target_id=act.target_id,
            outcome=act.outcome,
            before=_encoded(act.before),
            after=_encoded(act.after),
            request_id=request_id,
        )
    )


async def list_entries(
    session: TenantSession | OperatorSession,
    *,
    tenant_id: UUID | None,
    before: UUID | None = None,
    limit: int = 200,
) -> list[AuditEntry]:
    """What concerned one tenant, or the operators alone where `tenant_id` is None; newest first."""
    concerned = Audit.tenant_id.is_null() if tenant_id is None else Audit.tenant_id == tenant_id
    earlier = [] if before is None else [Audit.id < before]
    rows = (
        await Audit.select(*Audit.all_columns(exclude=[Audit.tenant_id]))
        .where(concerned, *earlier)
        .order_by(Audit.id, ascending=False)
        .limit(limit)
    )
    return [_entry(row) for row in rows]


def _encoded(changes: Changes | None) -> str | None:
    return None if changes is None else msgspec.json.encode(dict(changes)).decode()


def _entry(values: dict[str, Any]) -> AuditEntry:
    for name in ("before", "after"):
        if values[name] is not None:
            values[name] = msgspec.json.decode(values[name])
    return AuditEntry(**values)
