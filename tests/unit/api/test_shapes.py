"""The shapes of events as a tenant asks for them: what is refused when saved, and the preview."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from shared.contracts.words import EventType, PayloadFormat, ReadyTemplate
from shared.data.connection import Connection
from shared.domain.signing import verify
from tests.unit.api.test_integrations import config, made, new

OWN = {"bodies": {"default": {"what": "$type", "about": "$subject"}}}


def shaped(payload_format: str, **changes: Any) -> dict[str, Any]:
    return config(format=payload_format, **changes)


async def refused(admin: httpx.AsyncClient, **changes: Any) -> list[tuple[str, str]]:
    answer = await admin.post("/integrations", json=new(**changes))
    assert answer.status_code == 422, answer.text
    return [(one["path"], one["kind"]) for one in answer.json()["errors"]]


async def test_a_subject_is_made_kept_and_forgotten_as_it_is_asked_for(
    admin: httpx.AsyncClient, owner: Connection
) -> None:
    first = await made(admin, config=shaped("flat", subject=True))
    other = await made(admin, integration_key="other", config=shaped("flat", subject=True))
    path = f"/integrations/{first['id']}"

    async def subject_after(**changes: Any) -> str | None:
        answer = await admin.patch(path, json={"config": shaped(**changes)})
        return answer.json()["config_summary"]["subject"]

    subject = first["config_summary"]["subject"]
    assert UUID(subject).version == 4
    assert subject != other["config_summary"]["subject"]
    assert await subject_after(payload_format="cloudevents", subject=True) == subject
    assert await subject_after(payload_format="segment") == subject
    assert await subject_after(payload_format="flat") is None
    assert await subject_after(payload_format="flat", subject=True) != subject
    assert str(await owner.fetchval("SELECT tenant_id FROM integration LIMIT 1")) != subject


async def test_a_template_is_shown_as_it_was_given_and_audited(
    admin: httpx.AsyncClient,
) -> None:
    body = await made(admin, config=shaped("template", template=OWN, subject=True))

    assert body["config_summary"]["template"]["bodies"] == OWN["bodies"]
    [act] = (await admin.get("/audit")).json()["items"]
    assert act["after"]["template"]["bodies"] == OWN["bodies"]


REFUSED = {
    "no template": (shaped("template"), "$.config.template", "missing"),
    "template without its format": (
        shaped("flat", template=OWN),
        "$.config.template",
        "not_allowed",
    ),
    "unknown path": (
        shaped("template", template={"bodies": {"default": {"a": "$data.overall_score"}}}),
        "$.config.template.bodies.default.a",
        "unknown_path",
    ),
    "subject not asked for": (
        shaped("template", template=OWN),
        "$.config.template.bodies.default.about",
        "unknown_path",
    ),
    "personal constant": (
        shaped("template", template={"bodies": {"default": {"a": "jane@example.com"}}}),
        "$.config.template.bodies.default.a",
        "personal_data",
    ),
    "unknown field": (
        shaped("template", template={"body": {}}),
        "$.config.template.body",
        "unknown_field",
    ),
    "unknown format": (shaped("xml"), "$.config.format", "not_allowed"),
    "connector": (
        shaped("teams", webhook_url="https://acme.webhook.office.com/webhookb2/x"),
        "$.config.webhook_url",
        "address_refused",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_could_not_be_sent_is_refused_when_it_is_saved(
    name: str, admin: httpx.AsyncClient
) -> None:
    given, path, kind = REFUSED[name]

    assert await refused(admin, config=given) == [(path, kind)]


async def test_other_scopes_need_a_template_that_serves_them(admin: httpx.AsyncClient) -> None:
    bodies = {"readiness_updated": {"score": "$data.overall_score"}, "test": {}}
    body = await made(
        admin,
        scopes=["readiness"],
        config=shaped("template", template={"bodies": bodies}),
    )

    answer = await admin.patch(f"/integrations/{body['id']}", json={"scopes": ["adoption"]})

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["path"], error["kind"]) == (422, "$.scopes", "missing")
    assert "adoption_scores_computed" in error["message"]


async def test_a_deleted_integration_keeps_nothing_of_its_template(
    admin: httpx.AsyncClient, owner: Connection
) -> None:
    body = await made(admin, config=shaped("template", template=OWN, subject=True))

    assert (await admin.delete(f"/integrations/{body['id']}")).status_code == 204
    row = await owner.fetchrow("SELECT subject, template FROM integration")
    assert row is not None
    assert (row["subject"], row["template"]) == (None, None)


async def test_basic_auth_may_have_an_empty_password(admin: httpx.AsyncClient) -> None:
    auth = {"kind": "basic", "username": "write-key", "password": ""}

    await made(admin, config=shaped("segment", auth=auth))
    missing = {"kind": "basic", "username": "write-key"}
    assert await refused(admin, config=shaped("segment", auth=missing)) == [
        ("$.config.auth.password", "missing")
    ]


@pytest.mark.parametrize("event_type", EventType)
async def test_a_preview_shows_the_bytes_and_headers_that_would_be_sent(
    event_type: EventType, admin: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    body = await made(admin, config=shaped("cloudevents", secret_headers={"x-api-key": "s3cret"}))

    path = f"/integrations/{body['id']}/preview"
    answer = await reader.get(path, params={"event_type": str(event_type)})
    shown = answer.json()

    assert answer.status_code == 200, answer.text
    assert shown["headers"]["content-type"] == "application/cloudevents+json"
    assert shown["headers"]["x-env"] == "prod"
    assert shown["headers"]["x-api-key"] == "[secret]"
    assert shown["headers"]["authorization"] == "Bearer [secret]"
    assert shown["headers"]["user-agent"].startswith("Guardian-Webhooks/")
    assert shown["body_bytes"] == len(shown["body"].encode())
    assert json.loads(shown["body"])["type"] == f"guardian.{event_type}"
    assert "s3cret" not in answer.text
    Webhook(shown["dummy_secret"]).verify(shown["body"], shown["headers"])


async def test_a_preview_of_an_asymmetric_signature_verifies_with_the_key_it_shows(
    admin: httpx.AsyncClient,
) -> None:
    body = await made(admin, config=shaped("standard", signature="v1a"))

    shown = (await admin.get(f"/integrations/{body['id']}/preview")).json()

    assert shown["dummy_secret"].startswith("whpk_")
    verify(
        shown["dummy_secret"],
        message_id=shown["headers"]["webhook-id"],
        timestamp=shown["headers"]["webhook-timestamp"],
        signature=shown["headers"]["webhook-signature"],
        body=shown["body"].encode(),
        now=datetime.now(UTC),
    )


@pytest.mark.parametrize("payload_format", PayloadFormat)
async def test_every_format_can_be_previewed(
    payload_format: PayloadFormat, admin: httpx.AsyncClient
) -> None:
    changes: dict[str, Any] = {}
    if payload_format is PayloadFormat.TEMPLATE:
        changes["template"] = {"ready": ReadyTemplate.VITALLY, "account": "acme-1"}
    body = await made(admin, config=shaped(payload_format, **changes))

    shown = (await admin.get(f"/integrations/{body['id']}/preview")).json()

    is_chat = payload_format in {PayloadFormat.SLACK, PayloadFormat.TEAMS}
    assert ("webhook-signature" in shown["headers"]) is not is_chat
    assert (shown["dummy_secret"] is None) is is_chat
    assert json.loads(shown["body"])


async def test_only_ones_own_integrations_can_be_previewed(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient, ingest: httpx.AsyncClient
) -> None:
    path = f"/integrations/{(await made(admin))['id']}/preview"

    assert (await stranger.get(path)).status_code == 404
    assert (await ingest.get(path)).status_code == 403
    assert (await admin.get(f"/integrations/{uuid4()}/preview")).status_code == 404
    assert (await admin.get(path, params={"event_type": "nonsense"})).status_code == 422


async def test_a_chat_asks_for_a_digest_and_a_machine_is_refused_one(
    admin: httpx.AsyncClient, owner: Connection
) -> None:
    body = await made(admin, config=shaped("slack", digest="weekly"))
    path = f"/integrations/{body['id']}"
    assert body["config_summary"]["digest"] == "weekly"
    since = await owner.fetchval("SELECT digest_since FROM integration")

    changed = await admin.patch(path, json={"config": shaped("teams", digest="weekly_only")})

    assert changed.json()["config_summary"]["digest"] == "weekly_only"
    assert await owner.fetchval("SELECT digest_since FROM integration") == since
    assert await refused(admin, integration_key="b", config=shaped("flat", digest="weekly")) == [
        ("$.config.digest", "not_allowed")
    ]
    shown = await admin.get(f"{path}/preview", params={"event_type": "weekly_digest"})
    assert "Nothing has been observed" in shown.json()["body"]
    off = await admin.patch(path, json={"config": shaped("standard")})
    assert off.json()["config_summary"]["digest"] == "off"
    assert await owner.fetchval("SELECT digest_since FROM integration") is None
    none = await admin.get(f"{path}/preview", params={"event_type": "weekly_digest"})
    assert none.status_code == 422
    assert none.json()["errors"][0]["path"] == "event_type"
