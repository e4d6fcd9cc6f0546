import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from shared.data.connection import Connection
from shared.data.session import operating
from shared.domain.credentials import (
    Credentials,
    open_credentials,
    open_secret,
    seal_credentials,
    seal_secret,
)
from shared.domain.sealing import KeyRing
from shared.domain.tenant_keys import Sealer, new_tenant_key, sealer_of
from shared.errors import SealBrokenError
from shared.runtime.doctor import Check, diagnose
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


async def _sealer(owner: Connection, ring: str, tenant: UUID) -> Sealer:
    sealed_key = await owner.fetchval("SELECT sealed_key FROM tenant_key")
    return sealer_of(KeyRing.parse(ring), sealed_key, tenant_id=tenant)


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
        "tenant_keys": 1,
        "integrations": COUNT,
        "resealed": COUNT,
        "unreadable": [],
    }
    assert json.loads(again.stdout) == {
        "tenant_keys": 0,
        "integrations": COUNT,
        "resealed": 0,
        "unreadable": [],
    }
    sealer = await _sealer(owner, NEW, tenant)
    rows = await owner.fetch("SELECT id, sealed_config, sealed_secret, version FROM integration")
    assert {row["id"] for row in rows} == set(ids)
    for row in rows:
        place = {"tenant_id": tenant, "integration_id": row["id"]}
        opened = open_credentials(sealer, row["sealed_config"], **place)
        assert opened.url == f"https://example.com/{row['id']}"
        assert open_secret(sealer, row["sealed_secret"], **place) == SECRET
        assert row["version"] == 1
    acts = await owner.fetch("SELECT action FROM audit")
    assert [row["action"] for row in acts] == ["secrets.rotate"] * 2


async def test_with_tenants_keys_a_rotation_seals_those_anew_and_nothing_else(
    owner: Connection, tenant: UUID, clock: Clock, database: Database
) -> None:
    await _integrations(owner, tenant, clock)
    _rotate(database, OLD)
    before = await owner.fetch("SELECT id, sealed_config, sealed_secret FROM integration")

    answer = _rotate(database, f"{NEW},{OLD}")

    assert json.loads(answer.stdout) == {
        "tenant_keys": 1,
        "integrations": COUNT,
        "resealed": 0,
        "unreadable": [],
    }
    assert await owner.fetch("SELECT id, sealed_config, sealed_secret FROM integration") == before
    sealer = await _sealer(owner, NEW, tenant)
    place = {"tenant_id": tenant, "integration_id": before[0]["id"]}
    assert open_secret(sealer, before[0]["sealed_secret"], **place) == SECRET


async def test_a_deleted_tenants_secrets_open_no_more_whoever_kept_them(
    owner: Connection, tenant: UUID, clock: Clock, database: Database
) -> None:
    [integration_id, *_] = await _integrations(owner, tenant, clock)
    _rotate(database, OLD)
    kept = await owner.fetchval("SELECT sealed_secret FROM integration LIMIT 1")

    async with operating() as session:
        await session.connection.execute("DELETE FROM tenant WHERE id = $1", tenant)

    assert await owner.fetchval("SELECT count(*) FROM tenant_key") == 0
    ring = KeyRing.parse(OLD)
    anew = sealer_of(ring, new_tenant_key(ring, tenant_id=tenant), tenant_id=tenant)
    for sealer in (ring, anew):
        with pytest.raises(SealBrokenError):
            open_secret(sealer, kept, tenant_id=tenant, integration_id=integration_id)


async def test_the_doctor_says_which_keys_the_seals_still_need(
    owner: Connection, tenant: UUID, clock: Clock, database: Database
) -> None:
    async def seals(ring: str) -> Check:
        found = await diagnose({"DATABASE_URL": database.api_url, "GUARDIAN_KEY_RING": ring})
        [one] = [check for check in found if check.name == "seals"]
        return one

    await _integrations(owner, tenant, clock)
    before = await seals(f"{NEW},{OLD}")
    lost = await seals(NEW)
    _rotate(database, OLD)
    older = await seals(f"{NEW},{OLD}")
    _rotate(database, f"{NEW},{OLD}")
    after = await seals(f"{NEW},{OLD}")

    assert (before.ok, before.remedy) == (True, "Run `guardian rotate-secrets`.")
    assert before.detail.startswith(f"{COUNT * 2} seals are of an older key, {COUNT} integrations")
    assert (lost.ok, lost.detail) == (
        False,
        f"{COUNT * 2} seals need keys that the ring lacks: old.",
    )
    assert older.detail.startswith("1 seals are of an older key, 0 integrations")
    assert (after.ok, after.remedy) == (True, "")


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
