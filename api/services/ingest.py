"""Observation in; observation, events and due deliveries stored, in one statement.

The statement runs in the caller's transaction, so an event without its deliveries is never seen.
Ids are made here, except for the lower half of a delivery's id, which PostgreSQL draws: how many
integrations listen is known only there, and asking first would cost a round trip per observation.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

import msgspec

from api.services.acceptance import Observation, check
from shared.contracts.observations import (
    AdoptionObservation,
    EditionsObservation,
    ExecutiveReportObservation,
    LifecycleRunObservation,
    ObservationReceipt,
    ReadinessObservation,
    UpliftPlanObservation,
)
from shared.contracts.payloads import Payload
from shared.contracts.words import SCOPE_OF, EventType, Scope
from shared.data.session import TenantSession
from shared.domain import mappers, snapshots
from shared.domain.catalogue import Catalogue
from shared.domain.rollups import FORMULA_VERSION
from shared.domain.uuid7 import Ids
from shared.errors import ConflictError, GuardianError, InvalidError, PayloadRefusedError

log = logging.getLogger("guardian.api")

FEWEST_THAT_CROSS = 2


class Told(NamedTuple):
    """What a producer says; a plan's id is said beside it."""

    observation: Observation
    plan_id: UUID | None = None


class Accepted(NamedTuple):
    """What was stored, of which domain, and which integrations have something due now."""

    domain: Scope
    receipt: ObservationReceipt
    woken: frozenset[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What accepting needs beside the observation: `has_events` is False for a backfill."""

    catalogue: Catalogue
    ids: Ids
    now: datetime
    has_events: bool = True


async def ingest(session: TenantSession, told: Told, *, intake: Intake) -> Accepted:
    """Store one observation and start its deliveries.

    Raises:
        InvalidError: a field is refused; nothing is stored.
        ConflictError: there is such a report already; nothing is stored.
    """
    [outcome] = await ingest_all(session, [told], intake=intake)
    if isinstance(outcome, GuardianError):
        raise outcome
    return outcome


async def ingest_all(
    session: TenantSession, tellings: Sequence[Told], *, intake: Intake
) -> list[Accepted | GuardianError]:
    """Store many, in order, each or its refusal: one that is refused stores nothing of its own.

    Observations that need nothing from the database share one statement.
    """
    await _take_turns(session, tellings)
    outcomes: dict[int, Accepted | GuardianError] = {}
    order = _DeliveryOrder()
    numbered = list(enumerate(tellings))
    for is_alone, group in groupby(numbered, key=lambda one: _is_alone(one[1])):
        ready: dict[int, _Prepared] = {}
        for number, told in group:
            try:
                check(told.observation, intake.catalogue, now=intake.now)
                prepared = _prepare(
                    told, intake, order, readiness_score=await _readiness_score(session, told)
                )
            except InvalidError as refusal:
                outcomes[number] = refusal
                continue
            if is_alone and prepared.plan:
                outcomes[number] = await _store_plan(session, prepared, prepared.plan, intake)
            elif is_alone:
                outcomes |= await _store(session, {number: prepared}, intake)
            else:
                ready[number] = prepared
        if ready:
            outcomes |= await _store(session, ready, intake)
    return [outcomes[number] for number, _ in numbered]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """An event about to be stored; `prefix` is the upper half of its deliveries' ids."""

    id: UUID
    type: EventType
    occurred_at: datetime
    body: bytes
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a plan's rows will say; which of two events is told depends on what was there."""

    snapshot: snapshots.UpliftPlanSnapshot
    created_body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A row of `observation`, and the events that tell of it."""

    id: UUID
    domain: Scope
    observed_at: datetime
    snapshot: snapshots.Snapshot
    subject_id: UUID | None = None
    score: float | None = None
    level: str | None = None
    events: list[_Event] = field(default_factory=list["_Event"])
    plan: _Plan | None = None


class _DeliveryOrder:
    """Upper halves of delivery ids, strictly increasing, so that an integration's stay in order.

    A UUIDv7's first 48 bits are its milliseconds and the 12 after its version may count (RFC 9562,
    6.2); a full count runs over into the next millisecond.
    """

    COUNTER_BITS = 12

    def __init__(self) -> None:
        self._last = -1

    def after(self, event_id: UUID) -> str:
        """Give the next one, not before the event's own millisecond."""
        self._last = max(self._last + 1, (event_id.int >> 80) << self.COUNTER_BITS)
        milliseconds, count = divmod(self._last, 1 << self.COUNTER_BITS)
        digits = f"{milliseconds:012x}"
        return f"{digits[:8]}-{digits[8:]}-7{count:03x}"


async def _take_turns(session: TenantSession, tellings: Sequence[Told]) -> None:
    """Lock the plans and reports that are told, in one order for everybody.

    They are stored in the order in which they were told, so two tellings of the same ones in
    opposite order would otherwise each hold what the other waits for. One alone cannot.
    """
    subjects = {
        told.plan_id or getattr(told.observation, "report_id", None) for told in tellings
    } - {None}
    if len(subjects) < FEWEST_THAT_CROSS:
        return
    named = (f"{session.tenant_id}/{subject}".encode() for subject in subjects)
    locks = {int.from_bytes(blake2b(name, digest_size=8).digest(), signed=True) for name in named}
    await session.connection.execute(
        "SELECT pg_advisory_xact_lock(lock) FROM unnest($1::bigint[]) AS one (lock)", sorted(locks)
    )


def _is_alone(told: Told) -> bool:
    """Whether it needs a statement of its own: a plan, or a report that looks readiness up."""
    match told.observation:
        case UpliftPlanObservation():
            return True
        case ExecutiveReportObservation(overall_health_score=None):
            return True
        case _:
            return False


async def _readiness_score(session: TenantSession, told: Told) -> float | None:
    """Find the score that a report without one takes over: the newest of its period or before."""
    match told.observation:
        case ExecutiveReportObservation(overall_health_score=None, period_end=last_day):
            end = datetime.combine(last_day + timedelta(days=1), time(), UTC)
            return await session.connection.fetchval(
                """
                SELECT score FROM observation
                WHERE tenant_id = $1 AND domain = 'readiness' AND observed_at < $2
                ORDER BY observed_at DESC, id DESC LIMIT 1
                """,
                session.tenant_id,
                end,
            )
        case _:
            return None


def _prepare(
    told: Told, intake: Intake, order: _DeliveryOrder, *, readiness_score: float | None
) -> _Prepared:
    match told.observation:
        case ReadinessObservation() as observation:
            snapshot = snapshots.readiness(observation, intake.catalogue)
            return _Prepared(
                id=intake.ids(),
                domain=Scope.READINESS,
                observed_at=observation.computed_at,
                snapshot=snapshot,
                score=snapshot.overall_score,
                level=snapshot.band,
                events=_events(
                    intake,
                    order,
                    EventType.READINESS_UPDATED,
                    observation.computed_at,
                    [mappers.readiness_data(snapshot, intake.catalogue)],
                ),
            )
        case AdoptionObservation() as observation:
            snapshot = snapshots.adoption(observation, intake.catalogue)
            return _Prepared(
                id=intake.ids(),
                domain=Scope.ADOPTION,
                observed_at=observation.computed_at,
                snapshot=snapshot,
                score=snapshot.overall_score,
                level=snapshot.overall_status,
                events=_events(
                    intake,
                    order,
                    EventType.ADOPTION_SCORES_COMPUTED,
                    observation.computed_at,
                    [mappers.adoption_data(snapshot)],
                ),
            )
        case EditionsObservation() as observation:
            snapshot = snapshots.editions(observation)
            main = next(one for one in snapshot.fits if one.edition_key == snapshot.main_key)
            return _Prepared(
                id=intake.ids(),
                domain=Scope.EDITIONS,
                observed_at=observation.computed_at,
                snapshot=snapshot,
                score=main.fit_score,
                level=main.fit_status,
                events=_events(
                    intake,
                    order,
                    EventType.EDITION_FIT_COMPUTED,
                    observation.computed_at,
                    [mappers.edition_fit_data(one, intake.catalogue) for one in snapshot.fits],
                ),
            )
        case UpliftPlanObservation() as observation:
            return _prepare_plan(observation, told.plan_id, intake, order)
        case ExecutiveReportObservation() as observation:
            created_at = observation.created_at or intake.now
            report_id = observation.report_id or intake.ids()
            snapshot = snapshots.executive_report(
                observation, report_id, readiness_score=readiness_score
            )
            return _Prepared(
                id=intake.ids(),
                domain=Scope.EXECUTIVE_REPORTS,
                observed_at=created_at,
                snapshot=snapshot,
                subject_id=report_id,
                score=snapshot.overall_health_score,
                events=_events(
                    intake,
                    order,
                    EventType.EXECUTIVE_REPORT_CREATED,
                    created_at,
                    [mappers.executive_report_data(snapshot)],
                ),
            )
        case LifecycleRunObservation() as observation:
            snapshot = snapshots.lifecycle_run(observation)
            return _Prepared(
                id=intake.ids(),
                domain=Scope.LIFECYCLE,
                observed_at=observation.run_at,
                snapshot=snapshot,
                events=_events(
                    intake,
                    order,
                    EventType.META_LIFECYCLE_RUN_COMPLETED,
                    observation.run_at,
                    [mappers.lifecycle_data(snapshot)],
                ),
            )


def _prepare_plan(
    observation: UpliftPlanObservation,
    plan_id: UUID | None,
    intake: Intake,
    order: _DeliveryOrder,
) -> _Prepared:
    if plan_id is None:
        raise ValueError("a plan is told under its id")
    changed_at = observation.changed_at or intake.now
    snapshot = snapshots.uplift_plan(observation, plan_id)
    data = mappers.uplift_plan_data(snapshot)
    percentage = snapshot.completion_percentage
    return _Prepared(
        id=intake.ids(),
        domain=Scope.UPLIFT,
        observed_at=changed_at,
        snapshot=snapshot,
        subject_id=plan_id,
        score=None if percentage is None else float(percentage),
        level=snapshot.status,
        events=_events(intake, order, EventType.UPLIFT_PLAN_UPDATED, changed_at, [data]),
        plan=_Plan(
            snapshot=snapshot,
            created_body=_sealed(EventType.UPLIFT_PLAN_CREATED, changed_at, data),
        ),
    )


def _events(
    intake: Intake,
    order: _DeliveryOrder,
    event_type: EventType,
    occurred_at: datetime,
    payloads: Iterable[Payload],
) -> list[_Event]:
    if not intake.has_events:
        return []
    made: list[_Event] = []
    for data in payloads:
        body = _sealed(event_type, occurred_at, data)
        event_id = intake.ids()
        made.append(
            _Event(
                id=event_id,
                type=event_type,
                occurred_at=occurred_at,
                body=body,
                prefix=order.after(event_id),
            )
        )
    return made


def _sealed(event_type: EventType, occurred_at: datetime, data: Payload) -> bytes:
    """Seal what will leave; what must not is withheld, and its deliveries are discarded.

    The observation itself is stored: what is wrong is the catalogue's or ours, not the producer's.
    """
    try:
        return mappers.envelope(event_type, occurred_at, data)
    except PayloadRefusedError as refusal:
        log.error("a payload of %s was withheld: %s", event_type, refusal.detail)  # noqa: TRY400 - the cause would repeat the text
        return mappers.WITHHELD


STORE = """
WITH stored AS (
  INSERT INTO observation (tenant_id, received_at, formula_version, id, domain, subject_id,
    observed_at, score, level, is_derived, body)
  SELECT $1, $2, $3, one.*
  FROM unnest($4::uuid[], $5::text[], $6::uuid[], $7::timestamptz[], $8::float8[], $9::text[],
    $10::boolean[], $11::jsonb[]) AS one
  ON CONFLICT DO NOTHING
  RETURNING id
), told AS (
  SELECT one.* FROM unnest($12::uuid[], $13::uuid[], $14::text[], $15::text[], $16::timestamptz[],
    $17::bytea[], $18::text[])
    AS one (observation_id, id, type, scope, occurred_at, body, prefix)
  JOIN stored ON stored.id = one.observation_id
), made AS (
  INSERT INTO event (tenant_id, id, type, scope, occurred_at, observation_id, body)
  SELECT $1, id, type, scope, occurred_at, observation_id, body FROM told
), due AS (
  INSERT INTO delivery_due (integration_id, id, tenant_id, event_id)
  SELECT integration.id, (told.prefix || right(gen_random_uuid()::text, 18))::uuid, $1, told.id
  FROM told JOIN integration ON integration.tenant_id = $1 AND integration.is_enabled
    AND integration.deleted_at IS NULL AND integration.digest <> 'weekly_only'
    AND told.scope = ANY (integration.scopes)
  RETURNING event_id, integration_id
)
SELECT stored.id, count(due.event_id) AS deliveries,
  array_agg(DISTINCT due.integration_id) FILTER (WHERE due.event_id IS NOT NULL) AS integrations
FROM stored LEFT JOIN told ON told.observation_id = stored.id
  LEFT JOIN due ON due.event_id = told.id
GROUP BY stored.id
"""


async def _store(
    session: TenantSession, ready: dict[int, _Prepared], intake: Intake
) -> dict[int, Accepted | GuardianError]:
    told = [(one.id, event) for one in ready.values() for event in one.events]
    rows = await session.connection.fetch(
        STORE,
        session.tenant_id,
        intake.now,
        FORMULA_VERSION,
        [one.id for one in ready.values()],
        [one.domain for one in ready.values()],
        [one.subject_id for one in ready.values()],
        [one.observed_at for one in ready.values()],
        [one.score for one in ready.values()],
        [one.level for one in ready.values()],
        [one.snapshot.is_derived for one in ready.values()],
        [msgspec.json.encode(one.snapshot).decode() for one in ready.values()],
        [observation_id for observation_id, _ in told],
        [event.id for _, event in told],
        [event.type for _, event in told],
        [SCOPE_OF[event.type] for _, event in told],
        [event.occurred_at for _, event in told],
        [event.body for _, event in told],
        [event.prefix for _, event in told],
    )
    found = {row["id"]: row for row in rows}
    return {
        number: _accepted(one, found[one.id]["deliveries"], found[one.id]["integrations"])
        if one.id in found
        else ConflictError("There is a report of this report_id already.")
        for number, one in ready.items()
    }


STORE_PLAN = """
WITH stored AS (
  INSERT INTO observation (tenant_id, received_at, formula_version, id, domain, subject_id,
    observed_at, score, level, is_derived, body)
  VALUES ($1, $2, $3, $4, 'uplift', $5, $6, $7, $8, $9, $10::jsonb)
  RETURNING id
), plan AS (
  INSERT INTO uplift_plan (tenant_id, id, title, status, starts_on, target_on, created_at,
    changed_at, observation_id)
  SELECT $1, $5, $11, $8, $12, $13, $6, $6, stored.id FROM stored
  ON CONFLICT (tenant_id, id) DO UPDATE SET title = EXCLUDED.title, status = EXCLUDED.status,
    starts_on = EXCLUDED.starts_on, target_on = EXCLUDED.target_on,
    changed_at = EXCLUDED.changed_at, observation_id = EXCLUDED.observation_id,
    stored_at = EXCLUDED.stored_at
  RETURNING xmax = 0 AS is_new
), begun AS (
  SELECT LEAST($6, min(completed_at)) AS at FROM unnest($19::timestamptz[]) AS one (completed_at)
), kept AS (
  INSERT INTO uplift_task (tenant_id, plan_id, id, status, priority, category, due_on,
    first_seen_at, completed_at)
  SELECT $1, $5, one.id, one.status, one.priority, one.category, one.due_on,
    CASE WHEN plan.is_new THEN begun.at ELSE LEAST($6, one.completed_at) END,
    CASE WHEN one.status = 'done' THEN COALESCE(one.completed_at, before.completed_at, $6) END
  FROM plan CROSS JOIN begun CROSS JOIN unnest($14::uuid[], $15::text[], $16::text[],
    $17::text[], $18::date[], $19::timestamptz[])
    AS one (id, status, priority, category, due_on, completed_at)
  LEFT JOIN uplift_task before ON before.tenant_id = $1 AND before.plan_id = $5
    AND before.id = one.id
  ON CONFLICT (tenant_id, plan_id, id) DO UPDATE SET status = EXCLUDED.status,
    priority = EXCLUDED.priority, category = EXCLUDED.category, due_on = EXCLUDED.due_on,
    first_seen_at = LEAST(uplift_task.first_seen_at, EXCLUDED.first_seen_at),
    completed_at = EXCLUDED.completed_at
), gone AS (
  DELETE FROM uplift_task USING plan
  WHERE tenant_id = $1 AND plan_id = $5 AND id <> ALL ($14::uuid[])
), told AS (
  INSERT INTO event (tenant_id, id, type, scope, occurred_at, observation_id, body)
  SELECT $1, $20::uuid,
    CASE WHEN is_new THEN 'uplift_plan_created' ELSE 'uplift_plan_updated' END, 'uplift', $6, $4,
    CASE WHEN is_new THEN $21::bytea ELSE $22::bytea END
  FROM plan WHERE $20::uuid IS NOT NULL
  RETURNING id
), due AS (
  INSERT INTO delivery_due (integration_id, id, tenant_id, event_id)
  SELECT integration.id, ($23::text || right(gen_random_uuid()::text, 18))::uuid, $1, told.id
  FROM told JOIN integration ON integration.tenant_id = $1 AND integration.is_enabled
    AND integration.deleted_at IS NULL AND integration.digest <> 'weekly_only'
    AND 'uplift' = ANY (integration.scopes)
  RETURNING integration_id
)
SELECT array(SELECT integration_id FROM due) AS integrations
"""


async def _store_plan(
    session: TenantSession, prepared: _Prepared, plan: _Plan, intake: Intake
) -> Accepted:
    """Store a plan's whole state; whether it is new is decided where two at a time take turns.

    A plan that is first told of halfway has had all its tasks since the first of them was done:
    else it would have begun with those alone, all done, and fallen when it was told.
    """
    snapshot = plan.snapshot
    event = prepared.events[0] if prepared.events else None
    woken = await session.connection.fetchval(
        STORE_PLAN,
        session.tenant_id,
        intake.now,
        FORMULA_VERSION,
        prepared.id,
        snapshot.plan_id,
        prepared.observed_at,
        prepared.score,
        prepared.level,
        snapshot.is_derived,
        msgspec.json.encode(snapshot).decode(),
        snapshot.title,
        snapshot.starts_on,
        snapshot.target_on,
        [one.task_id for one in snapshot.tasks],
        [one.status for one in snapshot.tasks],
        [one.priority for one in snapshot.tasks],
        [one.category for one in snapshot.tasks],
        [one.due_on for one in snapshot.tasks],
        [one.completed_at for one in snapshot.tasks],
        event.id if event else None,
        plan.created_body,
        event.body if event else None,
        event.prefix if event else None,
    )
    return _accepted(prepared, len(woken), woken)


def _accepted(prepared: _Prepared, deliveries: int, integrations: list[UUID] | None) -> Accepted:
    return Accepted(
        prepared.domain,
        ObservationReceipt(
            observation_id=prepared.id,
            event_ids=[event.id for event in prepared.events],
            delivery_count=deliveries,
        ),
        frozenset(integrations or ()),
    )
