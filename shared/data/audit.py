"""The audit: rows are added in the transaction they speak of, and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from shared.contracts.audit import AuditEntry
from shared.data.connection import Row
from shared.data.session import OperatorSession, TenantSession, WorkerSession

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
    await session.connection.execute(
        """
        INSERT INTO audit (id, tenant_id, at, actor_kind, actor_id, actor_label, action,
          target_kind, target_id, outcome, before, after, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        entry_id,
        tenant_id,
        now,
        actor.kind,
        actor.id,
        actor.label,
        act.action,
        act.target_kind,
        act.target_id,
        act.outcome,
        _encoded(act.before),
        _encoded(act.after),
        request_id,
    )


async def list_entries(
    session: TenantSession | OperatorSession,
    *,
    tenant_id: UUID | None,
    before: UUID | None = None,
    limit: int = 200,
) -> list[AuditEntry]:
    """What concerned one tenant, or the operators alone where `tenant_id` is None; newest first."""
    rows = await session.connection.fetch(
        """
        SELECT id, at, actor_kind, actor_id, actor_label, action, target_kind, target_id, outcome,
          before, after, request_id
        FROM audit
        WHERE (tenant_id = $1 OR ($1::uuid IS NULL AND tenant_id IS NULL))
          AND ($2::uuid IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        """,
        tenant_id,
        before,
        limit,
    )
    return [_entry(row) for row in rows]


def _encoded(changes: Changes | None) -> str | None:
    return None if changes is None else msgspec.json.encode(dict(changes)).decode()


def _entry(row: Row) -> AuditEntry:
    values = dict(row.items())
    for name in ("before", "after"):
        if values[name] is not None:
            values[name] = msgspec.json.decode(values[name])
    return AuditEntry(**values)
