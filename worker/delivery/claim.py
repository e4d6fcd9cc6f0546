"""Finding what is due: reads only, since whoever holds the shard needs no lock on its rows.

A delivery is due while its row exists. Cursors only save work: ids of concurrent transactions
become visible out of order, so a cursor is laid back a little each time, and to the beginning now
and then; what is already in memory is left out by its id.
"""

import logging
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from shared.contracts.templates import Template
from shared.contracts.words import PayloadFormat
from shared.data.connection import Row
from shared.data.session import working
from shared.domain.credentials import open_credentials, open_secret
from shared.domain.formats.rendering import Shape, shape_of
from shared.domain.requests import fixed_headers
from shared.domain.sealing import KeyRing
from shared.domain.tenant_keys import sealer_of
from shared.domain.uuid7 import floor
from shared.errors import SealBrokenError
from worker.delivery.leases import shard_of
from worker.delivery.prepare import Destination, Due, Endpoint

log = logging.getLogger("guardian.delivery")


@dataclass(frozen=True, slots=True)
class Want:
    """What is asked for one integration.

    Attributes:
        after: fresh deliveries up to this id are known.
        room: how many fresh ones, and how many retries, there is room for.
        is_idle: whether nothing of it is in memory; else nothing is claimed where order counts.
    """

    integration_id: UUID
    after: UUID
    room: int
    is_idle: bool = True


@dataclass(frozen=True, slots=True)
class Waiting:
    """One integration that has undelivered rows, due or not.

    Attributes:
        is_open: whether they may move: it is enabled, or it is deleted and they are to go.
    """

    integration_id: UUID
    version: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the whole queue of one's shards shows.

    Attributes:
        is_shard_free: whether a shard has no owner, or a worker that just came has no shard.
    """

    waiting: list[Waiting]
    is_shard_free: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim found: integrations that changed since they were known, and rows by integration.

    Attributes:
        fresh: rows never tried, oldest first; where order counts, whatever is due, up to the first
            that is not.
        retries: rows whose `next_attempt_at` has come, longest due first.
    """

    changed: dict[UUID, Destination]
    fresh: dict[UUID, list[Due]]
    retries: dict[UUID, list[Due]]


@asynccontextmanager
async def claim(
    wants: Sequence[Want],
    *,
    known: Mapping[UUID, Destination],
    busy: Collection[UUID],
    now: datetime,
    ring: KeyRing,
    user_agent: str,
) -> AsyncGenerator[Claim, None]:
    """Read what is due of the wanted integrations; the block may send while the reading ends.

    Nothing was written, so whether the transaction's end is heard of changes nothing.

    Args:
        wants: one per integration; all of shards that this worker holds.
        known: the integrations as they were last read; only what changed is read again.
        busy: deliveries in memory already.
        now: retries due by then are found.
        ring: opens what is sealed.
        user_agent: of the requests.
    """
    changed: dict[UUID, Destination] = {}
    unsure = [
        want.integration_id for want in wants if not _is_certain(known.get(want.integration_id))
    ]
    async with working(setting=_ALONG_INDEXES) as session:
        sql = session.connection
        while True:
            if unsure:
                versions = [known[one].version if one in known else 0 for one in unsure]
                rows = await sql.fetch(_CHANGED, unsure, _shards(unsure), versions)
                changed |= {row["id"]: _destination(row, ring, user_agent) for row in rows}
            destinations = {**known, **changed}
            open_wants = [
                want for want in wants if _may_move(destinations.get(want.integration_id))
            ]
            free = [want for want in open_wants if not destinations[want.integration_id].is_ordered]
            ids = [want.integration_id for want in free]
            found = await sql.fetch(
                _DUE,
                ids,
                _shards(ids),
                [want.after for want in free],
                [want.room for want in free],
                [_horizon(destinations[one], now) for one in ids],
                list(busy),
                [destinations[one].version for one in ids],
            )
            # Mostly nothing has changed, and this one question was all that had to be asked.
            unsure = list({row[0] for row in found if row[-1]})
            if not unsure:
                break
        ordered = [
            want
            for want in open_wants
            if want.is_idle and destinations[want.integration_id].is_ordered
        ]
        if ordered:
            found += await sql.fetch(
                _IN_ORDER,
                [want.integration_id for want in ordered],
                [want.room for want in ordered],
                [_horizon(destinations[want.integration_id], now) for want in ordered],
            )
        yield _sorted(changed, found)


async def look(shards: Sequence[int]) -> Look:
    """Walk the integrations that have undelivered rows, whatever wake-ups came or did not come."""
    async with working(is_read_only=True, setting=_ALONG_INDEXES) as session:
        rows = await session.connection.fetch(_WAITING, shards)
        is_shard_free = await session.connection.fetchval(_ANY_FREE)
    waiting = [Waiting(row["id"], row["version"], row["is_open"]) for row in rows]
    return Look(waiting, bool(is_shard_free))


async def outdated(
    horizons: Mapping[UUID, datetime], *, busy: Collection[UUID], room: int
) -> list[Due]:
    """Find deliveries that were created before their integration's horizon, tried or not.

    Args:
        horizons: by integration; all of shards that this worker holds.
        busy: deliveries in memory already.
        room: how many at most of each.
    """
    before = [floor(horizon) for horizon in horizons.values()]
    async with working(is_read_only=True, setting=_ALONG_INDEXES) as session:
        rows = await session.connection.fetch(_OUTDATED, list(horizons), before, room, list(busy))
    return [Due(*row) for row in rows]


def _shards(integration_ids: Sequence[UUID]) -> list[int]:
    return [shard_of(one) for one in integration_ids]


def _is_certain(destination: Destination | None) -> bool:
    """Whether what is due tells in passing if the integration has changed."""
    return _may_move(destination) and destination is not None and not destination.is_ordered


def _may_move(destination: Destination | None) -> bool:
    if destination is None:
        return False
    return destination.is_deleted or (destination.is_enabled and destination.endpoint is not None)


def _horizon(destination: Destination, now: datetime) -> datetime:
    """Until when retries count as due: those of a deleted integration all go at once."""
    return datetime.max.replace(tzinfo=UTC) if destination.is_deleted else now


def _destination(row: Row, ring: KeyRing, user_agent: str) -> Destination:
    endpoint = None
    waits_s: list[int] | None = row["retry_waits_s"]
    if row["sealed_config"] is not None:
        try:
            endpoint = _endpoint(row, ring, user_agent)
        except (SealBrokenError, msgspec.MsgspecError, ValueError) as error:
            # One row that cannot be read must not stop the deliveries of all others.
            log.warning("integration %s is held back: %s", row["id"], error)
    return Destination(
        integration_id=row["id"],
        version=row["version"],
        is_enabled=row["is_enabled"],
        is_deleted=row["is_deleted"],
        scopes=frozenset(row["scopes"]),
        endpoint=endpoint,
        counted_from=row["counted_from"],
        is_ordered=row["is_ordered"],
        rate_per_second=row["rate_per_second"],
        schedule=None if waits_s is None else tuple(timedelta(seconds=one) for one in waits_s),
    )


def _endpoint(row: Row, ring: KeyRing, user_agent: str) -> Endpoint:
    place = {"tenant_id": row["tenant_id"], "integration_id": row["id"]}
    sealer = sealer_of(ring, row["sealed_key"], tenant_id=row["tenant_id"])
    credentials = open_credentials(sealer, row["sealed_config"], **place)
    previous = row["sealed_previous_secret"]
    shape = _shape(row)
    return Endpoint(
        url=credentials.url,
        headers=fixed_headers(
            msgspec.json.decode(row["headers"], type=dict[str, str]),
            credentials,
            content_type=shape.content_type,
            user_agent=user_agent,
        ),
        secret=open_secret(sealer, row["sealed_secret"], **place),
        previous_secret=None if previous is None else open_secret(sealer, previous, **place),
        previous_secret_until=row["previous_secret_until"],
        shape=shape,
        grant=credentials.grant,
        client_certificate=credentials.client_certificate,
        hidden=credentials.hidden(),
    )


def _shape(row: Row) -> Shape:
    template = row["template"]
    return shape_of(
        PayloadFormat(row["format"]),
        subject=row["subject"],
        template=None if template is None else msgspec.json.decode(template, type=Template),
    )


def _sorted(changed: dict[UUID, Destination], found: Sequence[Row]) -> Claim:
    fresh: dict[UUID, list[Due]] = {}
    retries: dict[UUID, list[Due]] = {}
    for row in found:
        if row["body"] is None:
            continue  # nothing is due, or its event is gone
        *columns, _ = row
        due = Due(*columns)
        (retries if due.is_retry else fresh).setdefault(due.integration_id, []).append(due)
    return Claim(changed, fresh, retries)


# A plan is kept for long, since making one takes longer than a claim, and one made while the queue
# was short may walk a long one. These leave only the walks along the indexes, which suit both.
_ALONG_INDEXES = (
    "SET LOCAL plan_cache_mode = force_generic_plan; "
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; "
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_sort = off"
)

_CHANGED = """
SELECT i.id, i.tenant_id, i.version, i.is_enabled, i.deleted_at IS NOT NULL AS is_deleted, i.scopes,
  i.format, i.subject, i.template, i.headers, i.sealed_config, i.sealed_secret,
  i.sealed_previous_secret, i.previous_secret_until, i.counted_from, i.is_ordered,
  i.rate_per_second, i.retry_waits_s, k.sealed_key
FROM unnest($1::uuid[], $2::smallint[], $3::integer[]) AS w (id, shard, version)
JOIN integration i ON i.shard = w.shard AND i.id = w.id
LEFT JOIN tenant_key k ON k.tenant_id = i.tenant_id
WHERE i.version <> w.version
"""

# One walk of the primary key and one of the retries' index for each integration, so that nobody's
# backlog is walked for somebody else. The rows are complete before the events are asked for, and
# LIMIT makes that one look-up per event in the event's own partition, whatever the planner
# believes. The columns are those of `Due`, in its order, and whether the integration has changed,
# which comes in a row of its own where nothing is due.
_DUE = """
WITH due AS MATERIALIZED (
  SELECT w.integration_id, d.id, d.tenant_id, d.event_id, d.attempt_count, d.is_retry, d.replay_of,
    i.version <> w.version AS has_changed
  FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::integer[], $5::timestamptz[],
      $7::integer[])
    AS w (integration_id, shard, after, room, horizon, version)
  JOIN integration i ON i.shard = w.shard AND i.id = w.integration_id
  LEFT JOIN LATERAL (
    (SELECT id, tenant_id, event_id, attempt_count, replay_of, false AS is_retry
     FROM delivery_due
     WHERE integration_id = w.integration_id AND id > w.after AND next_attempt_at IS NULL
       AND id <> ALL ($6::uuid[])
     ORDER BY id LIMIT w.room)
    UNION ALL
    (SELECT id, tenant_id, event_id, attempt_count, replay_of, true
     FROM delivery_due
     WHERE integration_id = w.integration_id AND next_attempt_at <= w.horizon
       AND id <> ALL ($6::uuid[])
     ORDER BY next_attempt_at LIMIT w.room)
  ) d ON true
)
SELECT due.integration_id, due.id, due.tenant_id, due.event_id, due.attempt_count, due.is_retry,
  due.replay_of, e.type, e.scope, e.body, e.traceparent, due.has_changed
FROM due
LEFT JOIN LATERAL (
  SELECT type, scope, body, traceparent FROM event
  WHERE tenant_id = due.tenant_id AND id = due.event_id LIMIT 1
) e ON true
"""

# From the oldest on, up to the first whose time has not come.
_IN_ORDER = """
WITH due AS MATERIALIZED (
  SELECT d.*
  FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[]) AS w (integration_id, room, horizon)
  CROSS JOIN LATERAL (
    SELECT integration_id, id, tenant_id, event_id, attempt_count, replay_of,
      bool_or(coalesce(next_attempt_at > w.horizon, false))
        OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS is_held_back
    FROM (
      SELECT * FROM delivery_due WHERE integration_id = w.integration_id ORDER BY id LIMIT w.room
    ) AS first
  ) d
)
SELECT due.integration_id, due.id, due.tenant_id, due.event_id, due.attempt_count, false,
  due.replay_of, e.type, e.scope, e.body, e.traceparent, false
FROM due
CROSS JOIN LATERAL (
  SELECT type, scope, body, traceparent FROM event
  WHERE tenant_id = due.tenant_id AND id = due.event_id LIMIT 1
) e
WHERE NOT due.is_held_back
ORDER BY due.id
"""

_OUTDATED = """
WITH due AS MATERIALIZED (
  SELECT d.*
  FROM unnest($1::uuid[], $2::uuid[]) AS w (integration_id, before)
  CROSS JOIN LATERAL (
    SELECT integration_id, id, tenant_id, event_id, attempt_count, replay_of FROM delivery_due
    WHERE integration_id = w.integration_id AND id < w.before AND id <> ALL ($4::uuid[])
    ORDER BY id LIMIT $3::integer
  ) d
)
SELECT due.integration_id, due.id, due.tenant_id, due.event_id, due.attempt_count, false,
  due.replay_of, e.type, e.scope, e.body, e.traceparent
FROM due
CROSS JOIN LATERAL (
  SELECT type, scope, body, traceparent FROM event
  WHERE tenant_id = due.tenant_id AND id = due.event_id LIMIT 1
) e
"""

_WAITING = """
WITH RECURSIVE walk AS (
  (SELECT integration_id FROM delivery_due ORDER BY integration_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.integration_id FROM delivery_due d WHERE d.integration_id > walk.integration_id
    ORDER BY d.integration_id LIMIT 1)
  FROM walk WHERE walk.integration_id IS NOT NULL
)
SELECT i.id, i.version, i.is_enabled OR i.deleted_at IS NOT NULL AS is_open
FROM walk
JOIN integration i ON i.id = walk.integration_id
  AND i.shard = get_byte(uuid_send(walk.integration_id), 15) % 64
WHERE i.shard = ANY ($1::smallint[])
"""

_ANY_FREE = """
SELECT EXISTS (SELECT FROM shard_lease WHERE owner IS NULL OR until < clock_timestamp())
  OR EXISTS (SELECT FROM worker_heartbeat h
    WHERE h.seen_at > clock_timestamp() - interval '5 seconds'
      AND NOT EXISTS (SELECT FROM shard_lease l WHERE l.owner = h.owner))
"""
