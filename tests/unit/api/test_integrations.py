"""Integrations: what is accepted, what is shown, what is sealed."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from shared.contracts.payloads import TEST_MESSAGE
from shared.data.connection import Connection
from shared.domain.credentials import open_secret
from shared.domain.signing import public_key
from shared.jobs import listen
from tests.conftest import Servers
from tests.unit.api.conftest import Api

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
        "client_certificate": None,
        "has_secret": True,
        "verifying_key": None,
        "subject": None,
        "template": None,
        "ordered": False,
        "rate_per_second": None,
        "retry_schedule": None,
        "digest": "off",
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
    "rate": (new(config=config(rate_per_second=0)), "$.config.rate_per_second", "out_of_range"),
    "rate too high": (
        new(config=config(rate_per_second=1001)),
        "$.config.rate_per_second",
        "out_of_range",
    ),
    "wait": (
        new(config=config(retry_schedule=[5, 0])),
        "$.config.retry_schedule[1]",
        "out_of_range",
    ),
    "wait of a word": (
        new(config=config(retry_schedule=["5s"])),
        "$.config.retry_schedule[0]",
        "wrong_type",
    ),
    "too many waits": (
        new(config=config(retry_schedule=[1] * 16)),
        "$.config.retry_schedule",
        "out_of_range",
    ),
    "schedule too long": (
        new(config=config(retry_schedule=[86_400] * 6)),
        "$.config.retry_schedule",
        "out_of_range",
    ),
    "ordered": (new(config=config(ordered="yes")), "$.config.ordered", "wrong_type"),
    "authorization beside auth": (
        new(config=config(headers={"Authorization": "x"})),
        "$.config.headers[…]",
        "reserved",
    ),
}


async def test_what_does_not_fit_is_refused_by_name_and_nothing_is_stored(
    admin: httpx.AsyncClient, owner: Connection
) -> None:
    for case, (body, path, kind) in REFUSED.items():
        answer = await admin.post("/integrations", json=body)

        assert answer.status_code == 422, (case, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        told = [(one["path"], one["kind"]) for one in answer.json()["errors"]]
        assert (path, kind) in told, case

    assert await owner.fetchval("SELECT count(*) FROM integration") == 0
    refused = await owner.fetchval("SELECT count(*) FROM audit WHERE outcome = 'refused'")
    assert refused == len(REFUSED)


async def test_a_change_says_which_version_it_means(admin: httpx.AsyncClient) -> None:
    path = f"/integrations/{(await made(admin))['id']}"

    first = await admin.patch(path, json={"label": "One"}, headers={"if-match": '"1"'})
    stale = await admin.patch(path, json={"label": "Two"}, headers={"if-match": '"1"'})
    unread = await admin.patch(path, json={"label": "Two"}, headers={"if-match": "1"})
    either = await admin.patch(path, json={"label": "Three"}, headers={"if-match": '"1", "2"'})
    gone = await admin.delete(path, headers={"if-match": '"2"'})

    assert (first.status_code, first.headers["etag"], first.json()["version"]) == (200, '"2"', 2)
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert unread.status_code == 422
    assert either.headers["etag"] == '"3"'
    assert gone.status_code == 412
    assert (await admin.get(path)).headers["etag"] == '"3"'


async def test_a_change_that_changes_nothing_is_no_new_version(
    admin: httpx.AsyncClient, owner: Connection
) -> None:
    path = f"/integrations/{(await made(admin))['id']}"

    for body in ({}, {"label": "BI dashboard"}, {"is_enabled": True}):
        assert (await admin.patch(path, json=body)).json()["version"] == 1
    assert await owner.fetchval("SELECT count(*) FROM audit") == 1


async def test_changes_are_made_all_together_or_not_at_all(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient, owner: Connection
) -> None:
    one, two = await made(admin), await made(admin, integration_key="two")
    foreign = await made(stranger)
    good: dict[str, Any] = {"id": one["id"], "label": "Changed"}

    for bad, status in (
        ({"id": str(uuid4()), "label": "x"}, 404),
        ({"id": foreign["id"], "label": "x"}, 404),
        ({"id": two["id"], "version": 9, "label": "x"}, 412),
        ({"id": two["id"], "label": "jane@example.com"}, 422),
        ({"id": two["id"], "integration_key": "x"}, 422),
        ({"id": one["id"], "label": "x"}, 422),
    ):
        answer = await admin.patch("/integrations", json={"updates": [good, bad]})
        assert answer.status_code == status, answer.text
    assert await owner.fetchval("SELECT count(*) FROM integration WHERE label = 'Changed'") == 0
    assert (await admin.patch("/integrations", json={"updates": []})).status_code == 422

    answer = await admin.patch(
        "/integrations", json={"updates": [{"id": two["id"], "is_enabled": False}, good]}
    )
    changed = answer.json()["updated"]
    assert [one["id"] for one in changed] == [two["id"], one["id"]]
    assert (changed[0]["is_enabled"], changed[1]["label"]) == (False, "Changed")


async def test_the_audit_of_a_change_names_what_changed_and_redacts_secrets(
    admin: httpx.AsyncClient,
) -> None:
    path = f"/integrations/{(await made(admin))['id']}"
    changed = config(secret_headers={"x-token": "n3w-secret"}, webhook_url=f"{URL}2")
    await admin.patch(path, json={"label": "New", "config": changed})

    entry = (await admin.get("/audit")).json()["items"][0]

    assert entry["action"] == "integration.update"
    assert entry["before"] == {"label": "BI dashboard", "secret_header_names": ["x-api-key"]}
    assert entry["after"] == {
        "label": "New",
        "secret_header_names": ["x-token"],
        "config": "[redacted]",
    }


async def test_a_strangers_integration_is_not_there(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    integration_id = (await made(admin))["id"]
    path = f"/integrations/{integration_id}"

    answers = [
        await stranger.get(path),
        await stranger.patch(path, json={"label": "x"}),
        await stranger.delete(path),
        await stranger.post(f"{path}/rotate-secret"),
        await stranger.post("/integrations/test", params={"integrationId": integration_id}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert (await stranger.get("/integrations")).json()["items"] == []
    assert (await admin.get(path)).json()["version"] == 1


async def test_a_rotated_secret_is_new_and_the_old_one_signs_for_a_while(
    api: Api, admin: httpx.AsyncClient, tenant: UUID, owner: Connection
) -> None:
    before = await made(admin)
    path = f"/integrations/{before['id']}/rotate-secret"

    body = (await admin.post(path)).json()

    assert body["signing_secret"].startswith("whsec_")
    assert body["signing_secret"] != before["signing_secret"]
    assert body["version"] == 2
    until = datetime.fromisoformat(body["previous_secret_until"])
    assert until == api.clock() + timedelta(hours=24)
    row = await owner.fetchrow("SELECT sealed_secret, sealed_previous_secret FROM integration")
    assert row is not None
    sealer = await api.sealer(tenant)
    opened = [
        open_secret(sealer, sealed, tenant_id=tenant, integration_id=UUID(before["id"]))
        for sealed in row
    ]
    assert opened == [body["signing_secret"], before["signing_secret"]]

    at_once = (await admin.post(path, json={"overlap_hours": 0})).json()
    assert at_once["previous_secret_until"] is None
    assert await owner.fetchval("SELECT sealed_previous_secret FROM integration") is None
    for wrong in ({"overlap_hours": 169}, {"overlap_hours": -1}, {"hours": 1}):
        assert (await admin.post(path, json=wrong)).status_code == 422


async def test_v1a_shows_the_key_that_verifies_and_keeps_the_one_that_signs(
    api: Api, admin: httpx.AsyncClient, tenant: UUID, owner: Connection
) -> None:
    body = await made(admin, config=config(signature="v1a"))

    assert body["signing_secret"] is None
    verifying_key = body["config_summary"]["verifying_key"]
    sealed = await owner.fetchval("SELECT sealed_secret FROM integration")
    sealer = await api.sealer(tenant)
    seed = open_secret(sealer, sealed, tenant_id=tenant, integration_id=UUID(body["id"]))
    assert seed.startswith("whsk_")
    assert verifying_key == public_key(seed)

    changed = await admin.patch(f"/integrations/{body['id']}", json={"config": config()})
    assert changed.json()["signing_secret"].startswith("whsec_")
    assert changed.json()["config_summary"]["verifying_key"] is None


async def test_a_test_event_is_queued_for_each_enabled_integration(
    admin: httpx.AsyncClient, owner: Connection
) -> None:
    one = await made(admin)
    off = await made(admin, integration_key="off", is_enabled=False)

    everyone = (await admin.post("/integrations/test")).json()
    named = await admin.post("/integrations/test", params={"integrationId": one["id"]})
    disabled = await admin.post("/integrations/test", params={"integrationId": off["id"]})
    unknown = await admin.post("/integrations/test", params={"integrationId": str(uuid4())})

    assert everyone["test_events_created"] == 1
    assert everyone["integrations"][0]["integration_key"] == "bi_dashboard"
    assert [named.status_code, disabled.status_code, unknown.status_code] == [200, 409, 404]
    assert await owner.fetchval("SELECT count(*) FROM delivery_due") == 2
    delivery_id = named.json()["integrations"][0]["delivery_id"]
    payload = (await admin.get(f"/deliveries/{delivery_id}")).json()["event"]["payload"]
    assert (payload["type"], payload["scope"]) == ("test", None)
    assert set(payload) == {"type", "timestamp", "scope", "schema_version", "data"}
    assert json.loads(json.dumps(payload["data"])) == {"message": TEST_MESSAGE}


async def test_sql_and_markup_are_data(admin: httpx.AsyncClient) -> None:
    for number, text in enumerate(("'); DROP TABLE tenant; --", "[/nope]", "<b>&amp;</b>", "日本")):
        body = await made(admin, integration_key=f"k{number}", label=text, description=text)
        again = (await admin.get(f"/integrations/{body['id']}")).json()
        assert (again["label"], again["description"]) == (text, text)


async def test_two_changes_at_once_are_made_one_after_the_other(admin: httpx.AsyncClient) -> None:
    one, two = await made(admin), await made(admin, integration_key="two")
    updates = [{"id": one["id"], "label": "x"}, {"id": two["id"], "label": "y"}]

    answers = await asyncio.gather(
        *(
            admin.patch("/integrations", json={"updates": updates[:: 1 if even else -1]})
            for even in (True, False) * 4
        )
    )

    assert {answer.status_code for answer in answers} == {200}


async def test_a_test_event_wakes_the_workers(
    api: Api, admin: httpx.AsyncClient, servers: Servers
) -> None:
    integration_id = UUID((await made(admin))["id"])
    heard = listen(servers.redis_url)
    assert await anext(heard) == [], "it listens"

    await admin.post("/integrations/test")

    async with asyncio.timeout(5):
        while integration_id not in await anext(heard):
            pass
    await heard.aclose()


async def test_order_rate_and_schedule_are_kept_shown_and_audited(
    admin: httpx.AsyncClient, owner: Connection
) -> None:
    wanted = {"ordered": True, "rate_per_second": 2.5, "retry_schedule": [5, 60, 86_400]}
    body = await made(admin, config=config(**wanted))
    shown = (await admin.get(f"/integrations/{body['id']}")).json()["config_summary"]
    assert {name: shown[name] for name in wanted} == wanted

    answer = await admin.patch(
        f"/integrations/{body['id']}", json={"config": config(retry_schedule=[])}
    )

    changed = answer.json()["config_summary"]
    assert (changed["ordered"], changed["rate_per_second"]) == (False, None)
    assert changed["retry_schedule"] == []
    before = await owner.fetchval("SELECT before FROM audit WHERE action = 'integration.update'")
    assert {name: json.loads(before)[name] for name in wanted} == wanted


async def test_enabling_again_offers_to_send_what_was_missed(
    api: Api, admin: httpx.AsyncClient, ingest: httpx.AsyncClient
) -> None:
    path = f"/integrations/{(await made(admin, scopes=['lifecycle']))['id']}"
    api.clock.advance(timedelta(seconds=1))
    off = (await admin.patch(path, json={"is_enabled": False})).json()
    assert off["disabled_at"] is not None
    assert off["catch_up"] is None
    api.clock.advance(timedelta(seconds=1))
    for _ in range(2):
        run = {
            "run_at": api.clock().isoformat(),
            "total_compacted": 1,
            "total_deleted": 1,
            "operations_successful": 1,
            "operations_failed": 0,
        }
        assert (await ingest.post("/observations/lifecycle-runs", json=run)).status_code == 202
        api.clock.advance(timedelta(seconds=1))

    on = (await admin.patch(path, json={"is_enabled": True})).json()

    assert on["disabled_at"] is None
    assert (on["catch_up"]["since"], on["catch_up"]["missed"]) == (off["disabled_at"], 2)
    replay = await admin.post("/replays", json=on["catch_up"]["replay"])
    assert (replay.status_code, replay.json()["count"]) == (202, 2)
    again = (await admin.patch(path, json={"is_enabled": True})).json()
    assert again["catch_up"] is None


async def test_enabling_again_offers_nothing_where_nothing_was_missed(
    api: Api, admin: httpx.AsyncClient
) -> None:
    path = f"/integrations/{(await made(admin))['id']}"
    await admin.patch(path, json={"is_enabled": False})
    api.clock.advance(timedelta(days=1))

    assert (await admin.patch(path, json={"is_enabled": True})).json()["catch_up"] is None


async def test_a_run_of_failures_is_shown_until_the_integration_is_enabled_again(
    api: Api, admin: httpx.AsyncClient, owner: Connection
) -> None:
    body = await made(admin)
    path = f"/integrations/{body['id']}"
    await owner.execute(
        """
        INSERT INTO integration_pulse SELECT tenant_id, id, 7, $1, NULL, counted_from
        FROM integration
        """,
        api.clock(),
    )

    stats = (await admin.get(path)).json()["webhook_stats"]
    assert (stats["consecutive_failures"], stats["failing_since"]) == (
        7,
        api.clock().isoformat().replace("+00:00", "Z"),
    )
    await admin.patch(path, json={"is_enabled": False})
    api.clock.advance(timedelta(seconds=1))
    stats = (await admin.patch(path, json={"is_enabled": True})).json()["webhook_stats"]
    assert (stats["consecutive_failures"], stats["failing_since"]) == (0, None)
