"""Operators make and end tenants."""

from uuid import uuid4

import httpx

from shared.data.connection import Connection


async def test_an_operator_makes_a_tenant_and_sees_it_first(operator: httpx.AsyncClient) -> None:
    made = await operator.post("/tenants", json={"name": "Acme"})
    listed = await operator.get("/tenants")

    assert made.status_code == 201
    assert made.json()["name"] == "Acme"
    assert listed.json()["items"][0] == made.json()


async def test_a_deleted_tenant_is_gone_with_its_keys_at_once(
    operator: httpx.AsyncClient, admin: httpx.AsyncClient, owner: Connection
) -> None:
    assert (await admin.get("/keys")).status_code == 200
    tenant_id = await owner.fetchval("SELECT id FROM tenant")

    assert (await operator.delete(f"/tenants/{tenant_id}")).status_code == 204
    assert (await admin.get("/keys")).status_code == 401
    assert await owner.fetchval("SELECT count(*) FROM tenant") == 0
    assert (await operator.delete(f"/tenants/{tenant_id}")).status_code == 404


async def test_deleting_a_tenant_that_is_not_there_is_404(operator: httpx.AsyncClient) -> None:
    answer = await operator.delete(f"/tenants/{uuid4()}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_tenants_come_in_pages(operator: httpx.AsyncClient) -> None:
    made = [
        (await operator.post("/tenants", json={"name": f"T{n}"})).json()["id"] for n in range(5)
    ]

    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await operator.get("/tenants", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == made[::-1]
