"""One run of retention: what goes, what is held back, and the audit row that says so.

It concerns the partitions of all tenants at once, so it is recorded in the operators' own audit and
not as an observation of any tenant.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from shared.data import audit
from shared.data.retention import HOURS_LIVE, Month, drop_month, fold_hours, old_months
from shared.data.session import OperatorSession, WorkerSession

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
    """

    is_dry: bool
    before: datetime
    dropped: list[Month]
    held: list[Month]
    hours_folded: int = 0


async def plan_lifecycle(session: Session, *, now: datetime, days: int) -> LifecycleRun:
    """Say what a run would do now."""
    before = now - timedelta(days=days)
    months = await old_months(session, before)
    return LifecycleRun(
        is_dry=True,
        before=before,
        dropped=[one for one in months if not one.undelivered],
        held=[one for one in months if one.undelivered],
    )


async def run_lifecycle(
    open_session: Open, *, now: datetime, days: int, ids: Callable[[], UUID], actor: str
) -> LifecycleRun:
    """Drop a month a transaction, fold the counters, and record it where anything was done.

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
        try:
            async with open_session() as session:
                is_gone = await drop_month(session, month)
        except asyncpg.LockNotAvailableError:
            is_gone = False  # the next run tries again
        (dropped if is_gone else held).append(month)
    async with open_session() as session:
        hours = await fold_hours(session, now - HOURS_LIVE)
        done = LifecycleRun(
            is_dry=False, before=plan.before, dropped=dropped, held=held, hours_folded=hours
        )
        if dropped or held or hours:
            await _record(session, done, entry_id=ids(), actor=actor, now=now)
    return done


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
            },
        ),
        entry_id=entry_id,
        tenant_id=None,
        actor=audit.Actor(kind="worker" if actor == "worker" else "command", label=actor),
        now=now,
    )
