"""A backup under load, a restore: what was pending goes out, what was delivered does not again."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from shared.contracts.words import Role
from shared.data.connection import connect
from tests.conftest import Database, Servers
from tests.journeys.conftest import System, eventually
from tests.receiver import Answer, Receiver

GUARDIAN = Path(sys.executable).with_name("guardian")
RESTORED = "restored_guardian"


def _guardian(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GUARDIAN, *arguments],
        env={"PATH": os.defpath, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
async def empty(servers: Servers) -> AsyncGenerator[Database, None]:
    """A database without a table."""
    server = await connect(servers.owner_url)
    await server.execute(f"CREATE DATABASE {RESTORED}")
    logins = ("guardian_owner", "guardian_api", "guardian_worker")
    yield Database(RESTORED, *(servers.url(login, RESTORED) for login in logins))
    await server.execute(f"DROP DATABASE {RESTORED} WITH (FORCE)")
    await server.close()


async def _observe(system: System, count: int) -> set[str]:
    told: set[str] = set()
    async with system.speak(Role.INGEST) as client:
        for number in range(count):
            body = {
                "run_at": "2026-11-01T06:00:00Z",
                "total_compacted": number,
                "total_deleted": 0,
                "operations_successful": 1,
                "operations_failed": 0,
            }
            answer = await client.post("/observations/lifecycle-runs", json=body)
            assert answer.status_code == 202, answer.text
            told.update(answer.json()["event_ids"])
    return told


async def test_after_a_restore_nothing_goes_out_until_resumed_and_then_only_what_was_pending(
    system: System,
    database: Database,
    empty: Database,
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    file = tmp_path / "guardian.backup"
    log = tmp_path / "processes.log"
    async with Receiver(otherwise=Answer(after_s=0.02)) as receiver:

        def arrived(since: int = 0) -> Counter[str]:
            return Counter(one.webhook_id for one in receiver.received[since:])

        await system.connect(receiver.url)
        worker = system.start("worker")
        early = await _observe(system, 200)

        async def early_arrived() -> bool:
            return early <= set(arrived())

        await eventually(early_arrived, "the early ones arrive")
        receiver.otherwise = Answer(after_s=0.5)
        waiting = await _observe(system, 100)
        during = asyncio.create_task(_observe(system, 300))
        saved = await asyncio.to_thread(
            _guardian, "backup", str(file), DATABASE_ADMIN_URL=database.owner_url
        )
        assert saved.returncode == 0, saved.stderr
        assert file.stat().st_mode & 0o777 == 0o600
        after = await during
        system.kill(worker)
        system.stop(system.running[0])

        restored = await asyncio.to_thread(
            _guardian, "restore", str(file), DATABASE_ADMIN_URL=empty.owner_url
        )
        assert restored.returncode == 0, restored.stderr
        pending = await _events(empty, "delivery_due")
        done = await _events(empty, "delivery_attempt")
        assert pending, "the backup was made under load"
        assert early <= done
        assert early | waiting <= done | pending, "what was accepted before the backup is in it"
        assert done <= set(arrived())

        system.env["API_DATABASE_URL"] = empty.api_url
        system.env["WORKER_DATABASE_URL"] = empty.worker_url
        system.start("api")
        await eventually(system.serves, "the API is back")
        # By now the receiver has read what the killed worker had still sent it.
        sent = len(receiver.received)
        system.start("worker")
        late = await _observe(system, 5)

        async def says_so() -> bool:
            return "deliveries are paused" in log.read_text()

        await eventually(says_so, "the worker sees the pause")
        status = json.loads(
            _guardian("deliveries", "status", "--json", DATABASE_URL=empty.api_url).stdout
        )
        assert status["reason"] == "restored from a backup"
        assert status["waiting"] == len(pending) + len(late)
        assert len(receiver.received) == sent, "nothing goes out during the pause"

        resumed = _guardian("deliveries", "resume", DATABASE_URL=empty.api_url)
        assert resumed.returncode == 0, resumed.stderr

        async def all_arrived() -> bool:
            return pending | late <= set(arrived(sent))

        await eventually(all_arrived, "what was pending arrives")

    assert arrived(sent) == Counter(pending | late), "each once, and nothing else"
    figure(
        f"restore: {len(done)} delivered before the backup, 0 of them again; {len(pending)} "
        f"pending in it and {len(late)} new, {len(pending | late)} arrived; "
        f"{len(after - done - pending)} accepted after it are not in it; "
        f"ledger minus received = {len((pending | late) - set(arrived(sent)))}"
    )


async def _events(database: Database, table: str) -> set[str]:
    owner = await connect(database.owner_url)
    rows = await owner.fetch(f"SELECT event_id FROM {table}")  # noqa: S608 - the test's own word
    await owner.close()
    return {str(row["event_id"]) for row in rows}


async def test_a_restore_fills_only_an_empty_database_and_only_from_a_whole_backup(
    database: Database, empty: Database, tmp_path: Path
) -> None:
    file = tmp_path / "guardian.backup"
    assert _guardian("backup", str(file), DATABASE_ADMIN_URL=database.owner_url).returncode == 0

    full = _guardian("restore", str(file), DATABASE_ADMIN_URL=database.owner_url)
    assert full.returncode == 1
    assert "not empty" in full.stderr

    half = tmp_path / "half"
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    broken = _guardian("restore", str(half), DATABASE_ADMIN_URL=empty.owner_url)
    assert broken.returncode == 1
    assert len(broken.stderr.splitlines()) == 1
    owner = await connect(empty.owner_url)
    tables = await owner.fetchval(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    )
    await owner.close()
    assert tables == 0

    file.write_text("no backup")
    other = _guardian("restore", str(file), DATABASE_ADMIN_URL=empty.owner_url)
    assert "is not a backup" in other.stderr


def test_a_login_that_does_not_see_every_row_may_not_make_a_backup(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "guardian.backup"

    answer = _guardian("backup", str(file), DATABASE_ADMIN_URL=database.worker_url)

    assert answer.returncode == 1
    assert "BYPASSRLS" in answer.stderr
    assert list(tmp_path.iterdir()) == []
