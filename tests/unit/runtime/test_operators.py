import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.data.connection import Connection
from shared.data.session import operating
from shared.domain.api_keys import digest
from tests.conftest import Database

GUARDIAN = Path(sys.executable).with_name("guardian")
PEPPER = "a pepper of this test"
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def env(database: Database) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "DATABASE_URL": database.api_url,
        "GUARDIAN_KEY_RING": "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "GUARDIAN_KEY_PEPPER": PEPPER,
    }


async def test_a_tenant_is_made_listed_and_deleted_and_the_audit_tells(
    env: dict[str, str], owner: Connection
) -> None:
    made = json.loads(_done("tenants", "create", "Acme", "--json", env=env))
    listed = json.loads(_done("tenants", "list", "--json", env=env))
    _done("tenants", "delete", made["id"], env=env)

    assert listed == [made]
    assert made["name"] == "Acme"
    assert _done("tenants", "list", env=env) == ""
    acts = await owner.fetch("SELECT action, target_id, actor_kind FROM audit ORDER BY id")
    assert [tuple(row) for row in acts] == [
        ("tenant.create", made["id"], "command"),
        ("tenant.delete", made["id"], "command"),
    ]


async def test_a_key_is_shown_once_and_only_its_digest_is_kept(
    env: dict[str, str], owner: Connection
) -> None:
    tenant = json.loads(_done("tenants", "create", "Acme", "--json", env=env))["id"]

    arguments = ("--role", "ingest", "--label", "producer", "--tenant", tenant, "--json")
    made = json.loads(_done("keys", "create", *arguments, env=env))
    listed = json.loads(_done("keys", "list", "--tenant", tenant, "--json", env=env))

    assert made["key"].startswith(made["prefix"])
    assert [one["id"] for one in listed] == [made["id"]]
    assert made["key"] not in json.dumps(listed)
    stored = await owner.fetchval("SELECT digest FROM api_key")
    assert stored == digest(made["key"], pepper=PEPPER)


def test_a_revoked_key_stays_listed_with_the_time_of_its_end(env: dict[str, str]) -> None:
    made = json.loads(
        _done("keys", "create", "--role", "operator", "--label", "me", "--json", env=env)
    )

    revoked = json.loads(_done("keys", "revoke", made["id"], "--json", env=env))

    assert revoked["revoked_at"]
    assert "digest" not in revoked
    assert json.loads(_done("keys", "list", "--json", env=env))[0]["revoked_at"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tenants", "delete", "0193-0000-7000-8000-000000000001"], None),
        (
            ["tenants", "delete", "01930000-0000-7000-8000-000000000001"],
            "There is no tenant 01930000-0000-7000-8000-000000000001.",
        ),
        (
            ["keys", "revoke", "01930000-0000-7000-8000-000000000001"],
            "There is no key with the id 01930000-0000-7000-8000-000000000001.",
        ),
        (
            [
                *("keys", "create", "--role", "admin", "--label", "x"),
                *("--tenant", "01930000-0000-7000-8000-000000000001"),
            ],
            "There is no tenant 01930000-0000-7000-8000-000000000001.",
        ),
        (["tenants", "create", "  "], "A tenant's name has 1 to 120 characters, not all blank."),
    ],
)
def test_what_is_not_there_is_one_sentence(
    env: dict[str, str], arguments: list[str], sentence: str | None
) -> None:
    told = _guardian(*arguments, env=env)

    if sentence is None:
        assert told.returncode == 2
    else:
        assert (told.returncode, told.stderr) == (1, f"guardian: {sentence}\n")


async def test_commands_leave_no_session_behind(env: dict[str, str]) -> None:
    _done("tenants", "create", "Acme", env=env)

    async with operating() as session:
        left = await session.connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'guardian command'"
        )
    assert left == 0


def _done(*arguments: str, env: dict[str, str]) -> str:
    told = _guardian(*arguments, env=env)
    assert told.returncode == 0, told.stderr
    return told.stdout


def _guardian(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GUARDIAN, *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_tenants_history_is_kept_for_less_long_but_never_for_longer(env: dict[str, str]) -> None:
    tenant = json.loads(_done("tenants", "create", "Short", "--json", env=env))["id"]

    _done("tenants", "retention", tenant, "--days", "40", env=env)
    _done("tenants", "retention", tenant, "--default", env=env)

    too_long = _guardian("tenants", "retention", tenant, "--days", "91", env=env)
    assert too_long.returncode == 1
    assert "longer than GUARDIAN_RETENTION_DAYS" in too_long.stderr
    assert (
        "There is no tenant"
        in _guardian("tenants", "retention", NOBODY, "--default", env=env).stderr
    )
