"""The catalogue: operators edit it, and the next observation is judged by it."""

from typing import Any

import httpx
import pytest

from shared.contracts.words import Scope
from shared.data.connection import Connection

BILLING = {"label": "Billing (beta)", "category": "core", "weight": 3}


def readiness(**scores: float) -> dict[str, Any]:
    keys = {"rules": "guardian.core.rules", "billing": "guardian.core.billing"}
    return {
        "computed_at": "2026-11-01T06:00:00Z",
        "capabilities": [{"key": keys[name], "score": score} for name, score in scores.items()],
    }


async def test_the_defaults_are_listed_by_key(operator: httpx.AsyncClient) -> None:
    told = (await operator.get("/catalog")).json()

    assert {name: len(entries) for name, entries in told.items()} == {
        "capabilities": 15,
        "editions": 4,
        "dimensions": 15,
    }
    assert told["dimensions"][0] == {
        "key": "ai_intelligence.ai_features",
        "dimension": "ai_intelligence",
        "sub_dimension": "ai_features",
        "weight": 0.9,
        "light_from": 20,
        "regular_from": 50,
        "power_from": 80,
    }
    keys = [one["key"] for one in told["capabilities"]]
    assert keys == sorted(keys)


async def test_a_new_capability_is_scored_by_its_weight_at_once(
    operator: httpx.AsyncClient, ingest: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    seen = readiness(rules=70, billing=20)
    assert (await ingest.post("/observations/readiness", json=seen)).status_code == 422

    made = await operator.put("/catalog/capabilities/guardian.core.billing", json=BILLING)
    stored = await ingest.post("/observations/readiness", json=seen)

    assert (made.status_code, stored.status_code) == (200, 202)
    assert made.json() == {
        "key": "guardian.core.billing",
        "label": "Billing (beta)",
        "category": "core",
        "weight": 3.0,
        "is_experimental": False,
    }
    told = (await reader.get("/success/overview")).json()["readiness"]
    assert told["overall_score"] == 40  # (70 x 2 + 20 x 3) / 5
    assert told["capabilities"][1]["label"] == "Billing (beta)"


async def test_an_edition_and_a_sub_dimension_are_changed_whole(
    operator: httpx.AsyncClient,
) -> None:
    edition = {
        "label": "Guardian Plus",
        "tier": "pro",
        "min_overall_score": 30,
        "recommended_overall_score": 50,
        "is_active": False,
    }
    edges = {"weight": 2, "light_from": 10, "regular_from": 20, "power_from": 30}

    assert (await operator.put("/catalog/editions/guardian_pro", json=edition)).status_code == 200
    assert (
        await operator.put("/catalog/dimensions/core.rules_usage", json=edges)
    ).status_code == 200

    told = (await operator.get("/catalog")).json()
    assert {"key": "guardian_pro", **edition} in told["editions"]
    assert {
        "key": "core.rules_usage",
        "dimension": "core",
        "sub_dimension": "rules_usage",
        **edges,
    } in told["dimensions"]
    assert (len(told["editions"]), len(told["dimensions"])) == (4, 15)


async def test_every_change_is_audited_with_what_was(operator: httpx.AsyncClient) -> None:
    await operator.put("/catalog/capabilities/guardian.core.billing", json=BILLING)
    await operator.put("/catalog/capabilities/guardian.core.billing", json=BILLING | {"weight": 1})
    await operator.put("/catalog/capabilities/guardian.core.billing", json=BILLING | {"weight": 0})

    refused, changed, made = (await operator.get("/audit")).json()["items"]
    assert [one["action"] for one in (refused, changed, made)] == ["catalogue.put"] * 3
    assert (made["target_id"], made["before"], made["after"]["weight"]) == (
        "guardian.core.billing",
        None,
        3,
    )
    assert (changed["before"]["weight"], changed["after"]["weight"]) == (3, 1)
    assert (refused["outcome"], refused["target_id"]) == ("refused", "guardian.core.billing")


@pytest.mark.parametrize(
    ("path", "changes", "where"),
    [
        ("capabilities/Guardian.Core", {}, "key"),
        ("capabilities/+49-30-1234567", {}, "key"),
        ("capabilities/a", {"label": "call 0301234567"}, "$.label"),
        ("capabilities/a", {"label": "Jane <jane@example.com>"}, "$.label"),
        ("capabilities/a", {"label": "Call +49 30 1234567"}, "$.label"),
        ("capabilities/a", {"weight": 0}, "$.weight"),
        ("capabilities/a", {"owner": "x"}, "$.owner"),
    ],
)
async def test_a_capability_that_may_not_leave_is_refused(
    operator: httpx.AsyncClient, owner: Connection, path: str, changes: dict[str, Any], where: str
) -> None:
    answer = await operator.put(f"/catalog/{path}", json=BILLING | changes)

    assert answer.status_code == 422, answer.text
    assert [one["path"] for one in answer.json()["errors"]] == [where]
    assert await owner.fetchval("SELECT count(*) FROM capability") == 15


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (
            "editions/a",
            {
                "label": "A",
                "tier": "pro",
                "min_overall_score": 50,
                "recommended_overall_score": 49,
            },
            "$.recommended_overall_score",
        ),
        ("dimensions/core", {"light_from": 1, "regular_from": 2, "power_from": 3}, "key"),
        ("dimensions/other.x", {"light_from": 1, "regular_from": 2, "power_from": 3}, "key"),
        (
            "dimensions/core.x",
            {"light_from": 3, "regular_from": 2, "power_from": 3},
            "$.power_from",
        ),
    ],
)
async def test_what_contradicts_itself_is_refused(
    operator: httpx.AsyncClient, path: str, body: dict[str, Any], where: str
) -> None:
    answer = await operator.put(f"/catalog/{path}", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, where)


async def test_tenants_neither_see_nor_change_it(
    admin: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    assert (await admin.get("/catalog")).status_code == 403
    assert (await reader.get("/catalog")).status_code == 403
    path = f"/catalog/capabilities/{Scope.READINESS}"
    assert (await admin.put(path, json=BILLING)).status_code == 403


async def test_a_key_that_no_database_can_keep_is_refused_and_recorded(
    admin: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    for caller, status in ((admin, 403), (operator, 422)):
        answer = await caller.put("/catalog/dimensions/%00", json={})

        assert answer.status_code == status, answer.text
