"""Replays: choose and count in one transaction, so that what is counted is what is sent.

What was chosen is written down as items; the worker turns them into deliveries, a batch at a time.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from api.services.audit import Witness, record
from shared.contracts.replays import NewReplay, Replay, ReplayCount, ReplayedStatus, ReplayStatus
from shared.contracts.words import SCOPE_OF, EventType
from shared.data.audit import Act
from shared.data.connection import Row
from shared.data.session import TenantSession
from shared.domain.uuid7 import floor
from shared.errors import ConflictError, FieldError, InvalidError, NotFoundError

MOST_ITEMS = 100_000
"""One request may write so many items; a longer time is replayed in pieces."""

_EARLIEST_YEAR = 1970

# One delivery per event, the newest of those chosen.
_CHOSEN = """
SELECT DISTINCT ON (one.event_id) one.event_id, one.replay_of
FROM (
  SELECT event_id, delivery_id AS replay_of FROM delivery_attempt
  WHERE tenant_id = $1 AND integration_id = $2 AND delivery_id >= $3 AND delivery_id < $4
    AND status IN ('delivered', 'discarded') AND status = ANY ($6::text[])
  UNION ALL
  SELECT event_id, id FROM delivery_due
  WHERE integration_id = $2 AND id >= $3 AND id < $4 AND attempt_count > 0
    AND 'failed' = ANY ($6::text[])
) AS one
JOIN event ON event.tenant_id = $1 AND event.id = one.event_id AND event.type = ANY ($5::text[])
ORDER BY one.event_id, one.replay_of DESC
"""

# EXCEPT hashes or sorts. An anti-join could be planned as one walk of the history for each event.
# A delivery is made after its event, so what lies before the first event need not be read.
_MISSING = """
SELECT missing.event_id, NULL::uuid AS replay_of
FROM (
  SELECT id AS event_id FROM event
  WHERE tenant_id = $1 AND id >= $3 AND id < $4 AND type = ANY ($5::text[])
    AND $6::text[] IS NOT NULL
  EXCEPT
  (SELECT event_id FROM delivery_due WHERE integration_id = $2
   UNION ALL
   SELECT event_id FROM delivery_attempt
   WHERE tenant_id = $1 AND integration_id = $2 AND delivery_id >= $3)
) AS missing
"""

_COUNT = "SELECT count(*) FROM (SELECT FROM ({which}) AS chosen LIMIT $7) AS counted"

_CHOOSE = """
WITH written AS (
  INSERT INTO replay_item (tenant_id, replay_id, number, event_id, replay_of)
  SELECT $1, $8, row_number() OVER (ORDER BY event_id), event_id, replay_of
  FROM (SELECT * FROM ({which}) AS chosen LIMIT $7) AS limited
  RETURNING 1
)
SELECT count(*) FROM written
"""

_SHOW = """
SELECT replay.*, integration.integration_key
FROM replay JOIN integration ON integration.tenant_id = $1
  AND integration.id = replay.integration_id
WHERE replay.tenant_id = $1
"""


async def count(session: TenantSession, wanted: NewReplay, *, now: datetime) -> ReplayCount:
    """Say how many deliveries the replay would make, at this moment.

    Raises:
        InvalidError: it chooses wrongly, or too many.
        NotFoundError: there is no such integration.
        ConflictError: the integration is disabled.
    """
    asked = await _judged(session, wanted, now=now)
    found: int = await session.connection.fetchval(
        _COUNT.format(which=_which(wanted)), *asked.arguments(session), MOST_ITEMS + 1
    )
    _refuse_too_many(found)
    return ReplayCount(count=found)


async def start(session: TenantSession, wanted: NewReplay, *, witness: Witness) -> Replay:
    """Choose, write down what was chosen, and leave it to the worker.

    Raises:
        InvalidError: it chooses wrongly, or too many.
        NotFoundError: there is no such integration.
        ConflictError: the integration is disabled, or another replay of it is running.
    """
    now = witness.clock()
    asked = await _judged(session, wanted, now=now)
    replay_id = witness.ids()
    try:
        await session.connection.execute(
            """
            INSERT INTO replay (tenant_id, id, integration_id, since, until, statuses, event_types,
              only_missing, status, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'running', $9)
            """,
            session.tenant_id,
            replay_id,
            asked.integration_id,
            asked.since,
            asked.until,
            asked.statuses,
            asked.event_types,
            wanted.only_missing,
            now,
        )
    except asyncpg.UniqueViolationError:
        message = "A replay of this integration is running: wait for its end, or cancel it."
        raise ConflictError(message) from None
    found: int = await session.connection.fetchval(
        _CHOOSE.format(which=_which(wanted)),
        *asked.arguments(session),
        MOST_ITEMS + 1,
        replay_id,
    )
    _refuse_too_many(found)
    await session.connection.execute(
        """
        UPDATE replay SET count = $3, status = CASE WHEN $3 = 0 THEN 'done' ELSE status END,
          finished_at = CASE WHEN $3 = 0 THEN created_at END
        WHERE tenant_id = $1 AND id = $2
        """,
        session.tenant_id,
        replay_id,
        found,
    )
    told = {
        "integration_id": asked.integration_id,
        "since": asked.since,
        "until": asked.until,
        "statuses": asked.statuses,
        "event_types": asked.event_types,
        "only_missing": wanted.only_missing,
        "count": found,
    }
    act = Act("replay.create", "replay", str(replay_id), after=told)
    await record(session, act, witness=witness, tenant_id=session.tenant_id)
    return await one(session, replay_id)


async def listed(session: TenantSession, *, before: UUID | None, limit: int) -> list[Replay]:
    """Replays, newest first, one more than `limit` where there are more."""
    rows = await session.connection.fetch(
        f"{_SHOW} AND ($2::uuid IS NULL OR replay.id < $2) ORDER BY replay.id DESC LIMIT $3",
        session.tenant_id,
        before,
        limit + 1,
    )
    return [_replay(row) for row in rows]


async def one(session: TenantSession, replay_id: UUID) -> Replay:
    """One replay and how far it is.

    Raises:
        NotFoundError: there is none.
    """
    row = await session.connection.fetchrow(
        f"{_SHOW} AND replay.id = $2", session.tenant_id, replay_id
    )
    if row is None:
        raise NotFoundError
    return _replay(row)


async def cancel(session: TenantSession, replay_id: UUID, *, witness: Witness) -> None:
    """Make no more deliveries of it; those that were made go on. Doing it twice changes nothing.

    Raises:
        NotFoundError: there is none.
        ConflictError: it is done already.
    """
    row = await session.connection.fetchrow(
        "SELECT status, position FROM replay WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
        session.tenant_id,
        replay_id,
    )
    if row is None:
        raise NotFoundError
    if row["status"] == ReplayStatus.DONE:
        raise ConflictError("It is done already.")
    if row["status"] == ReplayStatus.CANCELLED:
        return
    await session.connection.execute(
        """
        UPDATE replay SET status = 'cancelled', finished_at = $3
        WHERE tenant_id = $1 AND id = $2
        """,
        session.tenant_id,
        replay_id,
        witness.clock(),
    )
    await session.connection.execute(
        "DELETE FROM replay_item WHERE tenant_id = $1 AND replay_id = $2",
        session.tenant_id,
        replay_id,
    )
    act = Act("replay.cancel", "replay", str(replay_id), after={"position": row["position"]})
    await record(session, act, witness=witness, tenant_id=session.tenant_id)


class _Asked:
    """What was asked for, with every default in its place."""

    def __init__(self, wanted: NewReplay, scopes: Sequence[str], *, now: datetime) -> None:
        self.integration_id = wanted.integration_id
        self.since = wanted.since
        # What is created from now on was never chosen by anybody.
        self.until = min(wanted.until or now, now)
        statuses = [ReplayedStatus.DISCARDED] if wanted.statuses is None else wanted.statuses
        self.statuses = [] if wanted.only_missing else sorted({str(one) for one in statuses})
        # Events outside the scopes would be discarded unsent, and so would have been miscounted.
        in_scope = [kind for kind in EventType if SCOPE_OF[kind] in scopes]
        types = in_scope
        if wanted.event_types is not None:
            types = [
                kind
                for kind in wanted.event_types
                if kind in in_scope or (kind is EventType.TEST and not wanted.only_missing)
            ]
        self.event_types = sorted({str(one) for one in types})

    def arguments(self, session: TenantSession) -> tuple[object, ...]:
        """$1 to $6 of the queries that choose."""
        return (
            session.tenant_id,
            self.integration_id,
            floor(self.since),
            floor(self.until),
            self.event_types,
            self.statuses,
        )


async def _judged(session: TenantSession, wanted: NewReplay, *, now: datetime) -> _Asked:
    problems: list[FieldError] = []
    if wanted.since.year < _EARLIEST_YEAR:
        problems.append(FieldError("$.since", "out_of_range", "It lies before 1970."))
    if wanted.until is not None and wanted.until <= wanted.since:
        problems.append(FieldError("$.until", "out_of_range", "It must lie after `since`."))
    if wanted.only_missing and wanted.statuses is not None:
        message = "What is missing has no status: leave it out, or leave out `only_missing`."
        problems.append(FieldError("$.statuses", "not_allowed", message))
    if problems:
        raise InvalidError(errors=problems)
    # Held to the end, so that it is not deleted meanwhile.
    row = await session.connection.fetchrow(
        """
        SELECT is_enabled, scopes FROM integration
        WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL FOR SHARE
        """,
        session.tenant_id,
        wanted.integration_id,
    )
    if row is None:
        raise NotFoundError
    if not row["is_enabled"]:
        raise ConflictError("It is disabled: enable it, then replay.")
    if wanted.since >= now:
        raise InvalidError(errors=[FieldError("$.since", "out_of_range", "It is yet to come.")])
    return _Asked(wanted, row["scopes"], now=now)


def _which(wanted: NewReplay) -> str:
    return _MISSING if wanted.only_missing else _CHOSEN


def _refuse_too_many(found: int) -> None:
    if found > MOST_ITEMS:
        message = f"More than {MOST_ITEMS} would be sent at once: choose a shorter time."
        raise InvalidError(errors=[FieldError("$.since", "out_of_range", message)])


def _replay(row: Row) -> Replay:
    return Replay(
        id=row["id"],
        integration_id=row["integration_id"],
        integration_key=row["integration_key"],
        since=row["since"],
        until=row["until"],
        statuses=[ReplayedStatus(status) for status in row["statuses"]],
        event_types=[EventType(kind) for kind in row["event_types"]],
        only_missing=row["only_missing"],
        status=ReplayStatus(row["status"]),
        reason=row["reason"],
        count=row["count"],
        sent=row["position"] - row["skipped"],
        skipped=row["skipped"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )
