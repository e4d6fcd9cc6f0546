"""One run of retention: what goes, what is held back, and the audit row that says so.

It concerns the partitions of all tenants at once, so it is recorded in the operators' own audit and
not as an observation of any tenant.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from shared.data import audit
from shared.data.retention import (
    HOURS_LIVE,
    Month,
    drop_month,
    fold_hours,
    forget_history,
    old_months,
    own_policies,
)
from shared.data.session import OperatorSession, WorkerSession

BATCH = 2000
PAUSES_S = (0.2, 1.0, 3.0, 0.0)
"""After each try to let a month go that found the tables in use."""

Session = OperatorSession | WorkerSession
Open = Callable[[], AbstractAsyncContextManager[Any]]
"""Opens a session of the worker or the operator."""


class LifecycleRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, or would do.

    Attributes:
        is_dry: whether it only looked.
        before: everything of a month that ended before then may go.
        dropped: months that went.
        held: months that stayed, since an undelivered delivery needs them or the queue was busy.
        hours_folded: counters' hours that became part of a month.
        tenants_with_own_policy: those that keep their history for less long.
        rows_forgotten: events and attempts of theirs that were deleted.
    """

    is_dry: bool
    before: datetime
    dropped: list[Month]
    held: list[Month]
    hours_folded: int = 0
    tenants_with_own_policy: int = 0
    rows_forgotten: int = 0


async def plan_lifecycle(session: Session, *, now: datetime, days: int) -> LifecycleRun:
    """Say what a run would do now."""
    before = now - timedelta(days=days)
    months = await old_months(session, before)
    return LifecycleRun(
        is_dry=True,
        before=before,
        dropped=[one for one in months if not one.undelivered],
        held=[one for one in months if one.undelivered],
        tenants_with_own_policy=len(await own_policies(session, days=days)),
    )


async def run_lifecycle(
    open_session: Open, *, now: datetime, days: int, ids: Callable[[], UUID], actor: str
) -> LifecycleRun:
    """Drop a month a transaction, forget what tenants keep for less long, fold the counters.

    It is recorded where anything was done.

    Args:
        open_session: `working` or `operating`.
        now: the present.
        days: what is younger stays.
        ids: makes the audit row's id.
        actor: `worker`, or who gave the command.
    """
    async with open_session() as session:
        plan = await plan_lifecycle(session, now=now, days=days)
    dropped: list[Month] = []
    held = list(plan.held)
    for month in plan.dropped:
        is_gone = await _is_let_go(open_session, month)
        (dropped if is_gone else held).append(month)
    forgotten = await _forget(open_session, now=now, days=days)
    async with open_session() as session:
        hours = await fold_hours(session, now - HOURS_LIVE)
        done = LifecycleRun(
            is_dry=False,
            before=plan.before,
            dropped=dropped,
            held=held,
            hours_folded=hours,
            tenants_with_own_policy=plan.tenants_with_own_policy,
            rows_forgotten=forgotten,
        )
        if dropped or held or hours or forgotten:
            await _record(session, done, entry_id=ids(), actor=actor, now=now)
    return done


async def _forget(open_session: Open, *, now: datetime, days: int) -> int:
    async with open_session() as session:
        policies = await own_policies(session, days=days)
    forgotten = 0
    for policy in policies:
        before = now - timedelta(days=policy.days)
        while True:
            async with open_session() as session:
                count = await forget_history(session, policy.tenant_id, before, limit=BATCH)
            forgotten += count
            if count < BATCH:
                break
    return forgotten


async def _is_let_go(open_session: Open, month: Month) -> bool:
    """Try some times; where the tables are never free, the next run tries again."""
    for pause_s in PAUSES_S:
        try:
            async with open_session() as session:
                return await drop_month(session, month)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(pause_s)
    return False


async def _record(
    session: Session, done: LifecycleRun, *, entry_id: UUID, actor: str, now: datetime
) -> None:
    await audit.record(
        session,
        audit.Act(
            action="lifecycle.run",
            target_kind="partition",
            target_id="",
            after={
                "before": done.before,
                "dropped": [one.name for one in done.dropped],
                "held": [one.name for one in done.held],
                "rows_deleted": sum(one.rows for one in done.dropped),
                "hours_folded": done.hours_folded,
                "rows_forgotten": done.rows_forgotten,
            },
        ),
        entry_id=entry_id,
        tenant_id=None,
        actor=audit.Actor(kind="worker" if actor == "worker" else "command", label=actor),
        now=now,
    )
