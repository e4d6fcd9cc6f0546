"""Integrations: what is accepted, what is shown, what is sealed."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.data.connection import Connection

URL = "https://bi.example.com/hook/9f3a"


def new(**changes: Any) -> dict[str, Any]:
    """A body that is accepted, but for `changes`."""
    return {
        "integration_key": "bi_dashboard",
        "label": "BI dashboard",
        "is_enabled": True,
        "scopes": ["readiness", "adoption"],
        "config": config(),
    } | changes


def config(**changes: Any) -> dict[str, Any]:
    return {
        "webhook_url": URL,
        "headers": {"x-env": "prod"},
        "secret_headers": {"x-api-key": "s3cr3t-value"},
        "auth": {"kind": "bearer", "token": "t0ken-value"},
    } | changes


async def made(admin: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await admin.post("/integrations", json=new(**changes))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_integration_is_made_and_its_secret_is_shown_once(
    admin: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    answer = await admin.post("/integrations", json=new())
    body = answer.json()

    assert answer.status_code == 201
    assert answer.headers["etag"] == '"1"'
    assert body["signing_secret"].startswith("whsec_")
    assert body["config_summary"] == {
        "webhook_host": "bi.example.com",
        "url_hint": "9f3a",
        "format": "standard",
        "signature": "v1",
        "header_names": ["x-env"],
        "secret_header_names": ["x-api-key"],
        "auth_kind": "bearer",
        "has_secret": True,
        "verifying_key": None,
    }
    again = (await reader.get(f"/integrations/{body['id']}")).json()
    listed = (await reader.get("/integrations")).json()
    assert again["signing_secret"] is None
    assert listed == {"items": [again], "next_cursor": None}


async def test_no_secret_is_stored_or_audited_in_the_clear(
    admin: httpx.AsyncClient, owner: Connection
) -> None:
    body = await made(admin)

    row = await owner.fetchrow("SELECT integration::text AS it FROM integration")
    kept = await owner.fetchval("SELECT string_agg(audit::text, ' ') FROM audit")
    assert row is not None
    secrets = [URL, "s3cr3t-value", "t0ken-value", body["signing_secret"]]
    assert not [secret for secret in secrets if secret in row["it"] + kept]


async def test_a_key_that_is_taken_is_409_until_its_integration_is_deleted(
    admin: httpx.AsyncClient,
) -> None:
    first = await made(admin)

    taken = await admin.post("/integrations", json=new())
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
    assert (await admin.delete(f"/integrations/{first['id']}")).status_code == 204
    assert (await admin.get(f"/integrations/{first['id']}")).status_code == 404
    await made(admin)


REFUSED = {
    "scopes twice": (new(scopes=["uplift", "uplift"]), "$.scopes", "duplicate"),
    "no scope": (new(scopes=[]), "$.scopes", "out_of_range"),
    "unknown scope": (new(scopes=["general"]), "$.scopes[0]", "not_allowed"),
    "unknown field": (new(tenant_id=str(uuid4())), "$.tenant_id", "unknown_field"),
    "unknown config field": (
        new(config=config(timeout=5)),
        "$.config.timeout",
        "unknown_field",
    ),
    "no config": (
        {key: value for key, value in new().items() if key != "config"},
        "$.config",
        "missing",
    ),
    "key": (new(integration_key="BI Dashboard"), "$.integration_key", "malformed"),
    "label type": (new(label=7), "$.label", "wrong_type"),
    "label coerced": (new(is_enabled="true"), "$.is_enabled", "wrong_type"),
    "blank label": (new(label="   "), "$.label", "out_of_range"),
    "e-mail": (new(label="jane.doe@example.com"), "$.label", "personal_data"),
    "phone": (new(description="Call +1 415 555 2671"), "$.description", "personal_data"),
    "control": (new(label="a\x1b[31m"), "$.label", "not_allowed"),
    "nul": (new(label="a\0b"), "$.label", "not_allowed"),
    "http": (
        new(config=config(webhook_url="http://bi.example.com")),
        "$.config.webhook_url",
        "scheme_refused",
    ),
    "reserved header": (
        new(config=config(headers={"Host": "x"})),
        "$.config.headers[…]",
        "reserved",
    ),
    "webhook header": (
        new(config=config(secret_headers={"Webhook-Id": "x"})),
        "$.config.secret_headers[…]",
        "reserved",
    ),
    "header name": (new(config=config(headers={"x b": "x"})), "$.config.headers[…]", "malformed"),
    "header value": (
        new(config=config(headers={"x-b": "a\r\nx-c: d"})),
        "$.config.headers.x-b",
        "malformed",
    ),
    "header twice": (
        new(config=config(headers={"X-Api-Key": "x"})),
        "$.config.secret_headers.x-api-key",
        "duplicate",
    ),
    "auth lacks its token": (
        new(config=config(auth={"kind": "bearer"})),
        "$.config.auth.token",
        "missing",
    ),
    "auth has too much": (
        new(config=config(auth={"kind": "none", "token": "x"})),
        "$.config.auth.token",
        "not_allowed",
    ),
    "authorization beside auth": (
        new(config=config(headers={"Authorization": "x"})),
        "$.config.headers[…]",
        "reserved",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_does_not_fit_is_refused_by_name_and_nothing_is_stored(
    case: str, admin: httpx.AsyncClient, owner: Connection
) -> None:
    body, path, kind = REFUSED[case]

    answer = await admin.post("/integrations", json=body)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (path, kind) in [(one["path"], one["kind"]) for one in answer.json()["errors"]]
    assert await owner.fetchval("SELECT count(*) FROM integration") == 0
    assert await owner.fetchval("SELECT outcome FROM audit") == "refused"
