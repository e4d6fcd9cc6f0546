"""Replays: turn what was chosen into deliveries, a batch a transaction, each exactly once.

The items, the deliveries made of them and the position are written together, so whoever is killed
leaves a replay that the next look goes on with. None of it needs Redis.

Live traffic goes first. A replayed delivery is born with a `next_attempt_at`, so it counts among
the retries, and those wait while the integration has anything fresh; at most `WINDOW` of a replay
wait at once, so a receiver that is slow or away slows its replay down. The instants follow one
another by a microsecond from when the replay was asked for, so they are claimed in that order.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from shared.data.session import working
from worker.delivery.pump import OUTAGE

BATCH = 500
WINDOW = 1000
LOOK_S = 1.0
WORK_S = 0.1

_MICROSECOND = timedelta(microseconds=1)

log = logging.getLogger("guardian.replay")


def _to_nobody(_: UUID, __: UUID) -> None:
    """Nobody watches."""


async def replay_on_and_on(
    *,
    clock: Callable[[], datetime],
    ids: Callable[[], UUID],
    moved_on: Callable[[UUID, UUID], None] = _to_nobody,
) -> None:
    """Go on with every running replay until cancelled; no outage of PostgreSQL ends it.

    Args:
        clock: dates the end of a replay.
        ids: gives the ids of deliveries, in order.
        moved_on: called with the tenant and the id of each replay that did, once it is stored.
    """
    is_news = True
    while True:
        moved = 0
        try:
            moved = await go_on(clock=clock, ids=ids, moved_on=moved_on)
            is_news = True
        except OUTAGE as error:
            if is_news:
                log.warning("replays wait for PostgreSQL: %s", type(error).__name__)
            is_news = False
        except Exception:
            # Whatever it is, delivering goes on, and so does the next look.
            log.exception("a replay was interrupted")
        await asyncio.sleep(WORK_S if moved else LOOK_S)


async def go_on(
    *,
    clock: Callable[[], datetime],
    ids: Callable[[], UUID],
    moved_on: Callable[[UUID, UUID], None] = _to_nobody,
) -> int:
    """Give every running replay one batch, and count what was taken on."""
    async with working(is_read_only=True) as session:
        running = await session.connection.fetch(
            "SELECT tenant_id, id FROM replay WHERE status = 'running' ORDER BY id"
        )
    moved = 0
    for row in running:
        taken = await _batch(row["tenant_id"], row["id"], clock=clock, ids=ids)
        if taken:
            moved_on(row["tenant_id"], row["id"])
        moved += taken
    return moved


async def _batch(
    tenant_id: UUID, replay_id: UUID, *, clock: Callable[[], datetime], ids: Callable[[], UUID]
) -> int:
    async with working() as session:
        sql = session.connection
        replay = await sql.fetchrow(_LOCK, tenant_id, replay_id)
        if replay is None:
            return 0  # ended meanwhile, or another worker is at it
        if replay["is_deleted"]:
            await sql.execute(_GIVE_UP, tenant_id, replay_id, clock())
            return 0
        if not replay["is_enabled"]:
            return 0
        begun_at, position = replay["created_at"], replay["position"]
        waiting = await sql.fetchval(
            _WAITING, replay["integration_id"], begun_at, begun_at + position * _MICROSECOND, WINDOW
        )
        room = min(BATCH, WINDOW - waiting, replay["count"] - position)
        if room <= 0:
            return 0
        taken = await sql.fetchrow(
            _TAKE,
            tenant_id,
            replay_id,
            position,
            replay["integration_id"],
            begun_at,
            [ids() for _ in range(room)],
        )
        if taken is None or taken["taken"] != room:
            raise RuntimeError("a replay's items are not those that were counted")
        await sql.execute(
            _MOVE, tenant_id, replay_id, position + room, room - taken["made"], clock()
        )
    return room


_LOCK = """
SELECT r.integration_id, r.created_at, r.count, r.position, i.is_enabled,
  i.deleted_at IS NOT NULL AS is_deleted
FROM replay r JOIN integration i ON i.tenant_id = r.tenant_id AND i.id = r.integration_id
WHERE r.tenant_id = $1 AND r.id = $2 AND r.status = 'running'
FOR UPDATE OF r SKIP LOCKED
"""

# Rows that were never tried still have the instant they were born with.
_WAITING = """
SELECT count(*) FROM (
  SELECT FROM delivery_due
  WHERE integration_id = $1 AND next_attempt_at > $2 AND next_attempt_at <= $3 LIMIT $4
) AS waiting
"""

_TAKE = """
WITH taken AS (
  DELETE FROM replay_item
  WHERE tenant_id = $1 AND replay_id = $2 AND number > $3::integer
    AND number <= $3 + cardinality($6::uuid[])
  RETURNING number, event_id, replay_of
), made AS (
  INSERT INTO delivery_due (integration_id, id, tenant_id, event_id, next_attempt_at, replay_of)
  SELECT $4, given.id, $1, taken.event_id,
    $5::timestamptz + taken.number * interval '1 microsecond', taken.replay_of
  FROM taken
  JOIN unnest($6::uuid[]) WITH ORDINALITY AS given (id, number)
    ON given.number + $3 = taken.number
  JOIN event ON event.tenant_id = $1 AND event.id = taken.event_id
  RETURNING 1
)
SELECT (SELECT count(*) FROM taken) AS taken, (SELECT count(*) FROM made) AS made
"""

_MOVE = """
UPDATE replay SET position = $3, skipped = skipped + $4,
  status = CASE WHEN $3 >= count THEN 'done' ELSE status END,
  finished_at = CASE WHEN $3 >= count THEN $5::timestamptz END
WHERE tenant_id = $1 AND id = $2
"""

_GIVE_UP = """
WITH dropped AS (DELETE FROM replay_item WHERE tenant_id = $1 AND replay_id = $2)
UPDATE replay SET status = 'cancelled', reason = 'integration_deleted', finished_at = $3
WHERE tenant_id = $1 AND id = $2
"""
