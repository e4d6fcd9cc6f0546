"""The portfolio: every tenant beside the others, for operators and nobody else."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.portfolio import Portfolio
from shared.contracts.words import Role
from shared.data.connection import Connection
from tests.conftest import Clock, make_tenant
from tests.unit.api.conftest import Api
from tests.unit.api.test_integrations import new
from tests.unit.api.test_success import Producer


async def portfolio(operator: httpx.AsyncClient) -> dict[str, Any]:
    answer = await operator.get("/success/portfolio")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def producers(api: Api, clock: Clock) -> dict[str, Producer]:
    """A producer for each of four tenants."""
    made: dict[str, Producer] = {}
    for name in ("Rising", "Falling", "Silent", "New"):
        key = await api.make_key(Role.INGEST, await make_tenant(name, clock=clock))
        made[name] = Producer(api.client(key), clock)
    await made["Rising"].readiness(7, rules=55)
    await made["Rising"].readiness(0, rules=65)
    await made["Rising"].plan(0, plan_id=uuid4(), tasks=[task("done"), task("todo")])
    await made["Falling"].readiness(28, rules=60)
    await made["Falling"].readiness(14, rules=38)
    await made["Falling"].readiness(7, rules=36)
    await made["Falling"].readiness(0, rules=15)
    await made["Silent"].readiness(30, rules=85)
    return made


def task(status: str) -> dict[str, Any]:
    return {"task_id": str(uuid4()), "status": status}


async def test_it_counts_bands_and_how_they_changed(
    operator: httpx.AsyncClient, producers: dict[str, Producer]
) -> None:
    told = await portfolio(operator)

    assert set(told) == set(Portfolio.__struct_fields__)
    bands = {one["band"]: (one["tenants"], one["tenants_1w_ago"]) for one in told["bands"]}
    assert bands == {
        "baseline": (1, 1),
        "operational": (0, 1),
        "mature": (1, 0),
        "network_intelligent": (1, 0),
        None: (1, 2),
    }
    assert [(one["tenant_name"], one["overall_score"]) for one in told["tenants"]] == [
        ("Falling", 15),
        ("Rising", 65),
        ("Silent", 85),
        ("New", None),
    ]
    assert told["completion"] == {"p25": 50, "p50": 50, "p75": 50}


async def test_it_names_who_moved_and_who_fell_silent(
    operator: httpx.AsyncClient, producers: dict[str, Producer]
) -> None:
    told = await portfolio(operator)

    assert [(one["tenant_name"], one["delta_1w"]) for one in told["movers_up"]] == [("Rising", 10)]
    assert [(one["tenant_name"], one["delta_1w"]) for one in told["movers_down"]] == [
        ("Falling", -21)
    ]
    assert [(one["tenant_name"], one["stale"], one["age_days"]) for one in told["stale"]] == [
        ("New", [], None),
        ("Silent", ["readiness"], 30),
    ]


async def test_the_most_severe_risk_is_first_and_of_those_the_oldest(
    operator: httpx.AsyncClient, producers: dict[str, Producer]
) -> None:
    told = await portfolio(operator)

    assert [(one["tenant_name"], one["code"], one["severity"]) for one in told["at_risk"]] == [
        ("Silent", "data_stale", "high"),
        ("Falling", "score_drop_4w", "high"),
        ("Falling", "score_low", "high"),
    ]
    ages = [one["age_days"] for one in told["at_risk"]]
    assert ages == sorted(ages, reverse=True)


async def test_it_says_of_each_tenant_what_the_tenants_own_overview_says(
    operator: httpx.AsyncClient, producers: dict[str, Producer]
) -> None:
    told = await portfolio(operator)

    for one in told["tenants"]:
        answer = await operator.get("/success/overview", params={"workspaceId": one["tenant_id"]})
        own = answer.json()
        assert own["tenant_name"] == one["tenant_name"]
        for name in ("status", "band", "overall_score", "delta_1w", "delta_4w", "trend", "as_of"):
            assert own["readiness"][name] == one[name]
        risks = [risk for risk in told["at_risk"] if risk["tenant_id"] == one["tenant_id"]]
        assert {risk["code"] for risk in risks} == {risk["code"] for risk in own["risks"]}


async def test_endpoints_that_lose_or_retry_are_named_the_worst_first(
    *,
    api: Api,
    operator: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    tenant: UUID,
    owner: Connection,
    clock: Clock,
) -> None:
    made: dict[str, str] = {}
    for name in ("well", "worst", "retried"):
        answer = await admin.post("/integrations", json=new(integration_key=name))
        made[name] = answer.json()["id"]
    await owner.executemany(
        "INSERT INTO integration_hour (tenant_id, integration_id, hour, delivered, discarded, "
        "last_error, last_error_at) VALUES ($1, $2, $3, $4, $5, 'timeout', $3)",
        [
            (tenant, UUID(made["well"]), clock().replace(minute=0, second=0), 9, 0),
            (tenant, UUID(made["worst"]), clock().replace(minute=0, second=0), 0, 3),
            (tenant, UUID(made["worst"]), clock() - timedelta(days=2), 0, 100),
        ],
    )
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(
        "INSERT INTO delivery_due (integration_id, id, tenant_id, event_id, attempt_count, "
        "next_attempt_at) VALUES ($1, $2, $3, $2, 1, now())",
        UUID(made["retried"]),
        api.ids(),
        tenant,
    )

    told = (await portfolio(operator))["deliveries"]

    assert (told["endpoints"], told["delivered"], told["discarded"]) == (3, 9, 3)
    assert (told["failed"], told["pending"], told["success_rate"]) == (1, 0, 0.75)
    assert [
        (one["integration_key"], one["discarded"], one["failed"], one["last_error"])
        for one in told["ailing"]
    ] == [("worst", 3, 0, "timeout"), ("retried", 0, 1, None)]
    assert told["oldest_waiting_since"] is not None


async def test_no_tenant_ever_sees_it(
    reader: httpx.AsyncClient, admin: httpx.AsyncClient, ingest: httpx.AsyncClient, tenant: UUID
) -> None:
    for client in (reader, admin, ingest):
        for params in ({}, {"workspaceId": str(tenant)}):
            assert (await client.get("/success/portfolio", params=params)).status_code == 403


async def test_what_has_not_changed_is_not_sent_again(
    operator: httpx.AsyncClient, producers: dict[str, Producer], clock: Clock
) -> None:
    first = await operator.get("/success/portfolio")
    known = {"if-none-match": first.headers["etag"]}

    same = await operator.get("/success/portfolio", headers=known)
    await producers["New"].readiness(0, rules=10)
    changed = await operator.get("/success/portfolio", headers=known)

    assert (same.status_code, changed.status_code) == (304, 200)
