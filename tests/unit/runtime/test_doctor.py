import os
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.data.connection import Connection
from shared.data.storage import months_ahead
from shared.domain.uuid7 import uuid7
from shared.runtime.doctor import Check, diagnose
from tests.conftest import Clock, Database, Servers

RING = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture
def env(database: Database, servers: Servers) -> dict[str, str]:
    return {
        "DATABASE_URL": database.api_url,
        "REDIS_URL": servers.redis_url,
        "GUARDIAN_KEY_RING": RING,
        "GUARDIAN_KEY_PEPPER": "a pepper of this test",
    }


async def test_a_system_with_a_worker_is_well(env: dict[str, str], owner: Connection) -> None:
    await _beat(owner, seconds_ago=3)

    checks = await diagnose(env)

    assert [one for one in checks if not one.ok] == []
    assert {one.name for one in checks} == {
        "settings",
        "key-ring",
        "redis",
        "narrative",
        "postgresql",
        "clock",
        "roles",
        "migrations",
        "row-security",
        "record",
        "seals",
        "certificates",
        "worker",
        "queue",
        "storage",
        "partitions",
    }
    told = {one.name: one.detail for one in checks}
    assert re.fullmatch(r"\d+\.\d MB in all: .* of indexes\. \d+ dead rows\.", told["storage"])
    assert re.fullmatch(
        "Partitions are ready for [1-9].* months after this one.", told["partitions"]
    )


@pytest.mark.parametrize(
    "spoilt",
    [
        "GRANT UPDATE (outcome) ON audit TO guardian_api",
        "GRANT DELETE ON audit TO guardian_worker",
    ],
)
async def test_a_record_that_could_be_altered_is_noticed(
    env: dict[str, str], owner: Connection, spoilt: str
) -> None:
    await owner.execute(spoilt)

    [record] = [one for one in await diagnose(env) if one.name == "record"]

    assert not record.ok
    assert "can be altered by guardian_" in record.detail


async def test_a_policy_that_lets_every_tenant_see_is_noticed(
    env: dict[str, str], owner: Connection
) -> None:
    await owner.execute("ALTER POLICY guardian_api ON observation USING (true) WITH CHECK (true)")

    [found] = [one for one in await diagnose(env) if one.name == "row-security"]

    assert not found.ok
    assert "observation" in found.detail


@pytest.mark.parametrize("seconds_ago", [None, 90])
async def test_a_silent_worker_is_noticed(
    env: dict[str, str], owner: Connection, seconds_ago: int | None
) -> None:
    if seconds_ago is not None:
        await _beat(owner, seconds_ago=seconds_ago)

    worker = await _check(env, "worker")

    assert not worker.ok
    assert worker.remedy


@pytest.mark.parametrize(
    ("lifecycle", "days_left", "is_well"),
    [("active", None, True), ("deprecated", 90, True), ("deprecated", 7, False)],
)
async def test_a_model_about_to_retire_is_told_in_time(
    env: dict[str, str], owner: Connection, lifecycle: str, days_left: int | None, *, is_well: bool
) -> None:
    await owner.execute(
        "INSERT INTO ai_model VALUES ('claude-haiku-5-5', $1, now() + make_interval(days => $2), "
        "now())",
        lifecycle,
        days_left,
    )

    model = await _check(env, "model")

    assert model.ok is is_well
    assert lifecycle in model.detail
    assert bool(model.remedy) is not is_well


async def test_a_table_that_lost_its_guard_is_named(env: dict[str, str], owner: Connection) -> None:
    await owner.execute("ALTER TABLE integration NO FORCE ROW LEVEL SECURITY")

    guard = await _check(env, "row-security")

    assert guard.detail == "Not guarded: integration."


async def test_a_partition_that_can_be_asked_directly_is_named(
    env: dict[str, str], owner: Connection
) -> None:
    partition = await owner.fetchval(
        "SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'event'::regclass"
    )
    await owner.execute(f"GRANT SELECT ON {partition} TO guardian_api")

    guard = await _check(env, "row-security")

    assert guard.detail == f"Not guarded: {partition}."


async def test_the_owners_login_is_no_login_for_the_api(
    env: dict[str, str], database: Database
) -> None:
    roles = await _check(env | {"DATABASE_URL": database.owner_url}, "roles")

    assert not roles.ok
    assert "superuser" in roles.detail


async def test_a_pending_migration_is_named(env: dict[str, str], owner: Connection) -> None:
    last = await owner.fetchval("SELECT max(name) FROM migration")
    await owner.execute("DELETE FROM migration WHERE name = $1", last)

    migrations = await _check(env, "migrations")

    assert migrations.detail == f"Pending: {last}."
    assert migrations.remedy == "Run `guardian migrate`."


async def test_an_old_due_delivery_is_noticed(
    env: dict[str, str], owner: Connection, tenant: UUID, clock: Clock
) -> None:
    integration = uuid7(clock(), os.urandom(10))
    await owner.execute(
        """
        INSERT INTO integration (tenant_id, id, integration_key, label, description, is_enabled,
          scopes, format, signature, webhook_host, url_hint, headers, secret_header_names,
          auth_kind, sealed_config, sealed_secret, created_at, updated_at)
        VALUES ($1, $2, 'bi', 'BI', '', true, '{readiness}', 'standard', 'v1', 'bi.example',
          'https://bi.example/…', '{}', '{}', 'none', '', '', now(), now())
        """,
        tenant,
        integration,
    )
    await owner.execute("ALTER TABLE delivery_due DISABLE TRIGGER ALL")
    await owner.execute(
        """
        INSERT INTO delivery_due (integration_id, id, tenant_id, event_id)
        VALUES ($1, $2, $3, gen_random_uuid())
        """,
        integration,
        uuid7(clock() - timedelta(minutes=11), os.urandom(10)),
        tenant,
    )

    queue = await _check(env, "queue")

    assert not queue.ok
    assert queue.detail.startswith("1 deliveries are due, the oldest for 66")


@pytest.mark.parametrize(("days", "is_well"), [(13, False), (15, True), (-1, False)])
async def test_a_client_certificate_that_ends_soon_is_noticed(
    *, env: dict[str, str], owner: Connection, tenant: UUID, days: int, is_well: bool
) -> None:
    ends_at = datetime.now(UTC) + timedelta(days=days)
    await owner.execute(
        """
        INSERT INTO integration (tenant_id, id, integration_key, label, description, is_enabled,
          scopes, format, signature, webhook_host, url_hint, headers, secret_header_names,
          auth_kind, sealed_config, sealed_secret, created_at, updated_at,
          certificate_fingerprint, certificate_expires_at)
        VALUES ($1, gen_random_uuid(), 'bi', 'BI', '', true, '{readiness}', 'standard', 'v1', 'bi',
          'aaaa', '{}', '{}', 'none', '', '', now(), now(), 'ab', $2)
        """,
        tenant,
        ends_at,
    )

    certificates = await _check(env, "certificates")

    assert certificates.ok == is_well
    assert certificates.detail == f"1 client certificates; the first ends {ends_at:%Y-%m-%d}."
    assert bool(certificates.remedy) != is_well


@pytest.mark.parametrize(
    ("name", "value", "failed"),
    [
        ("GUARDIAN_KEY_RING", "k1:short", "key-ring"),
        ("REDIS_URL", "unix:///nonexistent/redis.sock", "redis"),
        ("GUARDIAN_KEY_RINGG", "x", "settings"),
        ("ANTHROPIC_API_KEY", "two words", "narrative"),
        ("DATABASE_URL", "postgresql://u:hush@127.0.0.1:1/x", "postgresql"),
    ],
)
async def test_a_wrong_setting_fails_its_own_check(
    env: dict[str, str], name: str, value: str, failed: str
) -> None:
    checks = await diagnose(env | {name: value})

    wrong = {one.name: one for one in checks if not one.ok}
    assert failed in wrong
    assert wrong[failed].remedy
    assert "hush" not in wrong[failed].detail


async def _check(env: dict[str, str], name: str) -> Check:
    return next(one for one in await diagnose(env) if one.name == name)


async def _beat(owner: Connection, *, seconds_ago: int) -> None:
    await owner.execute(
        """
        INSERT INTO worker_heartbeat (owner, host, pid, version, started_at, seen_at)
        VALUES (gen_random_uuid(), 'here', 1, '0', now(), now() - make_interval(secs => $1))
        """,
        seconds_ago,
    )


async def test_missing_partitions_are_told_before_they_are_needed(
    env: dict[str, str], owner: Connection
) -> None:
    assert await months_ahead(owner) > 0
    rows = await owner.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits "
        "WHERE inhparent = 'event'::regclass "
        "AND inhrelid::regclass::text > 'event' || to_char(now(), '\"_y\"YYYY\"m\"MM')"
    )
    for row in rows:
        await owner.execute(f"ALTER TABLE {row['name']} RENAME TO no_{row['name']}")

    [check] = [one for one in await diagnose(env) if one.name == "partitions"]

    assert not check.ok
    assert "start one" in check.remedy
