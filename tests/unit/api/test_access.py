"""Who may do what: every route, with every role, with no key, and with another tenant's."""

from datetime import timedelta
from uuid import UUID, uuid4

import httpx

from api.app import STREAMS
from api.authentication import OPEN
from api.openapi import ROOT, Operation, operations
from api.streams import Streams
from shared.contracts.words import Role
from shared.data.connection import Connection
from tests.conftest import make_tenant
from tests.unit.api.conftest import Api

READING = {Role.READER, Role.ADMIN, Role.OPERATOR}
TELLING = {Role.INGEST, Role.ADMIN, Role.OPERATOR}
GOVERNING = {Role.ADMIN, Role.OPERATOR}

BY_PATH = {
    "/observations": {"POST": TELLING, "PUT": TELLING},
    "/tenants": {"GET": {Role.OPERATOR}, "POST": {Role.OPERATOR}, "DELETE": {Role.OPERATOR}},
    "/success/portfolio": {"GET": {Role.OPERATOR}},
    "/catalog": {"GET": {Role.OPERATOR}, "PUT": {Role.OPERATOR}},
    "/keys": {"GET": GOVERNING, "POST": GOVERNING, "DELETE": GOVERNING},
    "/audit": {"GET": GOVERNING},
    "": {
        "GET": READING,
        "POST": GOVERNING,
        "PATCH": GOVERNING,
        "PUT": GOVERNING,
        "DELETE": GOVERNING,
    },
}
"""The contract's table, by the longest beginning of a path."""


def routes(api: Api) -> list[Operation]:
    return [one for one in operations(api.app, open_flag=OPEN) if not one.is_open]


def allowed(operation: Operation) -> set[Role]:
    path = operation.path.removeprefix(ROOT)
    beginning = max((one for one in BY_PATH if path.startswith(one)), key=len)
    return BY_PATH[beginning][operation.method]


def url(operation: Operation) -> str:
    parts = operation.path.removeprefix(ROOT).split("/")
    return "/".join(str(uuid4()) if part.startswith("{") else part for part in parts)


async def test_every_route_lets_in_exactly_the_roles_of_the_contract(
    api: Api, tenant: UUID
) -> None:
    wrong: list[str] = []
    streams: Streams = api.app.state[STREAMS]
    streams.end_all()  # whoever may open one is refused with 503, not kept listening
    for role in Role:
        is_operator = role is Role.OPERATOR
        key = await api.make_key(role, None if is_operator else tenant)
        client = api.client(key, **({"workspaceId": str(tenant)} if is_operator else {}))
        for operation in routes(api):
            # An empty body is refused after the guard, so nothing is done.
            answer = await client.request(operation.method, url(operation))
            if (answer.status_code == 403) == (role in allowed(operation)):
                wrong.append(f"{role} {operation.method} {operation.path}: {answer.status_code}")
            if answer.status_code >= 500 and not operation.path.endswith("/stream"):
                wrong.append(f"{operation.method} {operation.path}: {answer.text}")

    assert wrong == []


async def test_every_route_but_health_and_the_documentation_asks_for_a_key(
    api: Api, anyone: httpx.AsyncClient
) -> None:
    for operation in routes(api):
        answer = await anyone.request(operation.method, url(operation))
        assert answer.status_code == 401, operation.path
        assert answer.headers["www-authenticate"].startswith("Bearer")

    answer = await anyone.request("OPTIONS", "/tenants")
    assert answer.status_code == 401

    is_open = {one.path for one in operations(api.app, open_flag=OPEN) if one.is_open}
    assert is_open == {"/health/live", "/health/ready"}


async def test_a_tenants_key_that_names_another_tenant_finds_nothing(
    api: Api, tenant: UUID, admin: httpx.AsyncClient
) -> None:
    other = await make_tenant("Other", clock=api.clock)

    for operation in routes(api):
        if Role.ADMIN in allowed(operation):
            for named in (other, uuid4()):
                answer = await admin.request(
                    operation.method, url(operation), params={"workspaceId": str(named)}
                )
                assert answer.status_code == 404, operation.path

    answer = await admin.get("/integrations", params={"workspaceId": str(tenant)})
    assert answer.status_code == 200


async def test_an_operator_must_name_a_tenant_that_exists(
    operator: httpx.AsyncClient, tenant: UUID
) -> None:
    unnamed = await operator.get("/integrations")
    unknown = await operator.get("/integrations", params={"workspaceId": str(uuid4())})
    named = await operator.get("/integrations", params={"workspaceId": str(tenant)})

    assert unnamed.status_code == 422
    assert unnamed.json()["errors"][0]["path"] == "workspaceId"
    assert unknown.status_code == 404
    assert named.status_code == 200


async def test_a_key_that_is_not_good_is_401(api: Api, tenant: UUID) -> None:
    good = await api.make_key(Role.READER, tenant)
    mistyped = good[:-1] + ("a" if good[-1] != "a" else "b")
    for header in (
        "",
        "Bearer",
        "Bearer ",
        f"Basic {good}",
        f"Bearer {mistyped}",
        f"Bearer {good}x",
        "Bearer gz7_live_" + "0" * 48,
        "Bearer \u00e9",
    ):
        headers = {b"authorization": header.encode("latin-1")}
        answer = await api.client().get("/stats", headers=headers)
        assert answer.status_code == 401, header
        assert answer.json()["code"] == "unauthenticated"
    lower = {"authorization": f"bearer {good}"}
    assert (await api.client().get("/stats", headers=lower)).status_code == 200


async def test_a_key_ends_when_it_expires(api: Api, tenant: UUID) -> None:
    key = await api.make_key(Role.READER, tenant, expires_at=api.clock() + timedelta(minutes=1))
    client = api.client(key)

    assert (await client.get("/stats")).status_code == 200
    api.clock.advance(timedelta(minutes=1))
    assert (await client.get("/stats")).status_code == 401


async def test_a_key_revoked_elsewhere_ends_within_five_seconds(
    api: Api, reader: httpx.AsyncClient, owner: Connection
) -> None:
    assert (await reader.get("/stats")).status_code == 200
    await owner.execute("UPDATE api_key SET revoked_at = now()")

    api.clock.advance(timedelta(seconds=5))
    assert (await reader.get("/stats")).status_code == 401


async def test_the_use_of_a_key_is_noted_by_the_hour(
    api: Api, reader: httpx.AsyncClient, owner: Connection
) -> None:
    async def noted() -> object:
        await api.rest()
        return await owner.fetchval("SELECT last_used_at FROM api_key")

    began = api.clock()
    await reader.get("/stats")
    assert await noted() == began
    api.clock.advance(timedelta(minutes=59))
    await reader.get("/stats")
    assert await noted() == began
    api.clock.advance(timedelta(minutes=1))
    await reader.get("/stats")
    assert await noted() == api.clock()
