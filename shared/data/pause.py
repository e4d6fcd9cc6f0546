"""Holding all deliveries back, and letting them go on."""

from datetime import datetime

import msgspec

from shared.data.session import OperatorSession


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Whether deliveries are held back.

    Attributes:
        paused_since: None while they go out.
        reason: why, as the operator said.
        waiting: deliveries that are undelivered.
    """

    paused_since: datetime | None
    reason: str | None
    waiting: int


async def read_pause(session: OperatorSession) -> Pause:
    """How it stands."""
    row = await session.connection.fetchrow(_READ)
    if row is None:
        raise RuntimeError("the migration made the row of system_state")
    return Pause(
        paused_since=row["paused_since"], reason=row["paused_reason"], waiting=row["waiting"]
    )


async def pause(session: OperatorSession, reason: str, *, now: datetime) -> bool:
    """Hold deliveries back; False when they were held back already, which stays as it was."""
    tag = await session.connection.execute(
        "UPDATE system_state SET paused_since = $1, paused_reason = $2 WHERE paused_since IS NULL",
        now,
        reason,
    )
    return tag == "UPDATE 1"


async def resume(session: OperatorSession) -> bool:
    """Let deliveries go on; False when they were not held back."""
    tag = await session.connection.execute(
        "UPDATE system_state SET paused_since = NULL, paused_reason = NULL "
        "WHERE paused_since IS NOT NULL"
    )
    return tag == "UPDATE 1"


_READ = """
SELECT paused_since, paused_reason, (SELECT count(*) FROM delivery_due) AS waiting
FROM system_state
"""
