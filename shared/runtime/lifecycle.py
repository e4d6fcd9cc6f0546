"""`guardian lifecycle` and `guardian deliveries`: what operators decide about all deliveries."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import msgspec

from shared.data import audit
from shared.data.engine import close_pool, open_pool
from shared.data.lifecycle import LifecycleRun, plan_lifecycle, run_lifecycle
from shared.data.pause import Pause, pause, read_pause, resume
from shared.data.retention import Month
from shared.data.session import OperatorSession, operating
from shared.domain.uuid7 import Ids
from shared.runtime.kept import kept_system
from shared.runtime.operators import operate, who
from shared.settings import DatabaseSettings, RetentionSettings, load

REASON = "by an operator"


def run_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian lifecycle run [--dry-run] [--json]`."""
    settings = kept_system(env, options.data_dir)
    url = load(DatabaseSettings, settings).database_url
    days = load(RetentionSettings, settings).guardian_retention_days
    done = asyncio.run(_run(url, days=days, is_dry=options.dry_run))
    if options.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(done), indent=2).decode() + "\n")
        return 0
    verb = "would go" if done.is_dry else "gone"
    for month in done.dropped:
        sys.stdout.write(f"{verb}: {_told(month)}\n")
    for month in done.held:
        sys.stdout.write(f"stays: {_told(month)}, {month.undelivered} undelivered need it\n")
    sys.stdout.write(
        f"{len(done.dropped)} months older than {done.before:%Y-%m-%d} {verb}, "
        f"{len(done.held)} stay; {done.hours_folded} hours of counters folded; "
        f"{done.tenants_with_own_policy} tenants keep less, {done.rows_forgotten} rows of theirs "
        "forgotten\n"
    )
    return 0


def status_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian deliveries status`."""
    return _show(options, _deliveries(options, env, read_pause))


def pause_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian deliveries pause [--reason TEXT]`."""

    async def work(session: OperatorSession) -> Pause:
        reason = options.reason or REASON
        if await pause(session, reason, now=_now()):
            await _record(session, "deliveries.pause", reason)
        return await read_pause(session)

    return _show(options, _deliveries(options, env, work))


def resume_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian deliveries resume`."""

    async def work(session: OperatorSession) -> Pause:
        before = await read_pause(session)
        if await resume(session):
            await _record(session, "deliveries.resume", before.reason or "")
        return await read_pause(session)

    return _show(options, _deliveries(options, env, work))


async def _run(url: str, *, days: int, is_dry: bool) -> LifecycleRun:
    if is_dry:
        return await operate(url, lambda session: plan_lifecycle(session, now=_now(), days=days))
    await open_pool(url, size=1, name="guardian lifecycle")
    try:
        return await run_lifecycle(operating, now=_now(), days=days, ids=_ids, actor=who())
    finally:
        await close_pool()


def _told(month: Month) -> str:
    return f"{month.name}, about {month.rows} rows, {month.bytes / 1_000_000:.1f} MB"


def _deliveries(
    options: argparse.Namespace,
    env: Mapping[str, str],
    work: Callable[[OperatorSession], Awaitable[Pause]],
) -> Pause:
    url = load(DatabaseSettings, kept_system(env, options.data_dir)).database_url
    return asyncio.run(operate(url, work))


def _show(options: argparse.Namespace, state: Pause) -> int:
    if options.json:
        sys.stdout.write(msgspec.json.encode(state).decode() + "\n")
    elif state.paused_since is None:
        sys.stdout.write(f"Deliveries go out; {state.waiting} wait.\n")
    else:
        sys.stdout.write(
            f"Deliveries are paused since {state.paused_since:%Y-%m-%d %H:%M} UTC "
            f"({state.reason}); {state.waiting} wait.\n"
        )
    return 0


async def _record(session: OperatorSession, action: str, reason: str) -> None:
    await audit.record(
        session,
        audit.Act(action=action, target_kind="deliveries", target_id="", after={"reason": reason}),
        entry_id=_ids(),
        tenant_id=None,
        actor=audit.Actor(kind="command", label=who()),
        now=_now(),
    )


def _now() -> datetime:
    return datetime.now(UTC)


_ids = Ids(_now)
