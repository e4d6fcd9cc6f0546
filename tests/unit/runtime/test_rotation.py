import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

from shared.data.connection import Connection
from shared.domain.credentials import (
    Credentials,
    open_credentials,
    open_secret,
    seal_credentials,
    seal_secret,
)
from shared.domain.sealing import KeyRing
from tests.conftest import Clock, Database

OLD = "old:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
NEW = "new:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
GUARDIAN = Path(sys.executable).with_name("guardian")
SECRET = "whsec_MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="
COUNT = 450


async def _integrations(owner: Connection, tenant: UUID, clock: Clock) -> list[UUID]:
    ring = KeyRing.parse(OLD, entropy=os.urandom)
    ids = [UUID(int=number + 1) for number in range(COUNT)]
    rows: list[tuple[object, ...]] = []
    for integration_id in ids:
        place = {"tenant_id": tenant, "integration_id": integration_id}
        credentials = Credentials(url=f"https://example.com/{integration_id}")
        rows.append(
            (
                tenant,
                integration_id,
                f"key_{integration_id.int}",
                seal_credentials(ring, credentials, **place),
                seal_secret(ring, SECRET, **place),
                clock(),
            )
        )
    await owner.executemany(
        """
        INSERT INTO integration (tenant_id, id, integration_key, label, description, is_enabled,
          scopes, format, signature, webhook_host, url_hint, headers, secret_header_names,
          auth_kind, sealed_config, sealed_secret, created_at, updated_at)
        VALUES ($1, $2, $3, 'x', '', true, '{readiness}', 'standard', 'v1', 'example.com', 'aaaa',
          '{}', '{}', 'none', $4, $5, $6, $6)
        """,
        rows,
    )
    return ids


def _rotate(database: Database, ring: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GUARDIAN, "rotate-secrets", "--json"],
        env={"PATH": os.defpath, "DATABASE_URL": database.api_url, "GUARDIAN_KEY_RING": ring},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_after_a_rotation_the_new_key_alone_opens_everything(
    owner: Connection, tenant: UUID, clock: Clock, database: Database
) -> None:
    ids = await _integrations(owner, tenant, clock)

    first = _rotate(database, f"{NEW},{OLD}")
    again = _rotate(database, f"{NEW},{OLD}")

    assert (first.returncode, first.stderr) == (0, "")
    assert json.loads(first.stdout) == {
        "integrations": COUNT,
        "resealed": COUNT,
        "unreadable": [],
    }
    assert json.loads(again.stdout)["resealed"] == 0
    ring = KeyRing.parse(NEW, entropy=os.urandom)
    rows = await owner.fetch("SELECT id, sealed_config, sealed_secret, version FROM integration")
    assert {row["id"] for row in rows} == set(ids)
    for row in rows:
        place = {"tenant_id": tenant, "integration_id": row["id"]}
        opened = open_credentials(ring, row["sealed_config"], **place)
        assert opened.url == f"https://example.com/{row['id']}"
        assert open_secret(ring, row["sealed_secret"], **place) == SECRET
        assert row["version"] == 1
    acts = await owner.fetch("SELECT action FROM audit")
    assert [row["action"] for row in acts] == ["secrets.rotate"] * 2


async def test_what_no_key_opens_is_named_and_stays_as_it_is(
    owner: Connection, tenant: UUID, clock: Clock, database: Database
) -> None:
    ids = await _integrations(owner, tenant, clock)
    before = await owner.fetchval("SELECT sealed_config FROM integration WHERE id = $1", ids[0])

    answer = _rotate(database, NEW)

    assert answer.returncode == 1
    assert "do not open with this ring" in answer.stderr
    assert len(json.loads(answer.stdout)["unreadable"]) == COUNT
    after = await owner.fetchval("SELECT sealed_config FROM integration WHERE id = $1", ids[0])
    assert after == before
