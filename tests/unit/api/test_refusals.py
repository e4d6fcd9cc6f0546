"""Every refusal is a problem+json that tells a program what to do and an attacker nothing."""

import logging
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest

from api.bodies import MAXIMUM_BYTES
from shared.contracts.words import Role
from shared.data.connection import Connection
from shared.logs import JsonLines
from tests.unit.api.conftest import Api

JSON = {"content-type": "application/json"}


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    body = answer.json()
    return (
        answer.status_code == status
        and answer.headers["content-type"] == "application/problem+json"
        and (body["status"], body["code"]) == (status, code)
        and set(body) == {"type", "title", "status", "detail", "code", "errors"}
    )


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "malformed_request"),
    "broken": (b'{"name": "Acme"', 400, "malformed_request"),
    "broken after a wrong field": (b'{"zz": 1, "name": ', 400, "malformed_request"),
    "NaN": (b'{"name": NaN}', 400, "malformed_request"),
    "not UTF-8": (b'{"name": "\xff\xfe"}', 400, "malformed_request"),
    "1000 levels": (b'{"name": ' + b"[" * 1000 + b"]" * 1000 + b"}", 400, "malformed_request"),
    "100,000 levels": (b"[" * 100_000, 400, "malformed_request"),
    "a huge number": (b'{"name": 1' + b"0" * 5000 + b"}", 422, "invalid"),
    "another type": (b'{"name": 7}', 422, "invalid"),
    "a list": (b"[]", 422, "invalid"),
    "null": (b"null", 422, "invalid"),
    "an unknown field": (b'{"name": "Acme", "plan": "pro"}', 422, "invalid"),
    "a missing field": (b"{}", 422, "invalid"),
    "NUL": (b'{"name": "a\\u0000b"}', 422, "invalid"),
    "half a surrogate": (b'{"name": "\\ud800"}', 400, "malformed_request"),
    "too much": (b'{"name": "' + b"x" * (2 * MAXIMUM_BYTES) + b'"}', 413, "body_too_large"),
}


async def test_a_body_that_does_not_fit_is_refused_and_nothing_is_stored(
    operator: httpx.AsyncClient, owner: Connection
) -> None:
    for what, (body, status, code) in BODIES.items():
        answer = await operator.post("/tenants", content=body, headers=JSON)
        assert is_problem(answer, status, code), (what, answer.status_code, answer.text)

    assert await owner.fetchval("SELECT count(*) FROM tenant") == 0
    refused = await owner.fetchval("SELECT count(*) FROM audit WHERE outcome = 'refused'")
    assert refused == len(BODIES)


async def test_a_refused_field_is_named_and_its_value_is_not(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("/keys", json={"role": "s3cr3t", "label": "x"})

    [refused] = answer.json()["errors"]
    assert (refused["path"], refused["kind"]) == ("$.role", "not_allowed")
    assert "s3cr3t" not in answer.text


async def test_a_body_in_another_format_is_415(operator: httpx.AsyncClient) -> None:
    for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=x"):
        headers = {"content-type": content_type}
        answer = await operator.post("/tenants", content=b'{"name": "Acme"}', headers=headers)
        assert is_problem(answer, 415, "unsupported_media_type"), content_type

    answer = await operator.post("/tenants", content=b'{"name": "Acme"}')
    assert is_problem(answer, 415, "unsupported_media_type")
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = await operator.post("/tenants", content=b'{"name": "Acme"}', headers=headers)
    assert answer.status_code == 201


async def test_a_parameter_that_does_not_fit_is_refused_under_its_name(
    reader: httpx.AsyncClient,
) -> None:
    for path, name, value in (
        ("/deliveries", "limit", "0"),
        ("/deliveries", "limit", "201"),
        ("/deliveries", "limit", "many"),
        ("/deliveries", "status", "lost"),
        ("/deliveries", "integration_id", "7"),
        ("/deliveries", "event_type", "everything"),
        ("/deliveries", "since", "yesterday"),
        ("/deliveries", "until", "2026-11-01T00:00:00"),
        ("/deliveries", "cursor", "'; DROP TABLE tenant; --"),
        ("/integrations", "cursor", "x" * 22 + "é"),
        ("/integrations", "limit", "-1"),
        ("/stats", "window", "1y"),
        ("/stats", "workspaceId", "mine"),
    ):
        answer = await reader.get(path, params={name: value})
        assert is_problem(answer, 422, "invalid"), (path, name, answer.text)
        assert [one["path"] for one in answer.json()["errors"]] == [name]
        assert value not in answer.json()["detail"] or value in {"0", "201", "7"}


async def test_what_does_not_exist_is_404_and_a_wrong_method_405(
    reader: httpx.AsyncClient,
) -> None:
    assert is_problem(await reader.get("/nothing"), 404, "not_found")
    assert is_problem(await reader.get("/integrations/not-an-id"), 404, "not_found")
    assert is_problem(await reader.get(f"/integrations/{uuid4()}"), 404, "not_found")
    wrong = await reader.put("/integrations", json={})
    assert is_problem(wrong, 405, "method_not_allowed")
    assert {"GET", "POST", "PATCH"} <= set(wrong.headers["allow"].split(", "))


async def test_a_bug_is_500_without_a_word_of_it_and_is_logged_under_the_requests_id(
    api: Api, owner: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: int) -> bytes:
        raise RuntimeError("hunter2")

    key = await api.make_key(Role.OPERATOR, None)
    client = replace(api, app=api.rebuilt(entropy=broken)).client(key)
    answer = await client.post("/keys", json={"role": "operator", "label": "x"})

    assert is_problem(answer, 500, "internal_error")
    assert "hunter2" not in answer.text
    [line] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert line.__dict__["request_id"] == answer.headers["x-request-id"]
    assert "hunter2" not in JsonLines().format(line)
    assert await owner.fetchval("SELECT count(*) FROM api_key") == 1


async def test_when_postgresql_hangs_up_callers_are_told_to_try_again_and_then_it_works(
    reader: httpx.AsyncClient, owner: Connection
) -> None:
    assert (await reader.get("/stats")).status_code == 200
    await owner.execute(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        """
    )

    statuses = [(await reader.get("/stats")).status_code for _ in range(12)]

    assert set(statuses) <= {200, 503}
    assert statuses[-1] == 200


async def test_the_requests_id_comes_back(anyone: httpx.AsyncClient) -> None:
    given = await anyone.get("/stats", headers={"x-request-id": "trace-42"})
    harmful = await anyone.get("/stats", headers={"x-request-id": 'a"b'})
    unrouted = await anyone.get("/nothing")

    assert given.headers["x-request-id"] == "trace-42"
    assert len(harmful.headers["x-request-id"]) == 24
    assert len(unrouted.headers["x-request-id"]) == 24
