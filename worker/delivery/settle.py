"""Writing down what came of a batch of attempts, in one statement.

A row is settled only while this worker holds its shard under the epoch of the claim and its
`attempt_count` is what was claimed. So nothing is settled twice, not even when the answer to a
commit was lost and the batch is settled again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import assert_never
from uuid import UUID

import msgspec

from shared.contracts.words import DeliveryStatus
from shared.data.session import working
from worker.delivery.outcome import Delivered, Discard, Outcome, RetryAt
from worker.delivery.prepare import Due, UnsentReason

FAILING_FOR_GOOD = timedelta(days=5)
"""Whose attempts have failed for so long, without one success between, is switched off."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """What came of one delivery.

    Attributes:
        shard: of its integration, and `epoch` of the lease under which it was claimed.
        number: of the attempt, 0 when it was given up without a POST.
        error_class: the outcome's token, None when delivered or not sent.
        next_attempt_at: given exactly when the status is `failed`.
        is_gone: whether the receiver said goodbye, so that the integration is to be disabled.
    """

    due: Due
    shard: int
    epoch: int
    status: DeliveryStatus
    number: int
    reason: str | None
    started_at: datetime
    duration_ms: int = 0
    status_code: int | None = None
    error_class: str | None = None
    excerpt: str | None = None
    next_attempt_at: datetime | None = None
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of writing a batch down.

    Attributes:
        refused: deliveries that were settled before, or are no longer ours.
        disabled: integrations that were switched off, and why.
    """

    refused: set[UUID]
    disabled: dict[UUID, str]


def attempted(
    due: Due, outcome: Outcome, verdict: Delivered | RetryAt | Discard, *, shard: int, epoch: int
) -> Record:
    """Make the record of a POST."""
    next_attempt_at = None
    is_gone = False
    match verdict:
        case Delivered():
            status, reason = DeliveryStatus.DELIVERED, None
        case RetryAt():
            status, reason = DeliveryStatus.FAILED, verdict.reason
            next_attempt_at = verdict.at
        case Discard():
            status, reason = DeliveryStatus.DISCARDED, str(verdict.reason)
            is_gone = verdict.is_gone
        case _:
            assert_never(verdict)
    return Record(
        due=due,
        shard=shard,
        epoch=epoch,
        status=status,
        number=due.attempt_count + 1,
        reason=reason,
        started_at=outcome.started_at,
        duration_ms=outcome.duration_ms,
        status_code=outcome.status_code,
        error_class=None if status is DeliveryStatus.DELIVERED else outcome.token,
        excerpt=outcome.excerpt or None,
        next_attempt_at=next_attempt_at,
        is_gone=is_gone,
    )


def unsent(due: Due, reason: UnsentReason, *, at: datetime, shard: int, epoch: int) -> Record:
    """Make the record of a delivery that was given up without a POST."""
    return Record(
        due=due,
        shard=shard,
        epoch=epoch,
        status=DeliveryStatus.DISCARDED,
        number=0,
        reason=str(reason),
        started_at=at,
    )


async def settle(
    records: Sequence[Record], *, owner: UUID, now: datetime, ids: Callable[[], UUID]
) -> Settled:
    """Write `records` down, and switch off the integrations whose receivers are gone or dead.

    Args:
        records: at most one per delivery.
        owner: the worker that settles.
        now: dates the change of an integration that is switched off.
        ids: gives the ids of audit rows.
    """
    async with working(setting=_BY_INDEXES) as session:
        rows = await session.connection.fetch(
            _SETTLE, owner, now, _lines(records, ids), FAILING_FOR_GOOD
        )
    return Settled(
        refused={record.due.id for record in records} - {row["id"] for row in rows},
        disabled={
            row["integration_id"]: row["disabled_reason"]
            for row in rows
            if row["disabled_reason"] is not None
        },
    )


_MILLISECONDS_AT = 80
_HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A record as it travels to PostgreSQL; what is left out is null there."""

    shard: int
    epoch: int
    integration_id: UUID
    id: UUID
    tenant_id: UUID
    event_id: UUID
    event_type: str
    attempt_count: int
    status: DeliveryStatus
    number: int
    started_at: datetime
    duration_ms: int
    hour: datetime
    replay_of: UUID | None = None
    reason: str | None = None
    status_code: int | None = None
    error_class: str | None = None
    excerpt: str | None = None
    next_attempt_at: datetime | None = None
    is_gone: bool = False
    audit_id: UUID | None = None


def _lines(records: Sequence[Record], ids: Callable[[], UUID]) -> str:
    """The records as one text: asyncpg takes longer over twenty arrays than over the sending."""
    return msgspec.json.encode(
        [
            _Line(
                shard=one.shard,
                epoch=one.epoch,
                integration_id=one.due.integration_id,
                id=one.due.id,
                tenant_id=one.due.tenant_id,
                event_id=one.due.event_id,
                event_type=one.due.event_type,
                attempt_count=one.due.attempt_count,
                status=one.status,
                number=one.number,
                started_at=one.started_at,
                duration_ms=one.duration_ms,
                hour=_hour((one.due.id.int >> _MILLISECONDS_AT) // _HOUR_MS),
                replay_of=one.due.replay_of,
                reason=one.reason,
                status_code=one.status_code,
                error_class=one.error_class,
                excerpt=one.excerpt,
                next_attempt_at=one.next_attempt_at,
                is_gone=one.is_gone,
                audit_id=None if one.error_class is None else ids(),
            )
            for one in records
        ]
    ).decode()


@lru_cache(maxsize=1024)
def _hour(number: int) -> datetime:
    """The beginning of an hour, counted from the epoch."""
    return _EPOCH + timedelta(hours=number)


# Planned once, since planning takes as long as settling twenty. A plan made for a short queue may
# walk a long one; these leave only the look-ups in indexes, which suit both.
_BY_INDEXES = (
    "SET LOCAL plan_cache_mode = force_generic_plan; "
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; "
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
)

_SETTLE = """
WITH given AS (
  SELECT g.*, g.started_at + g.duration_ms * interval '1 millisecond' AS ended_at
  FROM json_to_recordset($3::json)
    AS g (shard smallint, epoch bigint, integration_id uuid, id uuid, tenant_id uuid,
      event_id uuid, event_type text, attempt_count smallint, status text, number smallint,
      started_at timestamptz, duration_ms integer, hour timestamptz, replay_of uuid, reason text,
      status_code smallint, error_class text, excerpt text, next_attempt_at timestamptz,
      is_gone boolean, audit_id uuid)
  JOIN shard_lease l ON l.shard = g.shard AND l.owner = $1 AND l.epoch = g.epoch
), removed AS (
  DELETE FROM delivery_due d USING given g
  WHERE g.status <> 'failed' AND d.integration_id = g.integration_id AND d.id = g.id
    AND d.attempt_count = g.attempt_count
  RETURNING g.*
), delayed AS (
  UPDATE delivery_due d
  SET attempt_count = d.attempt_count + 1, next_attempt_at = g.next_attempt_at
  FROM given g
  WHERE g.status = 'failed' AND d.integration_id = g.integration_id AND d.id = g.id
    AND d.attempt_count = g.attempt_count
  RETURNING g.*
), settled AS (
  SELECT * FROM removed UNION ALL SELECT * FROM delayed
), appended AS (
  INSERT INTO delivery_attempt (tenant_id, delivery_id, number, integration_id, event_id,
    event_type, status, reason, started_at, duration_ms, status_code, error_class, excerpt,
    replay_of)
  SELECT tenant_id, id, number, integration_id, event_id, event_type, status, reason, started_at,
    duration_ms, status_code, error_class, excerpt, replay_of
  FROM settled
), counted AS (
  INSERT INTO integration_hour AS h (tenant_id, integration_id, hour, delivered, discarded,
    failed_attempts, last_delivered_at, last_error, last_error_at)
  SELECT tenant_id, integration_id, hour,
    count(*) FILTER (WHERE status = 'delivered'),
    count(*) FILTER (WHERE status = 'discarded'),
    count(*) FILTER (WHERE error_class IS NOT NULL),
    max(ended_at) FILTER (WHERE status = 'delivered'),
    (array_agg(error_class ORDER BY ended_at DESC) FILTER (WHERE error_class IS NOT NULL))[1],
    max(ended_at) FILTER (WHERE error_class IS NOT NULL)
  FROM settled
  GROUP BY tenant_id, integration_id, hour
  ORDER BY tenant_id, integration_id, hour
  ON CONFLICT (tenant_id, integration_id, hour) DO UPDATE SET
    delivered = h.delivered + excluded.delivered,
    discarded = h.discarded + excluded.discarded,
    failed_attempts = h.failed_attempts + excluded.failed_attempts,
    last_delivered_at = greatest(h.last_delivered_at, excluded.last_delivered_at),
    last_error = CASE WHEN excluded.last_error_at >= coalesce(h.last_error_at, '-infinity')
      THEN excluded.last_error ELSE h.last_error END,
    last_error_at = greatest(h.last_error_at, excluded.last_error_at)
), tried AS (
  SELECT tenant_id, integration_id, ended_at, audit_id, is_gone, error_class IS NOT NULL
    AND ended_at > coalesce(max(ended_at) FILTER (WHERE status = 'delivered')
      OVER (PARTITION BY tenant_id, integration_id), '-infinity') AS is_in_run,
    status = 'delivered' AS is_delivered
  FROM settled WHERE number > 0
), runs AS (
  SELECT tenant_id, integration_id,
    max(ended_at) FILTER (WHERE is_delivered) AS recovered_at,
    count(*) FILTER (WHERE is_in_run) AS failures,
    min(ended_at) FILTER (WHERE is_in_run) AS since,
    max(ended_at) FILTER (WHERE is_in_run) AS until,
    coalesce(bool_or(is_gone), false) AS is_gone,
    min(audit_id::text)::uuid AS audit_id
  FROM tried GROUP BY tenant_id, integration_id
), pulsed AS (
  INSERT INTO integration_pulse AS p (tenant_id, integration_id, consecutive_failures,
    failing_since, recovered_at, counted_from)
  SELECT r.tenant_id, r.integration_id, r.failures, r.since, r.recovered_at, i.counted_from
  FROM runs r JOIN integration i ON i.tenant_id = r.tenant_id AND i.id = r.integration_id
  WHERE r.failures > 0 OR (SELECT q.consecutive_failures > 0 FROM integration_pulse q
    WHERE q.tenant_id = r.tenant_id AND q.integration_id = r.integration_id)
  ORDER BY r.tenant_id, r.integration_id
  ON CONFLICT (tenant_id, integration_id) DO UPDATE SET
    consecutive_failures = excluded.consecutive_failures + CASE
      WHEN excluded.recovered_at IS NULL AND p.counted_from = excluded.counted_from
      THEN p.consecutive_failures ELSE 0 END,
    failing_since = CASE
      WHEN excluded.recovered_at IS NULL AND p.counted_from = excluded.counted_from
      THEN coalesce(p.failing_since, excluded.failing_since) ELSE excluded.failing_since END,
    recovered_at = coalesce(excluded.recovered_at, p.recovered_at),
    counted_from = excluded.counted_from
  RETURNING tenant_id, integration_id, failing_since
), doomed AS (
  SELECT i.tenant_id, i.id, r.audit_id, CASE WHEN r.is_gone THEN 'gone' ELSE 'failing' END AS reason
  FROM runs r LEFT JOIN pulsed p USING (tenant_id, integration_id)
  JOIN integration i ON i.tenant_id = r.tenant_id AND i.id = r.integration_id
  WHERE i.is_enabled AND (r.is_gone OR r.until >= p.failing_since + $4::interval)
  ORDER BY i.tenant_id, i.id FOR NO KEY UPDATE OF i
), disabled AS (
  UPDATE integration i
  SET is_enabled = false, disabled_reason = d.reason, disabled_at = $2, version = i.version + 1,
    updated_at = $2
  FROM doomed d
  WHERE i.tenant_id = d.tenant_id AND i.id = d.id AND i.is_enabled
  RETURNING i.tenant_id, i.id, d.audit_id, d.reason
), audited AS (
  INSERT INTO audit (id, tenant_id, at, actor_kind, actor_id, actor_label, action, target_kind,
    target_id, outcome, before, after)
  SELECT audit_id, tenant_id, $2, 'worker', $1, 'worker', 'integration.disable', 'integration',
    id::text, 'done', '{"is_enabled": true}',
    jsonb_build_object('is_enabled', false, 'disabled_reason', reason)
  FROM disabled
)
SELECT s.id, s.integration_id, d.reason AS disabled_reason
FROM settled s LEFT JOIN disabled d ON d.tenant_id = s.tenant_id AND d.id = s.integration_id
"""
