"""Keys are shown once, kept as a digest, and end when they are revoked."""

from datetime import timedelta
from uuid import UUID

import httpx

from shared.data.connection import Connection
from tests.unit.api.conftest import Api


async def test_a_key_is_shown_once_and_works(
    api: Api, admin: httpx.AsyncClient, owner: Connection
) -> None:
    made = await admin.post("/keys", json={"role": "reader", "label": "dashboard"})
    body = made.json()
    listed = (await admin.get("/keys")).json()["items"]

    assert made.status_code == 201
    assert set(body) == {"id", "role", "label", "prefix", "created_at", "expires_at", "key"}
    assert body["key"].startswith(body["prefix"])
    assert listed[0]["id"] == body["id"]
    assert body["key"] not in str(listed)
    assert not await owner.fetchval(
        "SELECT count(*) FROM api_key WHERE api_key::text LIKE '%' || $1 || '%'", body["key"]
    )
    assert (await api.client(body["key"]).get("/stats")).status_code == 200


async def test_a_revoked_key_is_refused_at_once(api: Api, admin: httpx.AsyncClient) -> None:
    made = (await admin.post("/keys", json={"role": "reader", "label": "x"})).json()
    client = api.client(made["key"])
    assert (await client.get("/stats")).status_code == 200

    assert (await admin.delete(f"/keys/{made['id']}")).status_code == 204
    assert (await client.get("/stats")).status_code == 401
    assert (await admin.delete(f"/keys/{made['id']}")).status_code == 204
    assert (await admin.get("/keys")).json()["items"][0]["revoked_at"] is not None


async def test_a_strangers_key_cannot_be_seen_or_revoked(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    made = (await admin.post("/keys", json={"role": "reader", "label": "x"})).json()

    assert (await stranger.delete(f"/keys/{made['id']}")).status_code == 404
    assert made["id"] not in (await stranger.get("/keys")).text


async def test_only_operators_make_operators_and_only_without_a_tenant(
    admin: httpx.AsyncClient, operator: httpx.AsyncClient, tenant: UUID
) -> None:
    wanted = {"role": "operator", "label": "x"}
    named = {"workspaceId": str(tenant)}

    assert (await admin.post("/keys", json=wanted)).status_code == 422
    assert (await operator.post("/keys", json=wanted, params=named)).status_code == 422
    assert (await operator.post("/keys", json=wanted | {"role": "admin"})).status_code == 422
    assert (await operator.post("/keys", json=wanted)).status_code == 201
    of_tenant = await operator.post("/keys", json=wanted | {"role": "admin"}, params=named)
    assert of_tenant.status_code == 201
    assert [key["role"] for key in (await operator.get("/keys")).json()["items"]] == [
        "operator"
    ] * 2


async def test_a_key_that_would_have_expired_already_is_refused(
    api: Api, admin: httpx.AsyncClient
) -> None:
    past = (api.clock() - timedelta(seconds=1)).isoformat()
    answer = await admin.post("/keys", json={"role": "reader", "label": "x", "expires_at": past})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "$.expires_at"


async def test_sql_and_markup_are_data(admin: httpx.AsyncClient) -> None:
    for label in ("'); DROP TABLE tenant; --", "[@click=app.quit]x[/]", "<script>1</script>", "{}"):
        made = await admin.post("/keys", json={"role": "reader", "label": label})
        assert made.json()["label"] == label
        assert (await admin.get("/keys")).json()["items"][0]["label"] == label


async def test_the_audit_tells_who_did_what_and_what_was_refused(
    admin: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    made = (await admin.post("/keys", json={"role": "reader", "label": "x"})).json()
    await reader.delete(f"/keys/{made['id']}")
    await admin.delete(f"/keys/{made['id']}", headers={"x-request-id": "trace-7"})

    entries = (await admin.get("/audit")).json()["items"]

    told = [(one["action"], one["outcome"], one["actor_label"]) for one in entries]
    assert told == [
        ("key.revoke", "done", "admin key"),
        ("key.revoke", "refused", "reader key"),
        ("key.create", "done", "admin key"),
    ]
    assert entries[0]["request_id"] == "trace-7"
    assert entries[1]["after"] == {"code": "forbidden"}
    assert {one["target_id"] for one in entries} == {made["id"]}
    assert made["key"] not in str(entries)


async def test_what_an_operator_is_refused_in_a_tenant_is_in_that_tenants_audit(
    operator: httpx.AsyncClient, admin: httpx.AsyncClient, tenant: UUID
) -> None:
    params = {"workspaceId": str(tenant)}
    missing = "/integrations/01930a5e-7c00-7000-8000-000000003f2a"
    assert (await operator.delete(missing, params=params)).status_code == 404

    [entry] = (await admin.get("/audit")).json()["items"]
    assert (entry["action"], entry["outcome"]) == ("integration.delete", "refused")
    assert entry["after"] == {"code": "not_found"}


async def test_operators_have_an_audit_of_their_own(
    operator: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await operator.post("/tenants", json={"name": "New"})

    assert [one["action"] for one in (await operator.get("/audit")).json()["items"]] == [
        "tenant.create"
    ]
    assert (await admin.get("/audit")).json()["items"] == []
