"""`guardian lifecycle run` and `guardian deliveries` as an operator calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from shared.data.connection import Connection
from tests.conftest import Database

GUARDIAN = Path(sys.executable).with_name("guardian")


def _guardian(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GUARDIAN, *arguments],
        env={"PATH": os.defpath, "DATABASE_URL": database.api_url},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_a_dry_run_tells_and_a_run_drops(owner: Connection, database: Database) -> None:
    await owner.execute("SELECT guardian_make_partitions('2025-01-01', 1)")

    dry = _guardian(database, "lifecycle", "run", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "would go: event_y2025m01" in dry.stdout
    assert await owner.fetchval("SELECT to_regclass('event_y2025m01') IS NOT NULL")

    wet = _guardian(database, "lifecycle", "run", "--json")
    assert (wet.returncode, wet.stderr) == (0, "")
    dropped = {one["name"] for one in json.loads(wet.stdout)["dropped"]}
    assert {"event_y2025m01", "delivery_attempt_y2025m01"} <= dropped
    assert await owner.fetchval("SELECT to_regclass('event_y2025m01') IS NULL")
    assert await owner.fetchval("SELECT actor_kind FROM audit") == "command"


async def test_deliveries_are_paused_and_resumed_with_a_reason_and_a_record(
    owner: Connection, database: Database
) -> None:
    before = _guardian(database, "deliveries", "status")
    paused = _guardian(database, "deliveries", "pause", "--reason", "a move")
    again = _guardian(database, "deliveries", "pause", "--json")
    resumed = _guardian(database, "deliveries", "resume")

    assert before.stdout == "Deliveries go out; 0 wait.\n"
    assert "paused since" in paused.stdout
    assert "(a move)" in paused.stdout
    assert json.loads(again.stdout)["reason"] == "a move"
    assert resumed.stdout == before.stdout
    acts = await owner.fetch("SELECT action FROM audit ORDER BY id")
    assert [row["action"] for row in acts] == ["deliveries.pause", "deliveries.resume"]
