"""Two years of all six domains for many tenants, made inside PostgreSQL."""

from datetime import date, datetime
from uuid import UUID

import msgspec

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
from shared.contracts.words import Dimension, PlanStatus, ReportType, Scope, TaskStatus
from shared.data.connection import Connection
from shared.domain import snapshots
from shared.domain.catalogue import Catalogue
from shared.runtime.story import CAPABILITIES, EDITIONS, SUB_DIMENSIONS

DAYS = 730
TENANTS_AT_ONCE = 20
"""A transaction's worth."""


async def seed(
    owner: Connection, *, tenants: int, thickness: int, until: datetime, catalogue: Catalogue
) -> int:
    """Make `tenants` tenants with `thickness` observations of each domain a day; count the rows.

    Tenant n has the id n. Bodies are those that ingest would have stored, with the same scores
    each day; the columns' scores differ. Afterwards the tables are as on a database that has lived.
    """
    bodies = [msgspec.json.encode(one).decode() for one in _snapshots(catalogue, at=until).values()]
    domains = [str(one) for one in _snapshots(catalogue, at=until)]
    await owner.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    await owner.execute(_TENANTS, tenants, until)
    for first in range(1, tenants + 1, TENANTS_AT_ONCE):
        last = min(first + TENANTS_AT_ONCE - 1, tenants)
        rows = DAYS * thickness
        await owner.execute(_OBSERVATIONS, first, last, rows, thickness, until, domains, bodies)
    await owner.execute(_PLANS, tenants, until)
    await owner.execute(_TASKS, until)
    await owner.execute("SET session_replication_role = origin; SET synchronous_commit = on")
    for table in ("tenant", "observation", "uplift_plan", "uplift_task"):
        await owner.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
    return await owner.fetchval("SELECT count(*) FROM observation")


def tenant_id(number: int) -> UUID:
    """The id of the nth tenant, counted from 1."""
    return UUID(int=number)


def _snapshots(catalogue: Catalogue, *, at: datetime) -> dict[Scope, snapshots.Snapshot]:
    readiness = ReadinessObservation(
        computed_at=at,
        capabilities=[CapabilityScore(key=key, score=70.0 + off) for key, off in CAPABILITIES],
    )
    adoption = AdoptionObservation(
        computed_at=at,
        scores=[
            AdoptionScore(dimension=Dimension(dimension), sub_dimension=name, score=55.0 + off)
            for dimension, name, off in SUB_DIMENSIONS
        ],
    )
    editions = EditionsObservation(
        computed_at=at,
        fits=[EditionFit(edition_key=key, fit_score=70.0 + off) for key, off in EDITIONS],
    )
    plan = UpliftPlanObservation(
        title="Plan",
        status=PlanStatus.ACTIVE,
        tasks=[UpliftTask(task_id=UUID(int=n), status=TaskStatus.TODO) for n in range(3)],
    )
    report = ExecutiveReportObservation(
        report_type=ReportType.MONTHLY,
        period_start=date(2026, 10, 1),
        period_end=date(2026, 10, 31),
        overall_health_score=72.0,
    )
    run = LifecycleRunObservation(
        run_at=at,
        total_compacted=500,
        total_deleted=50,
        operations_successful=4,
        operations_failed=0,
    )
    return {
        Scope.READINESS: snapshots.readiness(readiness, catalogue),
        Scope.ADOPTION: snapshots.adoption(adoption, catalogue),
        Scope.EDITIONS: snapshots.editions(editions),
        Scope.UPLIFT: snapshots.uplift_plan(plan, UUID(int=1)),
        Scope.EXECUTIVE_REPORTS: snapshots.executive_report(
            report, UUID(int=1), readiness_score=None
        ),
        Scope.LIFECYCLE: snapshots.lifecycle_run(run),
    }


_ID = "lpad(to_hex({}), 32, '0')::uuid"

_TENANTS = f"""
INSERT INTO tenant (id, name, created_at)
SELECT {_ID.format("n")}, 'Tenant ' || n, $2::timestamptz - interval '730 days'
FROM generate_series(1, $1::bigint) AS n
"""

_OBSERVATIONS = f"""
INSERT INTO observation (tenant_id, id, domain, subject_id, observed_at, received_at, score, level,
  is_derived, formula_version, body)
SELECT {_ID.format("n")}, gen_random_uuid(), told.domain,
  CASE WHEN told.domain IN ('uplift', 'executive_reports') THEN gen_random_uuid() END, told.at,
  told.at, CASE WHEN told.domain <> 'lifecycle' THEN told.score END,
  CASE told.domain WHEN 'readiness' THEN 'mature' WHEN 'adoption' THEN 'light'
    WHEN 'editions' THEN 'aligned' WHEN 'uplift' THEN 'active' END,
  true, 1, told.body
FROM generate_series($1::bigint, $2::bigint) AS n CROSS JOIN LATERAL (
  SELECT kind.domain, kind.body,
    $5::timestamptz - (row_number * interval '1 day' / $4::integer) - n * interval '1 second' AS at,
    round((60 + 15 * sin(row_number / 40.0 + n) + 5 * random())::numeric, 2)::float8 AS score
  FROM generate_series(0, $3::integer - 1) AS row_number
  CROSS JOIN unnest($6::text[], $7::jsonb[]) AS kind (domain, body)
) told
"""

_PLANS = f"""
INSERT INTO uplift_plan (tenant_id, id, title, status, starts_on, target_on, created_at, changed_at,
  observation_id)
SELECT {_ID.format("n")}, gen_random_uuid(), 'Plan', status, (until - interval '90 days')::date,
  (until + interval '90 days')::date, until - interval '90 days', until, gen_random_uuid()
FROM generate_series(1, $1::bigint) AS n
CROSS JOIN (VALUES ($2::timestamptz)) AS told (until)
CROSS JOIN unnest('{{active,active,draft,completed}}'::text[]) AS status
"""

_TASKS = """
INSERT INTO uplift_task (tenant_id, plan_id, id, status, priority, category, first_seen_at,
  completed_at)
SELECT tenant_id, id, gen_random_uuid(), CASE WHEN k % 2 = 0 THEN 'done' ELSE 'todo' END, 'high',
  'core', created_at, CASE WHEN k % 2 = 0 THEN $1::timestamptz - k * interval '3 days' END
FROM uplift_plan CROSS JOIN generate_series(1, 12) AS k
"""
