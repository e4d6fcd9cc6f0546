"""OAuth 2.0 and client certificates as a tenant sets them up: checked, sealed, never shown."""

from typing import Any
from uuid import UUID

import httpx
import pytest
import trustme

from shared.contracts.words import AuthKind
from shared.data.connection import Connection
from shared.domain.credentials import open_credentials
from tests.unit.api.conftest import Api
from tests.unit.api.test_integrations import config, made, new

OAUTH2 = {
    "kind": "oauth2_client_credentials",
    "token_url": "https://login.example.com/oauth2/token?t=url-canary",
    "client_id": "client-canary",
    "client_secret": "secret-canary",
    "scope": "webhooks.write",
    "audience": "https://api.example.com",
    "client_proof": "body",
}


def oauth2(**changes: Any) -> dict[str, Any]:
    auth = {name: value for name, value in (OAUTH2 | changes).items() if value is not ...}
    return config(auth=auth)


@pytest.fixture(scope="module")
def pair() -> dict[str, str]:
    issued = trustme.CA().issue_cert("guardian.example.com")
    return {
        "certificate": "".join(one.bytes().decode() for one in issued.cert_chain_pems),
        "private_key": issued.private_key_pem.bytes().decode(),
    }


async def test_client_credentials_are_sealed_and_only_their_kind_is_shown(
    api: Api, admin: httpx.AsyncClient, tenant: UUID, owner: Connection
) -> None:
    answer = await admin.post("/integrations", json=new(config=oauth2()))
    body = answer.json()

    assert body["config_summary"]["auth_kind"] == "oauth2_client_credentials"
    row = await owner.fetchrow("SELECT sealed_config, integration::text AS it FROM integration")
    kept = await owner.fetchval("SELECT string_agg(audit::text, ' ') FROM audit")
    assert row is not None
    assert "canary" not in answer.text + row["it"] + kept
    place = {"tenant_id": tenant, "integration_id": UUID(body["id"])}
    opened = open_credentials(await api.sealer(tenant), row["sealed_config"], **place)
    assert opened.auth_kind is AuthKind.OAUTH2
    assert opened.grant is not None
    assert opened.grant.token_url == OAUTH2["token_url"]
    assert (opened.grant.client_id, opened.grant.client_secret) == (
        "client-canary",
        "secret-canary",
    )
    assert (opened.grant.scope, opened.grant.audience) == (
        "webhooks.write",
        "https://api.example.com",
    )
    assert opened.grant.is_in_body

    shown = (await admin.get(f"/integrations/{body['id']}/preview")).json()
    assert shown["headers"]["authorization"] == "Bearer [secret]"


REFUSED = {
    "no token url": (oauth2(token_url=...), "$.config.auth.token_url", "missing"),
    "no client": (oauth2(client_id=...), "$.config.auth.client_id", "missing"),
    "empty secret": (oauth2(client_secret=""), "$.config.auth.client_secret", "missing"),
    "plain http": (
        oauth2(token_url="http://login.example.com/"),
        "$.config.auth.token_url",
        "scheme_refused",
    ),
    "a forbidden address": (
        oauth2(token_url="https://169.254.169.254/token"),
        "$.config.auth.token_url",
        "address_refused",
    ),
    "a port": (
        oauth2(token_url="https://login.example.com:8443/"),
        "$.config.auth.token_url",
        "port_refused",
    ),
    "an unknown proof": (oauth2(client_proof="jwt"), "$.config.auth.client_proof", "not_allowed"),
    "a token beside it": (oauth2(token="x"), "$.config.auth.token", "not_allowed"),
    "a grant for basic": (
        config(
            auth={"kind": "basic", "username": "u", "password": "p", "token_url": "https://a.b/"}
        ),
        "$.config.auth.token_url",
        "not_allowed",
    ),
    "authorization beside it": (
        oauth2() | {"secret_headers": {"Authorization": "x"}},
        "$.config.secret_headers[…]",
        "reserved",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_credentials_that_do_not_fit_are_refused_by_name(
    case: str, admin: httpx.AsyncClient
) -> None:
    wrong, path, kind = REFUSED[case]

    answer = await admin.post("/integrations", json=new(config=wrong))

    assert answer.status_code == 422, answer.text
    assert (path, kind) in [(one["path"], one["kind"]) for one in answer.json()["errors"]]
    assert "secret-canary" not in answer.text


async def test_a_client_certificate_is_sealed_and_its_fingerprint_and_end_are_shown(
    api: Api, admin: httpx.AsyncClient, owner: Connection, tenant: UUID, pair: dict[str, str]
) -> None:
    body = await made(admin, config=config(client_certificate=pair))

    shown = body["config_summary"]["client_certificate"]
    assert len(bytes.fromhex(shown["fingerprint"])) == 32
    assert shown["expires_at"] > api.clock().isoformat()
    row = await owner.fetchrow("SELECT sealed_config, integration::text AS it FROM integration")
    assert row is not None
    assert "BEGIN" not in row["it"]
    place = {"tenant_id": tenant, "integration_id": UUID(body["id"])}
    opened = open_credentials(await api.sealer(tenant), row["sealed_config"], **place)
    assert opened.client_certificate is not None
    assert opened.client_certificate.certificate.startswith("-----BEGIN CERTIFICATE-----")

    path = f"/integrations/{body['id']}"
    without = (await admin.patch(path, json={"config": config()})).json()
    assert without["config_summary"]["client_certificate"] is None
    [entry, _] = (await admin.get("/audit")).json()["items"]
    assert entry["before"]["certificate_fingerprint"] == shown["fingerprint"]
    assert entry["after"]["certificate_fingerprint"] is None
    assert (await admin.delete(path)).status_code == 204


async def test_a_certificate_that_does_not_fit_is_refused_by_name(
    admin: httpx.AsyncClient, pair: dict[str, str]
) -> None:
    other = trustme.CA().issue_cert("other.example.com").private_key_pem.bytes().decode()
    wrong = config(client_certificate=pair | {"private_key": other}, webhook_url="ftp://x")

    answer = await admin.post("/integrations", json=new(config=wrong))

    assert [(one["path"], one["kind"]) for one in answer.json()["errors"]] == [
        ("$.config.webhook_url", "scheme_refused"),
        ("$.config.client_certificate.private_key", "mismatch"),
    ]
    assert "PRIVATE" not in answer.text
