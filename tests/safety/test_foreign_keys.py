"""Every route, asked for another tenant's things with every kind of key, thousands of times."""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from api.authentication import OPEN
from api.openapi import ROOT, Operation, operations
from shared.data.connection import Connection
from tests.safety.world import World, digests, integration, is_endless
from tests.unit.api.conftest import Api
from tests.unit.api.test_observations import bodies

REQUESTS = int(os.environ.get("FOREIGN_REQUESTS", "5200"))
"""`make fuzz` sends ten times as many."""

SEED = 20261123
REFUSED = frozenset({400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429})


async def test_no_answer_to_any_key_of_another_tenant_holds_anything_of_this_one(
    api: Api, ours: World, theirs: World, owner: Connection, figure: Callable[[str], None]
) -> None:
    known = [one for one in operations(api.app, open_flag=OPEN) if not one.is_open]
    dice = random.Random(SEED)  # noqa: S311 - the same requests each time
    clients = {role: api.client(key) for role, key in ours.keys.items()}
    before = await digests(owner, theirs.tenant_id)
    # A plan's id is its owner's choice, so the same id may mean a plan of each tenant.
    own = {*theirs.ids["observation"]}
    asked = Counter[str]()
    statuses = Counter[int]()
    wrong: list[str] = []
    # What a caller wrote stands in the caller's own audit and plans afterwards.
    written: set[str] = set()

    while sum(statuses.values()) < REQUESTS:
        for operation in known:
            role = dice.choice(list(clients))
            request = _request(api, operation, theirs, dice)
            if is_endless(operation):
                request["params"]["workspaceId"] = str(theirs.tenant_id)
            answer = await clients[role].request(operation.method, **request)
            statuses[answer.status_code] += 1
            asked[operation.path] += 1
            if operation.method != "GET":
                written |= {one for one in theirs.marks if one in str(request)}
            leaks = {*theirs.leaks(answer)} - written
            names = any(one in request["url"] for one in theirs.marks - own)
            is_done = answer.status_code not in REFUSED
            if leaks or (is_done and (names or "workspaceId" in request["params"])):
                wrong.append(
                    f"{role} {operation.method} {request['url']}: {answer.status_code} {leaks}"
                )

    assert "\n".join(wrong) == ""
    assert await digests(owner, theirs.tenant_id) == before
    assert len(asked) == len({one.path for one in known})
    assert len(theirs.marks - written) >= 10, "there is something that only a leak can show"
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    figure(f"foreign keys: {sum(statuses.values())} requests, 0 leaks ({told})")


def _request(api: Api, operation: Operation, theirs: World, dice: random.Random) -> dict[str, Any]:
    """A request that names what is the other tenant's, here or there."""
    probes = {"event", "audit"} if operation.method != "GET" else set[str]()
    every = [one for noun, ids in theirs.ids.items() if noun not in probes for one in ids]
    right = {
        "integration_id": "integration",
        "delivery_id": "delivery",
        "key_id": "key",
        "replay_id": "replay",
        "plan_id": "observation",
        "target_id": "tenant",
    }

    def filled(part: str) -> str:
        if not part.startswith("{"):
            return part
        noun = right.get(part.strip("{}"))
        if part == "{stream}":
            return dice.choice(["integrations", "deliveries", "adoption_scores", "uplift_plans"])
        if noun is None:
            return theirs.mark
        return dice.choice(theirs.ids[noun] if dice.random() < 0.6 else every)

    parts = operation.path.removeprefix(ROOT).split("/")
    params: dict[str, str] = {}
    if dice.random() < 0.3:
        params["workspaceId"] = _spelled(str(theirs.tenant_id), dice)
    if dice.random() < 0.3:
        for name in dice.sample(_PARAMETERS, k=2):
            params[name] = dice.choice(every)
    headers = {"idempotency-key": f"{theirs.mark} {dice.choice(['readiness', 'adoption'])}"}
    made: dict[str, Any] = {
        "url": "/".join(filled(part) for part in parts),
        "params": params,
        "headers": headers if dice.random() < 0.3 else {},
    }
    if operation.method in {"POST", "PUT", "PATCH"}:
        made["json"] = dice.choice(list(_bodies(api, theirs, dice)))
    return made


_PARAMETERS = ["integration_id", "cursor", "integrationId", "tenant_id", "since", "event_type"]


def _spelled(text: str, dice: random.Random) -> str:
    return dice.choice(
        [text, text.upper(), text.replace("-", ""), f"{{{text}}}", f"urn:uuid:{text}"]
    )


def _bodies(api: Api, theirs: World, dice: random.Random) -> Iterator[dict[str, Any]]:
    one = dice.choice(theirs.ids["integration"])
    yield {"updates": [{"id": one, "label": "Mine now", "is_enabled": False}]}
    yield {"label": "Mine now", "tenant_id": str(theirs.tenant_id)}
    yield {"label": "Mine now"}
    yield {"role": "admin", "label": "mine", "tenant_id": str(theirs.tenant_id)}
    yield {"is_ai_enabled": False}
    yield {"keep_previous_hours": 0}
    yield {
        "integration_id": one,
        "since": (api.clock() - timedelta(days=2)).isoformat(),
        "until": (api.clock() + timedelta(days=2)).isoformat(),
        "dry_run": dice.random() < 0.5,
    }
    yield integration(f"k{dice.randrange(9)}", "mine") | {"tenant_id": str(theirs.tenant_id)}
    _, _, body = dice.choice(bodies(api.clock))
    if "report_type" in body:
        body["report_id"] = dice.choice(theirs.ids["observation"])
    yield body
    yield {**body, "workspaceId": str(theirs.tenant_id)}
