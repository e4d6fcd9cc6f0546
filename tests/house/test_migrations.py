"""Migrations expand first and contract later, so that old and new releases run side by side."""

import asyncio
import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from piccolo.engine.postgres import PostgresTransaction

from shared.data.engine import DB
from tests.house.expanding import complaints

ROOT = Path(__file__).parents[2]
BASELINE = "m0007_replays"
"""The first release came with it; what came before was never beside anything older."""
LARGE = {
    *("observation", "uplift_plan", "uplift_task", "event", "delivery_due", "delivery_attempt"),
    *("integration_hour", "idempotency_key", "audit", "narrative", "tombstone", "replay_item"),
}
MIGRATIONS = sorted(
    path.stem for path in (ROOT / "shared/data/migrations").glob("m*.py") if path.stem > BASELINE
)


@pytest.mark.parametrize("name", MIGRATIONS)
def test_a_migration_neither_breaks_nor_holds_up_the_release_before_it(name: str) -> None:
    assert complaints(_sql(name), large=LARGE, documented=_is_shown_to_operators) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE replay",
        "ALTER TABLE event DROP COLUMN scope",
        "ALTER TABLE event DROP scope",
        "DROP INDEX integration_shard",
        "ALTER TABLE event RENAME COLUMN body TO text",
        "ALTER TABLE event RENAME TO events",
        "ALTER TABLE replay ALTER COLUMN count TYPE bigint",
        "ALTER TABLE replay ALTER count SET DATA TYPE bigint",
        "ALTER TABLE tenant ADD COLUMN plan text NOT NULL",
        "ALTER TABLE tenant ADD COLUMN note text, ADD COLUMN plan text NOT NULL",
        "ALTER TABLE tenant ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE event ADD COLUMN token uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE event ADD COLUMN day date GENERATED ALWAYS AS (occurred_at::date) STORED",
        "ALTER TABLE event ADD CONSTRAINT known CHECK (type <> '')",
        "ALTER TABLE event ADD FOREIGN KEY (tenant_id) REFERENCES tenant",
        "ALTER TABLE event ADD UNIQUE (id)",
        "CREATE INDEX event_type ON event (type)",
        "CREATE UNIQUE INDEX CONCURRENTLY event_type ON event (type)",
        "CREATE INDEX IF NOT EXISTS event_unheard_of ON event (type)",
        "CREATE TABLE IF NOT EXISTS other (id uuid); CREATE INDEX ON event (type)",
        "UPDATE event SET scope = 'readiness'",
        "DELETE FROM delivery_due WHERE attempt_count > 3",
        "TRUNCATE TABLE audit",
        "VACUUM FULL event",
        "-- contracts:\nDROP TABLE replay",
    ],
)
def test_what_would_break_or_hold_up_the_older_release_is_refused(sql: str) -> None:
    assert len(complaints(sql, large=LARGE, documented=_is_shown_to_operators)) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE event ADD COLUMN note text",
        "ALTER TABLE event ADD COLUMN note text NOT NULL DEFAULT ''",
        "ALTER TABLE event ADD CONSTRAINT known CHECK (type <> '') NOT VALID",
        "ALTER TABLE event DROP CONSTRAINT known; ALTER TABLE event ALTER scope DROP NOT NULL",
        "CREATE TABLE other (id uuid); CREATE INDEX other_id ON other (id); DROP TABLE other",
        "CREATE INDEX replay_done ON replay (finished_at)",
        "-- contracts: nobody reads it since 1.4\nALTER TABLE event DROP COLUMN note",
        "COMMENT ON TABLE event IS 'Once: DROP TABLE; UPDATE event'",
        "CREATE OR REPLACE FUNCTION f() RETURNS void AS $$ BEGIN DELETE FROM event; END $$",
        "UPDATE system_state SET paused_reason = NULL",
    ],
)
def test_what_only_adds_passes(sql: str) -> None:
    assert complaints(sql, large=LARGE, documented=_is_shown_to_operators) == []


def test_each_complaint_names_the_way_out() -> None:
    [said] = complaints(
        "ALTER TABLE tenant ADD COLUMN plan text NOT NULL", large=LARGE, documented=bool
    )

    assert said == (
        "`ALTER TABLE tenant ADD COLUMN plan text NOT NULL`: the running release writes rows "
        "without the column; give it a constant DEFAULT, or let it be null."
    )


def test_every_table_counted_as_large_exists() -> None:
    made = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "shared/data/migrations").glob("m*.py")
    )

    assert [name for name in sorted(LARGE) if f"CREATE TABLE {name} (" not in made] == []


def _sql(name: str) -> str:
    """Everything a migration would run, as it hands it to its connection."""
    said: list[str] = []

    async def execute(text: str) -> None:
        said.append(text)

    async def collect() -> None:
        module = importlib.import_module(f"shared.data.migrations.{name}")
        manager = await module.forwards()
        transaction = PostgresTransaction(engine=DB)
        transaction.connection = cast("Any", SimpleNamespace(execute=execute))
        token = DB.current_transaction.set(transaction)
        try:
            for raw in manager.raw:
                await raw()
        finally:
            DB.current_transaction.reset(token)

    asyncio.run(collect())
    assert said
    return ";\n".join(said)


def _is_shown_to_operators(index: str) -> bool:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    return (
        re.search(rf"CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS {index}\b", page) is not None
    )
