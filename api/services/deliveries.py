"""Deliveries: what waits and what ended, as one list; test events and redeliveries.

A delivery that waits is a row of `delivery_due`; one that ended is its last attempt. Both are read
along their primary keys, newest first, so that a page costs the same however long the history is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from api.services.audit import Witness, record
from shared.contracts.deliveries import Attempt, DeliveredEvent, Delivery, DeliveryDetail
from shared.contracts.integrations import QueuedTest
from shared.contracts.words import SCOPE_OF, DeliveryStatus, EventType, MessageType, Scope
from shared.data.audit import Act
from shared.data.connection import Row
from shared.data.session import TenantSession
from shared.domain.mappers import data_of_test, envelope
from shared.domain.uuid7 import floor, instant_of
from shared.errors import ConflictError, NotFoundError

_LOWEST = UUID(int=0)
_HIGHEST = UUID(int=2**128 - 1)

_DUE = """
SELECT due.id, due.event_id, due.integration_id, due.attempt_count::int, due.next_attempt_at,
  due.replay_of, NULL::text AS event_type, NULL::text AS status, NULL::text AS reason,
  NULL::timestamptz AS started_at, NULL::int AS duration_ms, NULL::int AS status_code,
  NULL::text AS error_class
FROM integration CROSS JOIN LATERAL (
  SELECT * FROM delivery_due
  WHERE integration_id = integration.id AND id >= $2 AND id < $3 AND {which}
    AND ($6::text IS NULL OR EXISTS (SELECT FROM event
      WHERE event.tenant_id = $1 AND event.id = event_id AND event.type = $6))
  ORDER BY id DESC LIMIT $4
) AS due
WHERE integration.tenant_id = $1 AND ($5::uuid IS NULL OR integration.id = $5)
"""

_ENDED = """
SELECT delivery_id AS id, event_id, integration_id, number::int AS attempt_count,
  NULL::timestamptz AS next_attempt_at, replay_of, event_type, status, reason, started_at,
  duration_ms, status_code::int, error_class
FROM delivery_attempt
WHERE tenant_id = $1 AND delivery_id >= $2 AND delivery_id < $3 AND {which}
  AND ($5::uuid IS NULL OR integration_id = $5) AND ($6::text IS NULL OR event_type = $6)
ORDER BY delivery_id DESC LIMIT $4
"""

_PAGE = """
SELECT page.*, integration.integration_key, event.type AS type_of_event,
  latest.status_code AS latest_code, latest.error_class AS latest_error
FROM (SELECT * FROM ({parts}) AS both_parts ORDER BY id DESC LIMIT $4) AS page
JOIN integration ON integration.tenant_id = $1 AND integration.id = page.integration_id
LEFT JOIN event ON page.event_type IS NULL
  AND event.tenant_id = $1 AND event.id = page.event_id
LEFT JOIN delivery_attempt AS latest ON page.status IS NULL AND page.attempt_count > 0
  AND latest.tenant_id = $1 AND latest.delivery_id = page.id
  AND latest.number = page.attempt_count
ORDER BY page.id DESC
"""

_WHICH_DUE = {
    None: "true",
    DeliveryStatus.PENDING: "attempt_count = 0",
    DeliveryStatus.FAILED: "attempt_count > 0",
}
_WHICH_ENDED = {
    None: "status IN ('delivered', 'discarded')",
    DeliveryStatus.DELIVERED: "status = 'delivered'",
    DeliveryStatus.DISCARDED: "status = 'discarded'",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries are asked for; None asks for all.

    Attributes:
        since: created at or after.
        until: created before.
        before: the last delivery of the page before.
    """

    status: DeliveryStatus | None = None
    integration_id: UUID | None = None
    event_type: MessageType | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None


async def listed(session: TenantSession, wanted: Filter, *, limit: int) -> list[Delivery]:
    """Deliveries, newest first, one more than `limit` where there are more."""
    rows = await session.connection.fetch(
        page_query(wanted.status),
        session.tenant_id,
        floor(wanted.since) if wanted.since else _LOWEST,
        min(floor(wanted.until) if wanted.until else _HIGHEST, wanted.before or _HIGHEST),
        limit + 1,
        wanted.integration_id,
        wanted.event_type,
    )
    return [_delivery(row) for row in rows]


def page_query(status: DeliveryStatus | None) -> str:
    """The SQL of one page; $1 to $6: tenant, lowest id, id beyond, limit, integration, type."""
    parts = [
        f"({query.format(which=which[status])})"
        for query, which in ((_DUE, _WHICH_DUE), (_ENDED, _WHICH_ENDED))
        if status in which
    ]
    return _PAGE.format(parts=" UNION ALL ".join(parts))


async def one(session: TenantSession, delivery_id: UUID) -> DeliveryDetail:
    """One delivery with its event and all its attempts, oldest first.

    Raises:
        NotFoundError: there is none, or its history is no longer kept.
    """
    delivery = await _find(session, delivery_id)
    attempts = await session.connection.fetch(
        """
        SELECT number, started_at, duration_ms, status_code, error_class, excerpt
        FROM delivery_attempt WHERE tenant_id = $1 AND delivery_id = $2 AND number > 0
        ORDER BY number
        """,
        session.tenant_id,
        delivery_id,
    )
    event = await session.connection.fetchrow(
        "SELECT occurred_at, body FROM event WHERE tenant_id = $1 AND id = $2",
        session.tenant_id,
        delivery.event_id,
    )
    return DeliveryDetail(
        **msgspec.structs.asdict(delivery),
        event=DeliveredEvent(
            id=delivery.event_id,
            type=delivery.event_type,
            scope=_scope_of(delivery.event_type),
            occurred_at=event["occurred_at"] if event else instant_of(delivery.event_id),
            # Attempts may be kept longer than the events they carried; a withheld one has no body.
            payload=msgspec.Raw(event["body"] if event and event["body"] else b"null"),
        ),
        attempts=[
            Attempt(
                number=row["number"],
                started_at=row["started_at"],
                duration_ms=row["duration_ms"],
                status_code=row["status_code"],
                error_class=row["error_class"],
                response_excerpt=row["excerpt"],
            )
            for row in attempts
        ],
    )


async def redeliver(session: TenantSession, delivery_id: UUID, *, witness: Witness) -> Delivery:
    """Send the same event once more: a new delivery that names the old one.

    Raises:
        NotFoundError: there is no such delivery.
        ConflictError: it has not been tried yet, its integration is deleted or disabled, or its
            event is no longer kept.
    """
    old = await _find(session, delivery_id)
    if old.status is DeliveryStatus.PENDING:
        raise ConflictError("It is still waiting for its first attempt.")
    is_enabled = await session.connection.fetchval(
        """
        SELECT is_enabled FROM integration
        WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL FOR SHARE
        """,
        session.tenant_id,
        old.integration_id,
    )
    if is_enabled is None:
        raise ConflictError("Its integration was deleted.")
    if not is_enabled:
        raise ConflictError("Its integration is disabled: enable it, then redeliver.")
    is_kept = await session.connection.fetchval(
        "SELECT true FROM event WHERE tenant_id = $1 AND id = $2", session.tenant_id, old.event_id
    )
    if not is_kept:
        raise ConflictError("Its event is no longer kept.")
    new = Delivery(
        id=witness.ids(),
        event_id=old.event_id,
        event_type=old.event_type,
        integration_id=old.integration_id,
        integration_key=old.integration_key,
        status=DeliveryStatus.PENDING,
        attempt_count=0,
        created_at=witness.clock(),
        replay_of=old.id,
    )
    await _start(session, new.id, new.integration_id, new.event_id, replay_of=old.id)
    act = Act("delivery.redeliver", "delivery", str(old.id), after={"delivery_id": new.id})
    await record(session, act, witness=witness, tenant_id=session.tenant_id)
    return new


async def queue_tests(
    session: TenantSession, integration_id: UUID | None, *, witness: Witness
) -> list[QueuedTest]:
    """Make a test event, and a delivery that is due now, for one or for every enabled integration.

    Raises:
        NotFoundError: there is no such integration.
        ConflictError: the one that was named is disabled.
    """
    rows = await session.connection.fetch(
        """
        SELECT id, integration_key, is_enabled FROM integration
        WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id = $2)
          AND (is_enabled OR $2 IS NOT NULL)
        ORDER BY id
        """,
        session.tenant_id,
        integration_id,
    )
    if integration_id is not None:
        if not rows:
            raise NotFoundError
        if not rows[0]["is_enabled"]:
            raise ConflictError("It is disabled: enable it, then test it.")
    queued = [await _queue_test(session, row, witness=witness) for row in rows]
    act = Act(
        "integration.test",
        "integration",
        str(integration_id or ""),
        after={"delivery_ids": [test.delivery_id for test in queued]},
    )
    await record(session, act, witness=witness, tenant_id=session.tenant_id)
    return queued


async def _queue_test(session: TenantSession, integration: Row, *, witness: Witness) -> QueuedTest:
    now = witness.clock()
    event_id, delivery_id = witness.ids(), witness.ids()
    body = envelope(EventType.TEST, now, data_of_test())
    await session.connection.execute(
        """
        INSERT INTO event (tenant_id, id, type, scope, occurred_at, body)
        VALUES ($1, $2, $3, NULL, $4, $5)
        """,
        session.tenant_id,
        event_id,
        EventType.TEST,
        now,
        body,
    )
    await _start(session, delivery_id, integration["id"], event_id, replay_of=None)
    return QueuedTest(
        integration_id=integration["id"],
        integration_key=integration["integration_key"],
        event_id=event_id,
        delivery_id=delivery_id,
    )


async def _start(
    session: TenantSession,
    delivery_id: UUID,
    integration_id: UUID,
    event_id: UUID,
    *,
    replay_of: UUID | None,
) -> None:
    await session.connection.execute(
        """
        INSERT INTO delivery_due (integration_id, id, tenant_id, event_id, replay_of)
        VALUES ($1, $2, $3, $4, $5)
        """,
        integration_id,
        delivery_id,
        session.tenant_id,
        event_id,
        replay_of,
    )


async def _find(session: TenantSession, delivery_id: UUID) -> Delivery:
    """A delivery by its id alone, as a page of one."""
    rows = await session.connection.fetch(
        page_query(None),
        session.tenant_id,
        delivery_id,
        _after(delivery_id),
        1,
        None,
        None,
    )
    if not rows:
        raise NotFoundError
    return _delivery(rows[0])


def _scope_of(kind: MessageType) -> Scope | None:
    return None if kind is MessageType.WEEKLY_DIGEST else SCOPE_OF[EventType(kind)]


def _after(delivery_id: UUID) -> UUID:
    return UUID(int=min(delivery_id.int + 1, _HIGHEST.int))


def _delivery(row: Row) -> Delivery:
    is_over = row["status"] is not None
    waiting = DeliveryStatus.FAILED if row["attempt_count"] else DeliveryStatus.PENDING
    finished_at = None
    if is_over:
        finished_at = row["started_at"] + timedelta(milliseconds=row["duration_ms"])
    return Delivery(
        id=row["id"],
        event_id=row["event_id"],
        event_type=MessageType(row["event_type"] or row["type_of_event"]),
        integration_id=row["integration_id"],
        integration_key=row["integration_key"],
        status=DeliveryStatus(row["status"]) if is_over else waiting,
        attempt_count=row["attempt_count"],
        created_at=instant_of(row["id"]),
        next_attempt_at=row["next_attempt_at"],
        finished_at=finished_at,
        status_code=row["status_code"] if is_over else row["latest_code"],
        error_class=row["error_class"] if is_over else row["latest_error"],
        reason=row["reason"],
        replay_of=row["replay_of"],
    )
