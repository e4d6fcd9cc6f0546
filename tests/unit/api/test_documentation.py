"""The API tells about itself truly, and without another host."""

import json
from typing import cast

import httpx
import msgspec

from api.services.examples import EXAMPLES
from shared.contracts.payloads import DATA_OF
from shared.contracts.words import EventType


async def test_the_openapi_document_tells_every_route_its_refusals_and_its_strictness(
    anyone: httpx.AsyncClient,
) -> None:
    answer = await anyone.get("http://guardian.test/openapi.json")
    told = answer.json()

    assert answer.headers["content-type"] == "application/json"
    ids: list[str] = []
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            ids.append(operation["operationId"])
            refusals = {
                status: one["content"]
                for status, one in operation["responses"].items()
                if int(status) >= 400
            }
            assert refusals, (path, method)
            assert all(
                list(content) == ["application/problem+json"] for content in refusals.values()
            )
            body = operation.get("requestBody")
            if body:
                if list(body["content"]) == ["application/x-ndjson"]:
                    continue  # lines, of which each is one of the bodies told elsewhere
                name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                assert told["components"]["schemas"][name]["additionalProperties"] is False
    assert len(set(ids)) == len(ids)
    references = set(_references(told))
    assert references <= {f"#/components/schemas/{name}" for name in told["components"]["schemas"]}


def _references(node: object) -> list[str]:
    match node:
        case {"$ref": str(reference)}:
            return [reference]
        case dict():
            inside = list(cast("dict[str, object]", node).values())
        case list():
            inside = cast("list[object]", node)
        case _:
            inside = []
    return [one for value in inside for one in _references(value)]


async def test_the_page_names_every_route_and_loads_nothing(anyone: httpx.AsyncClient) -> None:
    told = (await anyone.get("/openapi.json")).json()
    page = await anyone.get("/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert all(path in page.text for path in told["paths"])
    assert "://" not in page.text
    assert "<script" not in page.text


async def test_the_catalogue_has_every_event_with_an_example_that_fits(
    reader: httpx.AsyncClient,
) -> None:
    items = (await reader.get("/event-types")).json()["items"]

    assert [item["type"] for item in items] == list(EventType)
    for item in items:
        data_type = DATA_OF[EventType(item["type"])]
        decoded = msgspec.json.decode(json.dumps(item["example"]), type=data_type)
        assert decoded == EXAMPLES[EventType(item["type"])]
        assert item["data_schema"]["$defs"]


async def test_health_tells_what_is_amiss(anyone: httpx.AsyncClient) -> None:
    live = await anyone.get("http://guardian.test/health/live")
    ready = await anyone.get("/health/ready")

    assert (live.status_code, live.json()["status"]) == (200, "ok")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    checks = {name: check["status"] for name, check in ready.json()["checks"].items()}
    assert checks == {"postgresql": "ok", "migrations": "ok", "redis": "ok", "worker": "degraded"}
