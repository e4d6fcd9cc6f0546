"""The record is added to and never changed; a flood does not fill it; a deleted tenant is gone."""

from datetime import timedelta

import asyncpg
import httpx
import pytest

from api.refusals import RECORDED
from shared.contracts.words import Role
from shared.data.connection import Connection
from shared.data.policies import ROLES
from tests.safety.world import TENANT_TABLES, World, digests
from tests.unit.api.conftest import Api

CHANGES = ("UPDATE audit SET outcome = 'done'", "DELETE FROM audit", "TRUNCATE audit")
OUTLIVE = {"audit", "tombstone"}


async def test_no_role_may_change_what_was_recorded(ours: World, owner: Connection) -> None:
    assert await owner.fetchval("SELECT count(*) FROM audit") > 0
    for role in ROLES:
        for statement in CHANGES:
            async with owner.transaction():
                await owner.execute(f"SET LOCAL ROLE {role}")
                await owner.execute(f"SET LOCAL guardian.tenant_id = '{ours.tenant_id}'")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with owner.transaction():
                        await owner.execute(statement)


async def test_refusals_are_recorded_and_a_flood_of_them_is_not(
    api: Api, ours: World, owner: Connection
) -> None:
    reader = api.client(ours.keys[Role.READER])
    for _ in range(RECORDED + 40):
        assert (await reader.post("/keys", json={})).status_code == 403

    rows = await owner.fetch(
        "SELECT action, actor_label, after FROM audit WHERE outcome = 'refused' AND tenant_id = $1",
        ours.tenant_id,
    )
    assert len(rows) == RECORDED
    assert {row["action"] for row in rows} == {"key.create"}
    assert all("forbidden" in row["after"] for row in rows)


async def test_whoever_still_uses_a_key_that_ended_is_recorded_once(
    api: Api, ours: World, owner: Connection
) -> None:
    admin = api.client(ours.keys[Role.ADMIN])
    revoked = (await admin.post("/keys", json={"role": "reader", "label": "short"})).json()
    expired = await api.make_key(
        Role.READER, ours.tenant_id, expires_at=api.clock() + timedelta(minutes=1)
    )
    assert (await admin.delete(f"/keys/{revoked['id']}")).status_code == 204
    api.clock.advance(timedelta(minutes=2))

    for key in (revoked["key"], expired):
        for _ in range(5):
            assert (await api.client(key).get("/stats")).status_code == 401

    rows = await owner.fetch("SELECT after FROM audit WHERE action = 'key.use' ORDER BY id")
    assert ["key_revoked" in row["after"] for row in rows] == [True, False]
    assert "key_expired" in rows[1]["after"]


async def test_of_a_deleted_tenant_only_the_record_and_its_tombstone_stay(
    ours: World, theirs: World, operator: httpx.AsyncClient, owner: Connection
) -> None:
    before = await digests(owner, theirs.tenant_id)
    names = [row["name"] for row in await owner.fetch(TENANT_TABLES)]
    filled = [name for name in names if await _rows(owner, name, ours)]
    assert "tenant_key" in names

    assert (await operator.delete(f"/tenants/{ours.tenant_id}")).status_code == 204

    left = {name for name in names if await _rows(owner, name, ours)}
    assert len(filled) > 12
    assert left == OUTLIVE
    assert await digests(owner, theirs.tenant_id) == before
    recorded = await owner.fetchval(
        "SELECT count(*) FROM audit WHERE action = 'tenant.delete' AND target_id = $1",
        str(ours.tenant_id),
    )
    assert recorded == 1
    assert await owner.fetchval(
        "SELECT count(*) FROM tombstone WHERE kind = 'tenant' AND tenant_id = $1", ours.tenant_id
    )


async def _rows(owner: Connection, table: str, world: World) -> int:
    column = "id" if table == "tenant" else "tenant_id"
    count: int = await owner.fetchval(
        f'SELECT count(*) FROM "{table}" WHERE {column} = $1', world.tenant_id
    )
    return count
