"""Rows for warehouses, in the order in which they were stored, none ever missed.

A page holds nothing that was stored after the horizon, before which everything is settled: what is
stored later, or commits later, comes after it in the order. So whoever asks again from the newest
`updated_at` it has seen gets all that is new, and the rows of that very instant once more.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.contracts.exports import ROWS, Stream
from shared.data.session import OperatorSession, TenantSession


class Position(NamedTuple):
    """The last row of a page: where the next one goes on."""

    updated_at: datetime
    id: str


class Range(NamedTuple):
    """`[since, before)`."""

    since: datetime
    before: datetime


async def horizon(session: TenantSession | OperatorSession) -> datetime:
    """The instant before which every row is visible to the session's next statement."""
    return await session.connection.fetchval("SELECT guardian_horizon()")


async def read_rows(
    session: TenantSession | OperatorSession,
    stream: Stream,
    *,
    tenant_id: UUID | None,
    stored: Range,
    after: Position | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Read a page of a stream, in the order of `(updated_at, id)`.

    Args:
        session: a tenant's sees only its own rows.
        stream: which rows.
        tenant_id: whose rows; None for the deletions of all, which only an operator sees.
        stored: when the rows were stored; ends at the horizon or before it.
        after: the last row of the page before.
        limit: at most so many rows.
    """
    since = stored.since if after is None else max(stored.since, after.updated_at)
    arguments = [since, stored.before, after and after.updated_at, after and after.id, limit]
    if tenant_id is not None:
        rows = await session.connection.fetch(_QUERIES[stream], *arguments, tenant_id)
    elif stream is Stream.DELETIONS:
        rows = await session.connection.fetch(_DELETIONS, *arguments)
    else:
        raise ValueError("only deletions are told across tenants")
    return [dict(row.items()) for row in rows]


def _query(stream: Stream, whose: str) -> str:
    """The names are our own: a stream's token and its contract's fields."""
    columns = ", ".join(ROWS[stream].__struct_fields__)
    return f"""
    SELECT {columns} FROM export_{stream}
    WHERE updated_at >= $1 AND updated_at < $2
      AND ($3::timestamptz IS NULL OR (updated_at, id) > ($3, $4::text)) {whose}
    ORDER BY updated_at, id LIMIT $5
    """  # noqa: S608 - no text of a caller in it


_QUERIES = {stream: _query(stream, "AND tenant_id = $6") for stream in Stream}
_DELETIONS = _query(Stream.DELETIONS, "")
