"""`guardian export`: the rows of one tenant in a file."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from shared.contracts.exports import Stream
from shared.data.connection import Connection
from shared.runtime import cli, export
from tests.conftest import Database

GUARDIAN = Path(sys.executable).with_name("guardian")
RUN = """
INSERT INTO observation (tenant_id, id, domain, observed_at, received_at, is_derived,
  formula_version, body)
SELECT $1, gen_random_uuid(), 'lifecycle', now(), now(), false, 1, '{"total_compacted": 1,
  "total_deleted": 1, "operations_successful": 1, "operations_skipped": 0,
  "operations_failed": 0}' FROM generate_series(1, $2)
"""


def guardian(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GUARDIAN, "export", *arguments],
        env={"PATH": os.defpath, "DATABASE_URL": database.api_url},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_knows_every_stream() -> None:
    assert tuple(Stream) == cli.STREAMS


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return tmp_path / "runs.csv"


async def test_all_rows_come_page_after_page_with_one_head(
    database: Database, tenant: UUID, owner: Connection, sheet: Path
) -> None:
    count = export.ROWS_AT_ONCE + 1
    await owner.execute(RUN, tenant, count)

    done = guardian(
        database,
        *("lifecycle_runs", "--tenant", str(tenant), "--format", "csv", "--output", str(sheet)),
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{count} rows\n")
    assert len(_ids_of(sheet)) == count


async def test_lines_go_to_standard_output_from_the_instant_given(
    database: Database, tenant: UUID, owner: Connection
) -> None:
    await owner.execute(RUN, tenant, 1)
    await owner.execute("UPDATE observation SET stored_at = '2026-01-01Z'")
    await owner.execute(RUN, tenant, 1)

    done = guardian(
        database, "lifecycle_runs", "--tenant", str(tenant), "--since", "2026-01-02T00:00:00Z"
    )

    [row] = [json.loads(line) for line in done.stdout.splitlines()]
    assert row["tenant_id"] == str(tenant)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["lifecycle_runs"], 2, "--tenant is needed"),
        (["nonsense"], 2, "invalid choice"),
        (["lifecycle_runs", "--tenant", str(uuid4())], 1, "There is no tenant"),
        (["deletions", "--since", "yesterday"], 1, "--since must be an instant"),
        (["deletions", "--output", "/proc/none/file"], 1, "cannot be written"),
        (["deletions"], 0, "0 rows"),
    ],
)
async def test_it_says_what_is_wrong_in_a_sentence(
    database: Database, arguments: list[str], code: int, sentence: str
) -> None:
    done = guardian(database, *arguments)

    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def _ids_of(sheet: Path) -> set[str]:
    """The ids in a file that only its owner may read, and that stands alone."""
    assert sheet.stat().st_mode & 0o777 == 0o600
    assert list(sheet.parent.iterdir()) == [sheet]
    return {row["id"] for row in csv.DictReader(sheet.read_text(encoding="utf-8").splitlines())}
