"""One request for every route of a tenant, each repeatable, so that what it asks can be watched."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import httpx

from shared.contracts.exports import Stream
from shared.contracts.words import Role
from tests.safety.world import OLD_KEY, World, integration
from tests.unit.api.conftest import Api
from tests.unit.api.test_observations import bodies


class Step(NamedTuple):
    """A request that a tenant may make."""

    method: str
    url: str
    json: Any = None
    headers: dict[str, str] | None = None
    content: bytes | None = None

    async def taken(self, client: httpx.AsyncClient) -> httpx.Response:
        """Make it."""
        return await client.request(
            self.method, self.url, json=self.json, headers=self.headers, content=self.content
        )


def steps(api: Api, world: World) -> Iterator[Step]:
    """Everything a tenant can ask, on its own things; made anew, so nothing is a repetition."""
    first, second = world.ids["integration"][:2]
    yield from (Step("GET", f"/{path}") for path in READS)
    yield from (Step("GET", f"/export/{stream}?limit=2") for stream in Stream)
    yield Step("GET", f"/export/{next(iter(Stream))}/schema")
    for delivery_id in world.ids["delivery"]:
        yield Step("GET", f"/deliveries/{delivery_id}")
    yield Step("GET", f"/deliveries?integration_id={first}&event_type=readiness_updated&limit=3")
    yield Step("GET", f"/integrations/{first}")
    yield Step("GET", f"/integrations/{first}/preview")
    yield Step("GET", f"/integrations?workspaceId={world.tenant_id}")
    for method, route, body in bodies(api.clock):
        yield Step(method, f"/observations/{route}", body, {"idempotency-key": OLD_KEY})
        key = {"idempotency-key": uuid4().hex}
        yield Step(method, f"/observations/{route}", body, key)
        yield Step(method, f"/observations/{route}", body, key)
    yield Step(
        "PUT",
        f"/observations/uplift-plans/{world.ids['plan'][0]}",
        {"title": "Shorter", "status": "active", "tasks": []},
    )
    line = b'{"domain":"readiness","computed_at":"%s","capabilities":[{"key":"guardian.core.rules","score":61}]}\n'  # noqa: E501
    yield Step(
        "POST",
        "/observations/batch",
        content=line % api.clock().isoformat().encode(),
        headers={"content-type": "application/x-ndjson"},
    )
    plan = b'{"domain":"uplift","plan_id":"%s","title":"One of two","status":"active","tasks":[]}\n'
    yield Step(
        "POST",
        "/observations/batch",
        content=b"".join(plan % str(uuid4()).encode() for _ in range(2)),
        headers={"content-type": "application/x-ndjson"},
    )
    yield Step("POST", "/integrations", integration(f"k{uuid4().hex[:8]}", "new"))
    words = uuid4().hex[:8]
    yield Step("PATCH", f"/integrations/{first}", {"label": f"Renamed {words}"})
    again = {"updates": [{"id": first, "label": f"Again {words}"}]}
    yield Step("PATCH", "/integrations", again)
    yield Step("POST", f"/integrations/{first}/rotate-secret", {})
    yield Step("POST", f"/integrations/test?integrationId={first}")
    yield Step("POST", "/integrations/test")
    for delivery_id in world.ids["delivery"]:
        yield Step("POST", f"/deliveries/{delivery_id}/redeliver")
    since, until = api.clock() - timedelta(days=2), api.clock() + timedelta(days=2)
    chosen = {
        "integration_id": second,
        "since": since.isoformat(),
        "until": until.isoformat(),
    }
    for choice in (
        {"dry_run": True},
        {"dry_run": True, "only_missing": True, "event_types": ["readiness_updated"]},
        {},
    ):
        yield Step("POST", "/replays", chosen | choice)
    for replay_id in world.ids["replay"]:
        yield Step("GET", f"/replays/{replay_id}")
        yield Step("DELETE", f"/replays/{replay_id}")
    yield Step("PUT", "/success/narrative/settings", {"is_ai_enabled": True})
    yield Step("POST", "/keys", {"role": "reader", "label": "one more"})
    yield Step("DELETE", f"/keys/{world.ids['key'][1]}")
    yield Step("DELETE", f"/integrations/{second}")


def caller(api: Api, world: World) -> httpx.AsyncClient:
    """An admin of the tenant."""
    return api.client(world.keys[Role.ADMIN])


READS = (
    "audit",
    "deliveries",
    "deliveries?status=pending",
    "deliveries?status=failed",
    "deliveries?status=delivered",
    "deliveries?status=discarded",
    "event-types",
    "export",
    "integrations",
    "keys",
    "replays",
    "stats",
    "stats?window=24h",
    "success/history",
    "success/history?granularity=monthly",
    "success/narrative",
    "success/narrative/settings",
    "success/overview",
)
