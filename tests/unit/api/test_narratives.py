"""GET /success/narrative: the rules at once, an honest reason, and a switch that is off."""

import time
from datetime import timedelta
from statistics import median
from typing import Any
from uuid import UUID

import httpx
import msgspec

from shared.contracts.narrative import Narrative
from shared.contracts.words import Role
from shared.data.connection import Connection
from tests.conftest import Clock
from tests.unit.api.conftest import Api

PATH = "/success/narrative"
SETTINGS = f"{PATH}/settings"


async def observe(ingest: httpx.AsyncClient, clock: Clock, score: float = 70.0) -> None:
    for domain, body in (
        (
            "readiness",
            {"capabilities": [{"key": "guardian.core.rules", "score": score}]},
        ),
        (
            "adoption",
            {"scores": [{"dimension": "core", "sub_dimension": "rules_usage", "score": 30}]},
        ),
    ):
        told = {"computed_at": clock().isoformat(), **body}
        answer = await ingest.post(f"/observations/{domain}", json=told)
        assert answer.status_code == 202, answer.text


async def narrative(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get(PATH)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def switch_on(admin: httpx.AsyncClient) -> None:
    answer = await admin.put(SETTINGS, json={"is_ai_enabled": True})
    assert answer.status_code == 200, answer.text
    assert answer.json()["is_ai_enabled"] is True


async def test_the_rules_tell_a_tenants_own_numbers(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient, clock: Clock
) -> None:
    await observe(ingest, clock)

    told = await narrative(reader)

    assert told["headline"] == "Readiness enters the record at 70 points"
    assert "30 points" in told["bullets"][1]
    assert told["source"] == "rules"
    assert told["fallback_reason"] == "switched_off"
    assert told["model"] is None
    assert "Nothing has been observed yet for edition fit" in told["commentary"]
    overview = (await reader.get("/success/overview")).json()
    actions = [risk["action_code"] for risk in overview["risks"]]
    assert told["action"] == (actions[0] if actions else None)
    msgspec.convert(told, Narrative, strict=False)


async def test_a_tenant_of_whom_nothing_is_known_is_told_so(reader: httpx.AsyncClient) -> None:
    told = await narrative(reader)

    assert told["headline"] == "The story has yet to begin"
    assert told["fallback_reason"] == "too_little_data"


async def test_off_by_default_and_switched_by_the_admin_alone(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    assert (await reader.get(SETTINGS)).json() == {
        "is_ai_enabled": False,
        "changed_at": None,
        "calls_this_month": 0,
        "input_tokens_this_month": 0,
        "output_tokens_this_month": 0,
        "cost_usd_this_month": 0.0,
    }
    for client in (reader, ingest):
        assert (await client.put(SETTINGS, json={"is_ai_enabled": True})).status_code == 403
    assert (await ingest.get(PATH)).status_code == 403
    assert (await admin.put(SETTINGS, json={"on": True})).status_code == 422

    await switch_on(admin)

    assert (await reader.get(SETTINGS)).json()["is_ai_enabled"] is True


async def test_the_switch_is_recorded(admin: httpx.AsyncClient, tenant: UUID) -> None:
    await switch_on(admin)

    [entry, *_] = (await admin.get("/audit")).json()["items"]
    assert entry["action"] == "narrative.settings"
    assert entry["before"] == {"is_ai_enabled": False}
    assert entry["after"] == {"is_ai_enabled": True}
    assert entry["target_id"] == str(tenant)


async def test_one_tenants_switch_is_not_anothers(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await switch_on(admin)

    assert (await stranger.get(SETTINGS)).json()["is_ai_enabled"] is False


async def test_switched_on_the_question_is_written_down_and_the_rules_speak_meanwhile(
    reader: httpx.AsyncClient,
    ingest: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    clock: Clock,
    owner: Connection,
) -> None:
    await observe(ingest, clock)
    await switch_on(admin)

    first, second = await narrative(reader), await narrative(reader)

    assert first["fallback_reason"] == second["fallback_reason"] == "pending"
    rows = await owner.fetch("SELECT status, model FROM narrative")
    assert [tuple(row) for row in rows] == [("pending", "claude-test")]


async def test_a_caller_who_has_the_narrative_is_not_sent_it_again(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient, clock: Clock
) -> None:
    await observe(ingest, clock)
    first = await reader.get(PATH)
    tag = first.headers["etag"]
    clock.advance(timedelta(minutes=5))

    assert first.headers["cache-control"].startswith("private")
    again = await reader.get(PATH, headers={"if-none-match": tag})
    assert again.status_code == 304

    await observe(ingest, clock, score=20.0)
    changed = await reader.get(PATH, headers={"if-none-match": tag})
    assert changed.status_code == 200


async def test_an_operator_names_the_tenant(
    operator: httpx.AsyncClient, tenant: UUID, stranger: httpx.AsyncClient
) -> None:
    assert (await operator.get(PATH)).status_code == 422
    assert (await operator.get(PATH, params={"workspaceId": str(tenant)})).status_code == 200
    assert (await stranger.get(PATH, params={"workspaceId": str(tenant)})).status_code == 404


async def test_with_the_model_switched_on_the_answer_takes_no_longer(
    api: Api, tenant: UUID, ingest: httpx.AsyncClient, admin: httpx.AsyncClient, clock: Clock
) -> None:
    """Where no worker answers at all, as where the model is down: within 50 ms of the usual."""
    await observe(ingest, clock)
    reader = api.client(await api.make_key(Role.READER, tenant))

    async def usual_ms() -> float:
        took: list[float] = []
        for _ in range(15):
            began = time.perf_counter()
            await narrative(reader)
            took.append((time.perf_counter() - began) * 1000)
        return median(took)

    without = await usual_ms()
    await switch_on(admin)
    asked = await usual_ms()

    assert asked - without < 50
