"""Each format reaches a receiver that reads nothing else, and what it answers is understood."""

import json
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from shared.contracts.words import PayloadFormat, Role
from tests.journeys.conftest import System, eventually
from tests.receiver import Answer, Received, Receiver

READINESS = {
    "computed_at": "2026-11-01T06:00:00Z",
    "overall_score": 72,
    "capabilities": [{"key": "guardian.core.rules", "score": 70}],
}
CONFIGS: dict[PayloadFormat, dict[str, Any]] = {
    PayloadFormat.STANDARD: {},
    PayloadFormat.CLOUDEVENTS: {"subject": True},
    PayloadFormat.FLAT: {"subject": True},
    PayloadFormat.SLACK: {},
    PayloadFormat.TEAMS: {},
    PayloadFormat.SEGMENT: {"auth": {"kind": "basic", "username": "write-key", "password": ""}},
    PayloadFormat.TEMPLATE: {"template": {"ready": "gainsight", "account": "acme-1"}},
}
ANSWERS = {
    PayloadFormat.SLACK: Answer(200, body=b"ok"),
    PayloadFormat.TEAMS: Answer(202),
    PayloadFormat.TEMPLATE: Answer(200, body=b'{"result":true,"errorCode":null}'),
}


async def test_one_observation_reaches_every_receiver_in_its_own_format(system: System) -> None:
    made: dict[PayloadFormat, dict[str, Any]] = {}
    receivers: dict[PayloadFormat, Receiver] = {}
    async with AsyncExitStack() as stack:
        for one, config in CONFIGS.items():
            receiver = Receiver(otherwise=ANSWERS.get(one, 200))
            receivers[one] = await stack.enter_async_context(receiver)
            made[one] = await system.connect(receiver.url, key=str(one), format=one, **config)
        system.start("worker")
        event_id = await _observe(system)
        for receiver in receivers.values():
            await receiver.wait_for(1, deadline_s=30)
        async with system.speak() as client:
            await _all_delivered(client, len(CONFIGS))
    got = {one: receiver.received[0] for one, receiver in receivers.items()}
    told = {one: json.loads(request.body) for one, request in got.items()}
    subjects = {one: made[one]["config_summary"]["subject"] for one in CONFIGS}

    assert told[PayloadFormat.STANDARD]["data"]["overall_score"] == 72
    assert told[PayloadFormat.FLAT]["capability_guardian_core_rules_score"] == 70
    assert told[PayloadFormat.FLAT]["subject"] == subjects[PayloadFormat.FLAT]
    assert told[PayloadFormat.SLACK]["text"].startswith("Readiness 72, mature")
    [card] = told[PayloadFormat.TEAMS]["attachments"]
    assert card["content"]["fallbackText"] == "Readiness 72, mature"
    group, track = told[PayloadFormat.SEGMENT]["batch"]
    assert group["groupId"] == subjects[PayloadFormat.SEGMENT]
    assert track["messageId"] == event_id
    [record] = told[PayloadFormat.TEMPLATE]["records"]
    assert record["guardian_readiness_score__gc"] == 72

    request = got[PayloadFormat.CLOUDEVENTS]
    event = from_http_event(HTTPMessage(request.headers, request.body))
    assert event.get_id() == event_id
    assert event.get_subject() == subjects[PayloadFormat.CLOUDEVENTS]

    for one, request in got.items():
        _check_signature(one, request, made[one]["signing_secret"])
        sent = str(request.headers) + request.body.decode()
        assert str(system.tenant_id) not in sent
    given = [subject for subject in subjects.values() if subject is not None]
    assert len(set(given)) == 3


@pytest.mark.parametrize(
    ("payload_format", "body"),
    [
        (PayloadFormat.SLACK, b"invalid_blocks"),
        (PayloadFormat.TEMPLATE, b'{"result":false,"errorCode":"GSOBJ_1002"}'),
    ],
)
async def test_a_200_that_says_no_is_no_delivery(
    payload_format: PayloadFormat, body: bytes, system: System
) -> None:
    async with Receiver(otherwise=Answer(200, body=body)) as receiver, system.speak() as client:
        await system.connect(receiver.url, format=payload_format, **CONFIGS[payload_format])
        system.start("worker")
        await _observe(system)
        await receiver.wait_for(1, deadline_s=30)

        async def is_failed() -> bool:
            [delivery] = (await client.get("/deliveries")).json()["items"]
            return delivery["status"] == "failed"

        await eventually(is_failed, "the delivery has failed")
        [delivery] = (await client.get("/deliveries")).json()["items"]
        detail = (await client.get(f"/deliveries/{delivery['id']}")).json()

    [attempt, *_] = detail["attempts"]
    assert attempt["status_code"] == 200
    assert attempt["error_class"] == "not_accepted"


async def test_what_the_preview_shows_is_what_arrives(system: System) -> None:
    async with Receiver() as receiver, system.speak() as client:
        integration = await system.connect(receiver.url, format="flat")
        preview = (await client.get(f"/integrations/{integration['id']}/preview")).json()
        system.start("worker")
        assert (await client.post("/integrations/test")).status_code == 200
        [request, *_] = await receiver.wait_for(1, deadline_s=30)

    shown, arrived = json.loads(preview["body"]), json.loads(request.body)
    assert shown | {"id": "", "timestamp": ""} == arrived | {"id": "", "timestamp": ""}
    assert preview["body_bytes"] == len(request.body)
    ours = {name: value for name, value in preview["headers"].items() if "webhook" not in name}
    assert ours.items() <= request.headers.items()
    assert preview["headers"].keys() <= request.headers.keys()


async def _observe(system: System) -> str:
    async with system.speak(Role.INGEST) as client:
        answer = await client.post("/observations/readiness", json=READINESS)
    assert answer.status_code == 202, answer.text
    [event_id] = answer.json()["event_ids"]
    return event_id


async def _all_delivered(client: httpx.AsyncClient, count: int) -> None:
    async def is_so() -> bool:
        items = (await client.get("/deliveries")).json()["items"]
        return [one["status"] for one in items] == ["delivered"] * count

    await eventually(is_so, "every receiver's answer counts as delivered")


def _check_signature(payload_format: PayloadFormat, request: Received, secret: str) -> None:
    if payload_format in {PayloadFormat.SLACK, PayloadFormat.TEAMS}:
        assert not [name for name in request.headers if name.startswith("webhook-")]
    else:
        Webhook(secret).verify(request.body, request.headers)
