"""History goes by whole months, never what is undelivered, and the counters stay."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from shared.data.connection import Connection, connect
from shared.data.engine import close_pool, open_pool
from shared.data.lifecycle import plan_lifecycle
from shared.data.migrate import migrate
from shared.data.retention import fold_hours
from shared.data.session import operating, working
from shared.domain.uuid7 import Ids
from tests.conftest import Clock, Database, Servers, make_tenant
from tests.unit.worker.conftest import Builder, Made, eventually
from worker import retention

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARTITIONS = """
SELECT array_agg(c.relname::text ORDER BY c.relname) FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE p.relname IN ('event', 'delivery_attempt')
  AND c.relname ~ '_y2026m0[567]$'
"""
ALL = [f"{table}_y2026m0{month}" for table in ("delivery_attempt", "event") for month in (5, 6, 7)]


async def _past(builder: Builder) -> Made:
    """Three old months, each with three settled deliveries."""
    await builder.owner.execute("SELECT guardian_make_partitions('2026-05-01', 3)")
    builder.clock.now = NOW
    made = await builder.integration("http://127.0.0.1:9/")
    for month in (5, 6, 7):
        builder.clock.now = datetime(2026, month, 10, tzinfo=UTC)
        await builder.deliveries(made, count=3)
    await builder.owner.execute(
        """
        WITH gone AS (DELETE FROM delivery_due RETURNING *)
        INSERT INTO delivery_attempt (tenant_id, delivery_id, number, integration_id, event_id,
          event_type, status, started_at, duration_ms)
        SELECT tenant_id, id, 1, integration_id, event_id, 'readiness_updated', 'delivered',
          now(), 5 FROM gone
        """
    )
    builder.clock.now = NOW
    return made


async def _wait_since_june(builder: Builder, made: Made) -> None:
    builder.clock.now = datetime(2026, 6, 20, tzinfo=UTC)
    builder.ids = Ids(builder.clock)  # which never go back
    await builder.deliveries(made)
    builder.clock.now = NOW


async def _let_go(builder: Builder, *, days: int = 90) -> list[str]:
    done = await retention.let_history_go(NOW, days=days, ids=Ids(builder.clock))
    return sorted(one.name for one in done.dropped)


async def test_months_older_than_the_policy_go_in_whole_and_younger_ones_stay(
    builder: Builder,
) -> None:
    await _past(builder)

    assert await _let_go(builder, days=140) == [
        "delivery_attempt_y2026m05",
        "delivery_attempt_y2026m06",
        "event_y2026m05",
        "event_y2026m06",
    ], "the last of July is 115 days ago"

    assert await builder.owner.fetchval("SELECT count(*) FROM event") == 3
    assert await builder.owner.fetchval("SELECT count(*) FROM delivery_attempt") == 3
    forced = await builder.owner.fetchval(
        "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = 'delivery_due'"
    )
    assert forced


async def test_a_month_that_an_undelivered_delivery_needs_stays(builder: Builder) -> None:
    made = await _past(builder)
    await _wait_since_june(builder, made)

    assert await _let_go(builder) == [
        "delivery_attempt_y2026m05",
        "delivery_attempt_y2026m07",
        "event_y2026m05",
        "event_y2026m07",
    ]

    assert await builder.owner.fetchval("SELECT count(*) FROM delivery_due") == 1
    await builder.owner.execute("DELETE FROM delivery_due")
    assert await _let_go(builder) == ["delivery_attempt_y2026m06", "event_y2026m06"]


async def test_a_replay_of_an_old_event_holds_only_the_event(builder: Builder) -> None:
    await _past(builder)
    await builder.owner.execute(
        """
        INSERT INTO delivery_due (integration_id, id, tenant_id, event_id, replay_of)
        SELECT integration_id, $1, tenant_id, event_id, delivery_id FROM delivery_attempt
        ORDER BY delivery_id LIMIT 1
        """,
        builder.ids(),
    )

    dropped = await _let_go(builder)

    assert "event_y2026m05" not in dropped
    assert "delivery_attempt_y2026m05" in dropped
    assert len(dropped) == 5


async def test_looking_changes_nothing_and_tells_what_would_go(builder: Builder) -> None:
    await _past(builder)

    async with operating(is_read_only=True) as session:
        plan = await plan_lifecycle(session, now=NOW, days=90)

    assert sorted(one.name for one in plan.dropped) == ALL
    assert plan.held == []
    assert plan.dropped[0].month == date(2026, 5, 1)
    assert await builder.owner.fetchval(PARTITIONS) == ALL


async def test_a_tenant_that_keeps_less_loses_what_is_older_and_keeps_what_is_undelivered(
    builder: Builder,
) -> None:
    made = await _past(builder)
    await _wait_since_june(builder, made)
    await builder.owner.execute("UPDATE tenant SET retention_days = 140")

    done = await retention.let_history_go(NOW, days=2000, ids=Ids(builder.clock))

    assert (done.dropped, done.tenants_with_own_policy) == ([], 1)
    assert done.rows_forgotten == 12, "of May and June what is delivered, and its events"
    assert await builder.owner.fetchval("SELECT count(*) FROM delivery_due") == 1
    again = await retention.let_history_go(NOW, days=2000, ids=Ids(builder.clock))
    assert again.rows_forgotten == 0
    [row] = await builder.owner.fetch("SELECT after FROM audit WHERE action = 'lifecycle.run'")
    assert msgspec.json.decode(row["after"])["rows_forgotten"] == 12


async def test_a_run_is_recorded_in_the_operators_audit(builder: Builder) -> None:
    await _past(builder)
    await _let_go(builder)
    await _let_go(builder)

    [row] = await builder.owner.fetch("SELECT * FROM audit WHERE action = 'lifecycle.run'")
    assert row["tenant_id"] is None
    assert row["actor_kind"] == "worker"
    assert sorted(msgspec.json.decode(row["after"])["dropped"]) == ALL


async def test_a_month_whose_table_is_busy_is_left_to_the_next_run(builder: Builder) -> None:
    await _past(builder)
    async with builder.owner.transaction():
        await builder.owner.execute("LOCK TABLE delivery_due IN ROW EXCLUSIVE MODE")
        waiting = asyncio.create_task(_let_go(builder, days=170))
        assert await waiting == []

    assert len(await _let_go(builder, days=170)) == 2


@pytest.mark.parametrize("month", ["2026-10-01", "2099-01-01"])
async def test_no_month_goes_within_a_week_of_its_end(builder: Builder, month: str) -> None:
    youngest = date.fromisoformat(month)
    if youngest.year == 2026:
        youngest = datetime.now(UTC).date().replace(day=1)
    async with working() as session:
        with pytest.raises(Exception, match="stays for seven days"):
            await session.connection.fetchval(
                "SELECT guardian_drop_partition('event', $1)", youngest
            )


async def test_no_other_table_can_be_named(database: object) -> None:
    async with working() as session:
        with pytest.raises(Exception, match="only the months"):
            await session.connection.fetchval(
                "SELECT guardian_drop_partition('audit', '2020-01-01')"
            )


async def test_counters_become_months_and_their_sums_stay(builder: Builder, clock: Clock) -> None:
    clock.now = NOW
    made = await builder.integration("http://127.0.0.1:9/")
    for hours in (1, 700, 800, 801, 2000, 2001, 2002):
        await builder.owner.execute(
            "INSERT INTO integration_hour VALUES ($1, $2, $3, $4, 1, 2, $3, $5, $3)",
            made.tenant_id,
            made.id,
            NOW - timedelta(hours=hours),
            hours,
            f"error {hours}",
        )
    sums = (
        "SELECT sum(delivered), sum(discarded), sum(failed_attempts), max(last_delivered_at), "
        "(array_agg(last_error ORDER BY last_error_at DESC NULLS LAST))[1] FROM integration_hour"
    )
    before = list(await builder.owner.fetchrow(sums) or ())

    counts: list[int] = []
    for _ in range(3):
        async with working() as session:
            counts.append(await fold_hours(session, NOW - timedelta(days=31)))
        await builder.owner.execute(
            "INSERT INTO integration_hour VALUES ($1, $2, $3, 0, 0, 0, NULL, NULL, NULL)",
            made.tenant_id,
            made.id,
            NOW - timedelta(hours=2010),
        )

    assert counts == [5, 1, 1]
    assert list(await builder.owner.fetchrow(sums) or ()) == before
    kept = await builder.owner.fetch(
        "SELECT hour, last_error FROM integration_hour WHERE delivered > 0 ORDER BY hour DESC"
    )
    assert [row["last_error"] for row in kept] == [
        "error 1",
        "error 700",
        "error 800",
        "error 2000",
    ]


@pytest.fixture
async def plain_owner(servers: Servers, clock: Clock) -> AsyncGenerator[Connection, None]:
    """A database whose owner is no superuser, as managed servers have it; the pool is on it."""
    server = await connect(servers.owner_url)
    await server.execute(
        f"CREATE ROLE plain_owner LOGIN CREATEROLE PASSWORD '{servers.password}';"
        "GRANT guardian_api, guardian_operator, guardian_worker TO plain_owner WITH ADMIN OPTION"
    )
    await server.execute("CREATE DATABASE plain OWNER plain_owner")
    await migrate(servers.url("plain_owner", "plain"))
    await open_pool(servers.url("guardian_tests", "plain"), size=2, name="tests")
    everything = await connect(servers.url("guardian_owner", "plain"))
    try:
        yield everything
    finally:
        await everything.close()
        await close_pool()
        await server.execute("DROP DATABASE plain WITH (FORCE)")
        await server.execute("DROP OWNED BY plain_owner; DROP ROLE plain_owner")
        await server.close()


async def test_an_owner_whom_row_security_binds_still_sees_what_is_undelivered(
    plain_owner: Connection, clock: Clock
) -> None:
    builder = Builder(plain_owner, tenant_id=await make_tenant("Acme", clock=clock), clock=clock)
    made = await _past(builder)
    await _wait_since_june(builder, made)
    for parent in ("event", "delivery_attempt"):
        for month, is_gone in ((date(2026, 6, 1), False), (date(2026, 5, 1), True)):
            async with working() as session:
                answer = await session.connection.fetchval(
                    "SELECT guardian_drop_partition($1, $2)", parent, month
                )
            assert answer is is_gone


async def _is_waiting(builder: Builder) -> bool:
    return await builder.owner.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'event'::regclass AND NOT granted)"
    )


async def test_letting_go_steps_back_before_an_observation_is_refused(
    builder: Builder, database: Database
) -> None:
    """The two lock the same tables the other way round."""
    await _past(builder)
    producer = await connect(database.owner_url)
    letting_go: asyncio.Task[list[str]] | None = None
    try:
        async with producer.transaction():
            await producer.execute("LOCK TABLE event IN ROW EXCLUSIVE MODE")
            letting_go = asyncio.create_task(_let_go(builder))
            await eventually(lambda: _is_waiting(builder), what="letting go waits for the events")
            await producer.execute("LOCK TABLE delivery_due IN ROW EXCLUSIVE MODE")
    finally:
        await producer.close()
        dropped = [] if letting_go is None else await letting_go

    assert dropped == ALL, "what was in the way is gone, so it went at a later try"
