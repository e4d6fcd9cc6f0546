"""Observation, events and due deliveries are stored together, or nothing is."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.services.acceptance import check
from api.services.ingest import Accepted, Intake, Told, ingest, ingest_all
from shared.contracts.observations import (
    AdoptionObservation,
    AdoptionScore,
    CapabilityScore,
    EditionFit,
    EditionsObservation,
    ExecutiveReportObservation,
    LifecycleRunObservation,
    ReadinessObservation,
    UpliftPlanObservation,
    UpliftTask,
)
from shared.contracts.words import (
    Dimension,
    PlanStatus,
    ReportType,
    Scope,
    TaskStatus,
)
from shared.data.connection import Connection
from shared.data.session import acting_for
from shared.domain import uuid7
from shared.domain.catalogue import Capability, Catalogue, Edition, SubDimension
from shared.domain.uuid7 import Ids
from shared.errors import ConflictError, InvalidError
from shared.success.catalogue import Catalogues
from tests.conftest import Clock, make_tenant

RULES, ALERTS, NETWORK = (
    "guardian.core.rules",
    "guardian.core.alerts",
    "guardian.network.x05_lifecycle",
)
PLAN = UUID("3f2a0000-0000-7000-8000-000000000001")
CATALOGUE = Catalogue(
    capabilities={RULES: Capability("Rule engine", 2.0)},
    editions={key: Edition("Any", is_active=True) for key in ("guardian_core", "guardian_pro")},
    sub_dimensions={(Dimension.CORE, "rules_usage"): SubDimension(1.0, 20, 50, 80)},
)
EVERY_SCOPE = [str(scope) for scope in Scope]
TABLES = ("observation", "event", "delivery_due", "uplift_plan", "uplift_task")


class Desk:
    """Hands observations in for one tenant."""

    def __init__(self, tenant: UUID, clock: Clock) -> None:
        self.tenant = tenant
        self.clock = clock
        self.ids = Ids(clock)
        self.catalogues = Catalogues(clock)

    async def tell(self, observation: Any, plan_id: UUID | None = None, **given: Any) -> Accepted:
        async with acting_for(self.tenant) as session:
            intake = Intake(
                catalogue=await self.catalogues.newest(session),
                ids=self.ids,
                now=self.clock(),
                **given,
            )
            return await ingest(session, Told(observation, plan_id), intake=intake)


@pytest.fixture
def desk(tenant: UUID, clock: Clock) -> Desk:
    return Desk(tenant, clock)


def observations(at: datetime) -> list[Told]:
    """One of each domain, worth one event each."""
    return [
        Told(_readiness(at, (RULES, 70))),
        Told(
            AdoptionObservation(
                computed_at=at,
                scores=[
                    AdoptionScore(dimension=Dimension.CORE, sub_dimension="rules_usage", score=75.0)
                ],
            )
        ),
        Told(
            EditionsObservation(
                computed_at=at, fits=[EditionFit(edition_key="guardian_pro", fit_score=78.0)]
            )
        ),
        Told(_plan(TaskStatus.DONE, TaskStatus.TODO), PLAN),
        Told(_report(overall_health_score=72.0)),
        Told(
            LifecycleRunObservation(
                run_at=at,
                total_compacted=500,
                total_deleted=50,
                operations_successful=4,
                operations_failed=0,
            )
        ),
    ]


async def test_each_domain_is_stored_with_its_event_and_a_delivery_for_whoever_listens(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    listening = await _integration(owner, desk.tenant, scopes=EVERY_SCOPE)

    for told in observations(clock()):
        accepted = await desk.tell(*told)
        assert accepted.receipt.delivery_count == 1
        assert accepted.woken == {listening}

    stored = {
        row["domain"]: (row["score"], row["level"], row["is_derived"], row["formula_version"])
        for row in await owner.fetch("SELECT * FROM observation")
    }
    assert stored == {
        "readiness": (70.0, "mature", True, 1),
        "adoption": (75.0, "regular", True, 1),
        "editions": (78.0, "aligned", True, 1),
        "uplift": (50.0, "active", True, 1),
        "executive_reports": (72.0, None, False, 1),
        "lifecycle": (None, None, False, 1),
    }
    told_of = await owner.fetch(
        """
        SELECT event.scope, event.type, event.body FROM delivery_due JOIN event
          ON event.id = delivery_due.event_id AND event.tenant_id = delivery_due.tenant_id
        JOIN observation ON observation.id = event.observation_id
        WHERE delivery_due.integration_id = $1 AND attempt_count = 0 AND next_attempt_at IS NULL
          AND event.scope = observation.domain
        """,
        listening,
    )
    assert {row["scope"] for row in told_of} == set(EVERY_SCOPE)
    assert all(json.loads(row["body"])["type"] == row["type"] for row in told_of)


async def test_only_enabled_integrations_of_the_scope_hear_of_it(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    other = await make_tenant("Other", clock=clock)
    hears = await _integration(owner, desk.tenant, scopes=["readiness", "uplift"])
    await _integration(owner, desk.tenant, scopes=["adoption"])
    await _integration(owner, desk.tenant, scopes=EVERY_SCOPE, is_enabled=False)
    await _integration(owner, desk.tenant, scopes=EVERY_SCOPE, is_deleted=True)
    await _integration(owner, other, scopes=EVERY_SCOPE)

    for told in observations(clock())[0], observations(clock())[3]:
        accepted = await desk.tell(*told)
        assert accepted.woken == {hears}

    assert {row["integration_id"] for row in await owner.fetch("SELECT * FROM delivery_due")} == {
        hears
    }


async def test_a_backfill_stores_without_telling_anyone(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    await _integration(owner, desk.tenant, scopes=EVERY_SCOPE)

    for told in observations(clock()):
        accepted = await desk.tell(*told, has_events=False)
        assert (accepted.receipt.event_ids, accepted.receipt.delivery_count) == ([], 0)

    assert await _counts(owner) == {
        "observation": 6,
        "event": 0,
        "delivery_due": 0,
        "uplift_plan": 1,
        "uplift_task": 2,
    }


async def test_deliveries_of_an_integration_sort_as_their_events_do(
    desk: Desk, owner: Connection, clock: Clock, tenant: UUID
) -> None:
    for _ in range(3):
        await _integration(owner, tenant, scopes=["readiness"])
    tellings = [Told(_readiness(clock(), (RULES, number % 100))) for number in range(300)]

    async with acting_for(tenant) as session:
        intake = Intake(catalogue=await desk.catalogues.newest(session), ids=desk.ids, now=clock())
        await ingest_all(session, tellings, intake=intake)

    rows = await owner.fetch(
        "SELECT integration_id, id, event_id FROM delivery_due ORDER BY integration_id, id"
    )
    assert len({row["id"] for row in rows}) == 900
    assert all(
        one["event_id"] < other["event_id"]
        for one, other in pairwise(rows)
        if one["integration_id"] == other["integration_id"]
    )
    assert all(row["id"].version == 7 and row["id"].variant == uuid4().variant for row in rows)
    assert all(uuid7.instant_of(row["id"]) == clock() for row in rows)


async def test_each_fit_is_an_event_and_the_primary_edition_is_the_main_one(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    fits = [
        EditionFit(edition_key="guardian_core", fit_score=95.0),
        EditionFit(edition_key="guardian_pro", fit_score=55.0, is_primary=True),
    ]

    accepted = await desk.tell(EditionsObservation(computed_at=clock(), fits=fits))

    assert len(accepted.receipt.event_ids) == 2
    row = await owner.fetchrow("SELECT score, level FROM observation")
    assert row is not None
    assert (row["score"], row["level"]) == (55.0, "emerging")


async def test_readiness_is_derived_by_the_weights_of_the_catalogue(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    # (70 x 2.0 + 40 x 1.8 + 85 x 0.8) / 4.6 = 60.87
    await desk.tell(_readiness(clock(), (RULES, 70), (ALERTS, 40), (NETWORK, 85)))

    row = await owner.fetchrow("SELECT score, level, body FROM observation")
    assert row is not None
    assert (row["score"], row["level"]) == (61.0, "mature")
    assert [one["status"] for one in json.loads(row["body"])["capabilities"]] == [
        "ready",
        "partial",
        "ready",
    ]


async def test_what_the_producer_says_of_the_whole_stands(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    observation = ReadinessObservation(
        computed_at=clock(),
        capabilities=[CapabilityScore(key=RULES, score=70.0)],
        overall_score=30.0,
    )

    await desk.tell(observation)

    row = await owner.fetchrow("SELECT score, level, is_derived FROM observation")
    assert row is not None
    assert (row["score"], row["level"], row["is_derived"]) == (30.0, "baseline", True)


async def test_a_plan_is_created_once_and_then_updated_whatever_its_status(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    for status in (PlanStatus.ACTIVE, PlanStatus.DRAFT, PlanStatus.COMPLETED):
        await desk.tell(_plan(TaskStatus.TODO, status=status), PLAN)

    rows = await owner.fetch("SELECT type, body FROM event ORDER BY id")
    assert [row["type"] for row in rows] == [
        "uplift_plan_created",
        "uplift_plan_updated",
        "uplift_plan_updated",
    ]
    assert all(json.loads(row["body"])["type"] == row["type"] for row in rows)
    assert await owner.fetchval("SELECT status FROM uplift_plan") == "completed"


async def test_a_task_is_completed_when_it_first_becomes_done(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    async def completed_at() -> datetime | None:
        return await owner.fetchval("SELECT completed_at FROM uplift_task")

    await desk.tell(_plan(TaskStatus.TODO), PLAN)
    assert await completed_at() is None

    clock.advance(timedelta(hours=1))
    first_done = clock()
    await desk.tell(_plan(TaskStatus.DONE), PLAN)
    clock.advance(timedelta(hours=1))
    await desk.tell(_plan(TaskStatus.DONE), PLAN)
    assert await completed_at() == first_done

    await desk.tell(_plan(TaskStatus.BLOCKED), PLAN)
    assert await completed_at() is None

    clock.advance(timedelta(hours=1))
    await desk.tell(_plan(TaskStatus.DONE), PLAN)
    assert await completed_at() == clock()


async def test_a_completion_that_is_told_is_kept_and_the_task_existed_then(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    done_at = clock() - timedelta(days=20)
    task = UpliftTask(task_id=uuid4(), status=TaskStatus.DONE, completed_at=done_at)
    plan = UpliftPlanObservation(title="Move", status=PlanStatus.ACTIVE, tasks=[task])

    await desk.tell(plan, PLAN)

    row = await owner.fetchrow("SELECT completed_at, first_seen_at FROM uplift_task")
    assert row is not None
    assert (row["completed_at"], row["first_seen_at"]) == (done_at, done_at)


async def test_tasks_that_are_left_out_are_gone(desk: Desk, owner: Connection) -> None:
    await desk.tell(_plan(TaskStatus.TODO, TaskStatus.DONE), PLAN)
    await desk.tell(_plan(TaskStatus.TODO), PLAN)

    assert await owner.fetchval("SELECT count(*) FROM uplift_task") == 1

    await desk.tell(_plan(), PLAN)

    assert await owner.fetchval("SELECT count(*) FROM uplift_task") == 0


async def test_a_report_without_health_takes_the_readiness_of_its_last_day(
    desk: Desk, owner: Connection
) -> None:
    for at, score in (
        (datetime(2026, 10, 1, tzinfo=UTC), 50),
        (datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC), 61),
        (datetime(2026, 11, 1, tzinfo=UTC), 90),
    ):
        await desk.tell(_readiness(at, (RULES, score)))

    await desk.tell(_report())

    row = await owner.fetchrow(
        "SELECT score, is_derived FROM observation WHERE domain = 'executive_reports'"
    )
    assert row is not None
    assert (row["score"], row["is_derived"]) == (61.0, True)


async def test_a_report_before_any_readiness_has_no_health(desk: Desk, owner: Connection) -> None:
    await desk.tell(_report())

    row = await owner.fetchrow("SELECT score, is_derived FROM observation")
    assert row is not None
    assert (row["score"], row["is_derived"]) == (None, False)


async def test_a_report_told_twice_conflicts_and_leaves_nothing(
    desk: Desk, owner: Connection
) -> None:
    report_id = uuid4()
    await desk.tell(_report(report_id=report_id, overall_health_score=50.0))
    before = await _counts(owner)

    with pytest.raises(ConflictError):
        await desk.tell(_report(report_id=report_id, overall_health_score=50.0))

    assert await _counts(owner) == before


def _unknown(now: datetime) -> Told:
    return Told(_readiness(now, ("guardian.core.jane_doe", 1)))


REFUSED: list[tuple[str, str, Callable[[datetime], Told]]] = [
    ("$.capabilities[0].key", "unknown_key", _unknown),
    (
        "$.capabilities[1].key",
        "duplicate",
        lambda now: Told(_readiness(now, (RULES, 1), (RULES, 2))),
    ),
    (
        "$.computed_at",
        "out_of_range",
        lambda now: Told(_readiness(now + timedelta(days=2), (RULES, 1))),
    ),
    (
        "$.computed_at",
        "out_of_range",
        lambda now: Told(_readiness(datetime(1999, 12, 31, tzinfo=UTC), (RULES, 1))),
    ),
    (
        "$.scores[0].sub_dimension",
        "unknown_key",
        lambda now: Told(
            AdoptionObservation(
                computed_at=now,
                scores=[
                    AdoptionScore(dimension=Dimension.META, sub_dimension="rules_usage", score=1.0)
                ],
            )
        ),
    ),
    (
        "$.fits[1].is_primary",
        "duplicate",
        lambda now: Told(
            EditionsObservation(
                computed_at=now,
                fits=[
                    EditionFit(edition_key=key, fit_score=1.0, is_primary=True)
                    for key in ("guardian_core", "guardian_pro")
                ],
            )
        ),
    ),
    (
        "$.fits[0].edition_key",
        "unknown_key",
        lambda now: Told(
            EditionsObservation(
                computed_at=now, fits=[EditionFit(edition_key="guardian_max", fit_score=1.0)]
            )
        ),
    ),
    ("$.title", "personal_data", lambda now: Told(_plan(title="Ask jane.doe@example.com"), PLAN)),
    ("$.title", "not_allowed", lambda now: Told(_plan(title="Move\x1b[2J"), PLAN)),
    ("$.title", "blank", lambda now: Told(_plan(title="  "), PLAN)),
    ("$.title", "personal_data", lambda now: Told(_report(title="Call +49 170 1234567"))),
    (
        "$.tasks[1].task_id",
        "duplicate",
        lambda now: Told(
            UpliftPlanObservation(
                title="Move",
                status=PlanStatus.ACTIVE,
                tasks=[UpliftTask(task_id=PLAN, status=TaskStatus.TODO)] * 2,
            ),
            PLAN,
        ),
    ),
    (
        "$.tasks[0].completed_at",
        "contradiction",
        lambda now: Told(
            UpliftPlanObservation(
                title="Move",
                status=PlanStatus.ACTIVE,
                tasks=[UpliftTask(task_id=PLAN, status=TaskStatus.TODO, completed_at=now)],
            ),
            PLAN,
        ),
    ),
    ("$.period_end", "out_of_order", lambda now: Told(_report(period_end=date(2026, 9, 30)))),
    ("$.period_end", "out_of_range", lambda now: Told(_report(period_end=date(9999, 12, 31)))),
]


@pytest.mark.parametrize(("path", "kind", "made"), REFUSED)
def test_a_refusal_names_the_field_and_repeats_nothing_of_it(
    path: str, kind: str, made: Callable[[datetime], Told]
) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)

    with pytest.raises(InvalidError) as refusal:
        check(made(now).observation, CATALOGUE, now=now)

    assert [(one.path, one.kind) for one in refusal.value.errors] == [(path, kind)]
    assert not {"jane", "1234567", "max"} & set(re.findall(r"\w+", refusal.value.detail.lower()))


async def test_what_is_refused_stores_nothing(desk: Desk, owner: Connection, clock: Clock) -> None:
    await _integration(owner, desk.tenant, scopes=EVERY_SCOPE)

    for _, _, made in REFUSED:
        with pytest.raises(InvalidError):
            await desk.tell(*made(clock()))

    assert set((await _counts(owner)).values()) == {0}


async def test_among_many_each_is_stored_or_refused_on_its_own_and_in_order(
    desk: Desk, owner: Connection, clock: Clock, tenant: UUID
) -> None:
    tellings = [
        Told(_readiness(datetime(2026, 10, 15, tzinfo=UTC), (RULES, 64))),
        Told(_readiness(clock(), ("nobody.knows", 1))),
        Told(_report()),
        Told(_plan(TaskStatus.TODO), PLAN),
        Told(_plan(TaskStatus.DONE), PLAN),
    ]

    async with acting_for(tenant) as session:
        catalogue = await desk.catalogues.newest(session)
        intake = Intake(catalogue=catalogue, ids=desk.ids, now=clock())
        outcomes = await ingest_all(session, tellings, intake=intake)

    assert [isinstance(one, Accepted) for one in outcomes] == [True, False, True, True, True]
    assert (
        await owner.fetchval("SELECT score FROM observation WHERE domain = 'executive_reports'")
        == 64
    ), "the report saw the readiness that came before it"
    assert [row["type"] for row in await owner.fetch("SELECT type FROM event ORDER BY id")] == [
        "readiness_updated",
        "executive_report_created",
        "uplift_plan_created",
        "uplift_plan_updated",
    ]


async def test_a_change_of_the_catalogue_is_heard_within_seconds(
    desk: Desk, owner: Connection, clock: Clock
) -> None:
    await desk.tell(_readiness(clock(), (RULES, 70)))
    await owner.execute(
        "INSERT INTO capability (key, label, category) VALUES ('guardian.new', 'New', 'core')"
    )

    with pytest.raises(InvalidError):
        await desk.tell(_readiness(clock(), ("guardian.new", 70)))
    clock.advance(timedelta(seconds=5))

    assert await desk.tell(_readiness(clock(), ("guardian.new", 70)))


def _readiness(at: datetime, *scores: tuple[str, float]) -> ReadinessObservation:
    return ReadinessObservation(
        computed_at=at,
        capabilities=[CapabilityScore(key=key, score=float(score)) for key, score in scores],
    )


def _plan(*statuses: TaskStatus, **given: Any) -> UpliftPlanObservation:
    tasks = [
        UpliftTask(task_id=UUID(int=number), status=status)
        for number, status in enumerate(statuses)
    ]
    plan: dict[str, Any] = {"title": "Move to Pro", "status": PlanStatus.ACTIVE, "tasks": tasks}
    return UpliftPlanObservation(**(plan | given))


def _report(**given: Any) -> ExecutiveReportObservation:
    report: dict[str, Any] = {
        "report_type": ReportType.MONTHLY,
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
    }
    return ExecutiveReportObservation(**(report | given))


async def _counts(owner: Connection) -> dict[str, int]:
    return {table: await owner.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608 - our own names


async def _integration(
    owner: Connection,
    tenant: UUID,
    *,
    scopes: list[str],
    is_enabled: bool = True,
    is_deleted: bool = False,
) -> UUID:
    integration_id = uuid4()
    await owner.execute(
        """
        INSERT INTO integration (tenant_id, id, integration_key, label, description, is_enabled,
          scopes, format, signature, webhook_host, url_hint, headers, secret_header_names,
          auth_kind, sealed_config, sealed_secret, created_at, updated_at, deleted_at)
        VALUES ($1, $2, $3, 'BI', '', $4, $5, 'standard', 'v1', 'h', 'h', '{}', '{}', 'none',
          CASE WHEN $6 THEN NULL ELSE ''::bytea END, CASE WHEN $6 THEN NULL ELSE ''::bytea END,
          now(), now(), CASE WHEN $6 THEN now() END)
        """,
        tenant,
        integration_id,
        str(integration_id),
        is_enabled and not is_deleted,
        scopes,
        is_deleted,
    )
    return integration_id
