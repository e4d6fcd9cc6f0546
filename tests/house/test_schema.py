"""The catalogue of a migrated database keeps the promises of row-level security."""

import re
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from piccolo.table import Table

from shared.data import tables
from shared.data.connection import Connection, Row
from shared.data.policies import ROLES

WITHOUT_FOREIGN_KEY = {
    "audit": "it outlives what it tells about",
    "tombstone": "it outlives what it tells about",
}

TENANT_TABLES = """
    SELECT c.oid, c.relname AS name, c.relrowsecurity AS is_enabled,
      c.relforcerowsecurity AS is_forced, c.relispartition AS is_partition
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      AND (c.relname = 'tenant' OR EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'))
    ORDER BY c.relname
"""


@pytest.fixture
async def tenant_tables(owner: Connection) -> list[Row]:
    found = await owner.fetch(TENANT_TABLES)
    assert len(found) > 12, "the query finds the tables at all"
    return found


async def test_every_tenant_table_forces_row_level_security(tenant_tables: list[Row]) -> None:
    assert [
        table["name"] for table in tenant_tables if not (table["is_enabled"] and table["is_forced"])
    ] == []


async def test_every_policy_checks_what_is_written_as_it_checks_what_is_read(
    owner: Connection,
) -> None:
    policies = await owner.fetch("SELECT tablename, qual, with_check FROM pg_policies")

    assert [row["tablename"] for row in policies if row["qual"] != row["with_check"]] == []


async def test_the_api_role_sees_one_tenant_on_every_table(owner: Connection) -> None:
    policies = await owner.fetch(
        "SELECT tablename, qual FROM pg_policies WHERE 'guardian_api' = ANY(roles)"
    )

    assert policies
    assert [
        row["tablename"] for row in policies if "guardian.tenant_id" not in (row["qual"] or "")
    ] == []


async def test_partitions_are_reached_through_their_parent_alone(
    tenant_tables: list[Row], owner: Connection
) -> None:
    partitions = [table["name"] for table in tenant_tables if table["is_partition"]]
    granted = await owner.fetch(
        "SELECT DISTINCT table_name FROM information_schema.role_table_grants "
        "WHERE grantee = ANY($1) AND table_name = ANY($2)",
        list(ROLES),
        partitions,
    )

    assert partitions
    assert granted == []


async def test_the_roles_own_nothing_and_bypass_nothing(owner: Connection) -> None:
    roles = await owner.fetch(
        """
        SELECT rolname FROM pg_roles r WHERE rolname = ANY($1) AND (
          rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb
          OR EXISTS (SELECT FROM pg_class WHERE relowner = r.oid))
        """,
        list(ROLES),
    )

    assert roles == []


async def test_foreign_keys_between_tenant_tables_carry_the_tenant(
    tenant_tables: list[Row], owner: Connection
) -> None:
    names = [table["name"] for table in tenant_tables if table["name"] != "tenant"]
    keys = await owner.fetch(
        """
        SELECT k.conrelid::regclass::text AS source, k.confrelid::regclass::text AS target,
          array(SELECT attname::text FROM pg_attribute
            WHERE attrelid = k.conrelid AND attnum = ANY(k.conkey)) AS columns
        FROM pg_constraint k
        WHERE k.contype = 'f' AND k.conrelid::regclass::text = ANY($1)
          AND k.confrelid::regclass::text = ANY($1)
        """,
        names,
    )

    assert len(keys) >= 8
    assert [dict(key.items()) for key in keys if "tenant_id" not in key["columns"]] == []


async def test_every_tenant_table_is_tied_to_its_tenant(
    tenant_tables: list[Row], owner: Connection
) -> None:
    tied = await owner.fetch(
        "SELECT DISTINCT conrelid::regclass::text AS name FROM pg_constraint WHERE contype = 'f'"
    )
    names = {row["name"] for row in tied}

    assert [
        table["name"]
        for table in tenant_tables
        if table["name"] not in names | {"tenant"} | set(WITHOUT_FOREIGN_KEY)
    ] == []


async def test_nobody_may_change_or_delete_an_audit_row(owner: Connection) -> None:
    granted = await owner.fetch(
        "SELECT grantee, privilege_type FROM information_schema.role_table_grants "
        "WHERE table_name = 'audit' AND grantee = ANY($1) "
        "AND privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')",
        list(ROLES),
    )

    assert granted == []


async def test_a_session_without_a_tenant_sees_no_row_of_any_tenant_table(
    tenant_tables: list[Row], tenant: UUID, owner: Connection
) -> None:
    assert await owner.fetchval("SELECT count(*) FROM tenant WHERE id = $1", tenant) == 1
    for table in tenant_tables:
        if table["is_partition"]:
            continue
        async with owner.transaction():
            await owner.execute("SET LOCAL ROLE guardian_api")
            assert await owner.fetchval(f'SELECT count(*) FROM "{table["name"]}"') == 0  # noqa: S608


PYTHON_TYPES = {
    "uuid": UUID,
    "text": str,
    "boolean": bool,
    "bytea": bytes,
    "integer": int,
    "smallint": int,
    "double precision": float,
    "numeric": Decimal,
}

MAPPED: list[type[Table]] = [
    kind
    for kind in vars(tables).values()
    if isinstance(kind, type) and issubclass(kind, Table) and kind is not Table
]


@pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.__name__)
async def test_piccolo_sees_the_columns_that_the_migrations_made(
    kind: type[Table], owner: Connection
) -> None:
    rows = await owner.fetch(
        "SELECT column_name, data_type, is_nullable, is_generated "
        "FROM information_schema.columns WHERE table_name = $1",
        kind._meta.tablename,
    )
    made = {row["column_name"]: row for row in rows if row["is_generated"] == "NEVER"}
    mapped = {column._meta.name: column for column in kind._meta.columns}

    assert set(mapped) == set(made)
    for name, column in mapped.items():
        assert column._meta.params["null"] is (made[name]["is_nullable"] == "YES"), name
        expected = PYTHON_TYPES.get(made[name]["data_type"])
        assert expected is None or column.value_type is expected, name


async def test_an_index_made_before_migrating_is_the_one_that_migrating_makes(
    owner: Connection,
) -> None:
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    matches = list(re.finditer(r"CREATE INDEX CONCURRENTLY IF NOT EXISTS (\w+) [^;]+;", page))
    assert matches
    for match in matches:
        told = "SELECT indexdef FROM pg_indexes WHERE indexname = $1"
        migrated = await owner.fetchval(told, match[1])
        await owner.execute(f"DROP INDEX {match[1]}")
        await owner.execute(match[0])

        assert await owner.fetchval(told, match[1]) == migrated
