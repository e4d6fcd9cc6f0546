"""Signing secrets are rotated while messages pour in, and no receiver is left without proof."""

import asyncio
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from standardwebhooks import Webhook, WebhookVerificationError

from shared.contracts.words import Role
from tests.journeys.conftest import System
from tests.receiver import Received, Receiver

PRODUCERS = 3
BEFORE = 100
AFTER = 200
SWITCH = timedelta(seconds=1)
"""How long after the answer the first receiver may know the new secret alone."""
READINESS = {
    "computed_at": "2026-11-01T06:00:00Z",
    "overall_score": 72,
    "capabilities": [{"key": "guardian.core.rules", "score": 70}],
}


async def test_through_a_rotation_the_old_and_the_new_secret_alone_verify_every_message(
    system: System, figure: Callable[[str], None]
) -> None:
    async with Receiver() as shared, Receiver() as asymmetric, system.speak() as admin:
        made = {
            "v1": await system.connect(shared.url, key="shared"),
            "v1a": await system.connect(asymmetric.url, key="asymmetric", signature="v1a"),
        }
        receivers = {"v1": shared, "v1a": asymmetric}
        rotated: dict[str, httpx.Response] = {}
        answered: dict[str, datetime] = {}
        system.start("worker")
        pouring = asyncio.gather(*(_pour(system) for _ in range(PRODUCERS)))
        try:
            for receiver in receivers.values():
                await receiver.wait_for(BEFORE, deadline_s=60)
            for scheme, one in made.items():
                rotated[scheme] = await admin.post(f"/integrations/{one['id']}/rotate-secret")
                answered[scheme] = datetime.now(UTC)
            for scheme, receiver in receivers.items():
                is_enough = _has_enough(receiver, since=answered[scheme] + SWITCH)
                await receiver.wait_until(is_enough, deadline_s=60)
        finally:
            pouring.cancel()
            await asyncio.gather(pouring, return_exceptions=True)

    for scheme, receiver in receivers.items():
        old, new = _proof(made[scheme]), _proof(rotated[scheme].json())
        assert old != new
        got = list(receiver.received)
        unproven = [one for one in got if not _verifies(one, old)]
        assert unproven == [], "a receiver that knows the old secret alone"
        unproven = [one for one in got if not _verifies(one, new)]
        late = [one for one in unproven if one.at >= answered[scheme] + SWITCH]
        assert late == [], "a receiver that knows the new secret alone"
        last = max(one.at for one in unproven) - answered[scheme]
        last_ms = round(last.total_seconds() * 1000)
        figure(
            f"rotation of {scheme} under load: {len(got)} messages, each verifies with the old "
            f"secret; the last that did not with the new came {last_ms:+d} ms from the answer "
            "that shows it"
        )


def _has_enough(receiver: Receiver, *, since: datetime) -> Callable[[], bool]:
    return lambda: sum(one.at >= since for one in receiver.received) >= AFTER


async def _pour(system: System) -> None:
    """Tell one observation after the other until cancelled."""
    async with system.speak(Role.INGEST) as client:
        while True:
            answer = await client.post("/observations/readiness", json=READINESS)
            if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                await asyncio.sleep(float(answer.headers["retry-after"]))
                continue
            assert answer.status_code == 202, answer.text


def _proof(told: dict[str, Any]) -> str:
    """What the receiver of a new or rotated integration is given."""
    summary: dict[str, Any] = told.get("config_summary", told)
    return told["signing_secret"] or summary["verifying_key"]


def _verifies(request: Received, proof: str) -> bool:
    """Whether somebody else's library finds a signature that this proof stands for."""
    if proof.startswith("whpk_"):
        return _verifies_with_sodium(request, proof)
    try:
        Webhook(proof).verify(request.body.decode(), request.headers)
    except WebhookVerificationError:
        return False
    return True


def _verifies_with_sodium(request: Received, proof: str) -> bool:
    key = VerifyKey(b64decode(proof.removeprefix("whpk_")))
    signed = f"{request.webhook_id}.{request.headers['webhook-timestamp']}.".encode() + request.body
    for one in request.headers["webhook-signature"].split():
        version, _, value = one.partition(",")
        if version != "v1a":
            continue
        try:
            key.verify(signed, b64decode(value))
        except BadSignatureError:
            continue
        return True
    return False
