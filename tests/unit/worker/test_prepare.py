"""The request that travels is the request that was signed."""

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.contracts.words import EventType, PayloadFormat
from shared.domain.formats.rendering import render, shape_of
from shared.domain.mappers import envelope
from shared.domain.signing import new_secret, new_secret_key, public_key, verify
from tests.unit.domain.example_events import EXAMPLES, INSTANT
from worker.delivery.prepare import (
    Destination,
    Due,
    Endpoint,
    UnsentReason,
    prepare,
    unsent_reason,
)


@pytest.fixture
def now() -> datetime:
    """The present of the test: the verifying library looks at the real clock."""
    return datetime.now(UTC)


URL = "https://bi.example.com/hook"
SECRET = new_secret(os.urandom(32))
OLD_SECRET = new_secret(os.urandom(32))
DUE = Due(
    integration_id=UUID(int=1),
    id=UUID(int=2),
    tenant_id=UUID(int=3),
    event_id=UUID(int=4),
    attempt_count=0,
    is_retry=False,
    replay_of=None,
    event_type="readiness_updated",
    scope="readiness",
    body=b'{"type": "readiness_updated"}',
)


def _destination(*, is_deleted: bool = False, scopes: frozenset[str] = frozenset()) -> Destination:
    return Destination(
        integration_id=DUE.integration_id,
        version=1,
        is_enabled=not is_deleted,
        is_deleted=is_deleted,
        scopes=scopes,
        endpoint=None,
    )


def test_the_body_is_sent_as_it_was_stored_under_a_signature_that_verifies(now: datetime) -> None:
    request = prepare(DUE, Endpoint(URL, (("x-env", "prod"),), SECRET), now=now)

    assert request.url == URL
    assert request.body is DUE.body
    headers = dict(request.headers)
    assert headers["x-env"] == "prod"
    assert headers["webhook-id"] == str(DUE.event_id)
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    Webhook(SECRET).verify(request.body.decode(), headers)


@pytest.mark.parametrize(
    ("until", "is_signed"),
    [(timedelta(seconds=1), True), (timedelta(), False), (None, False)],
)
def test_the_previous_secret_signs_until_its_time_is_over(
    now: datetime, until: timedelta | None, *, is_signed: bool
) -> None:
    endpoint = Endpoint(
        URL,
        (),
        SECRET,
        previous_secret=OLD_SECRET,
        previous_secret_until=None if until is None else now + until,
    )

    request = prepare(DUE, endpoint, now=now)

    headers = dict(request.headers)
    Webhook(SECRET).verify(request.body.decode(), headers)
    if is_signed:
        Webhook(OLD_SECRET).verify(request.body.decode(), headers)
    else:
        with pytest.raises(WebhookVerificationError):
            Webhook(OLD_SECRET).verify(request.body.decode(), headers)


def test_an_asymmetric_key_signs_so_that_its_public_half_verifies(now: datetime) -> None:
    key = new_secret_key(os.urandom(32))

    headers = dict(prepare(DUE, Endpoint(URL, (), key), now=now).headers)

    verify(
        public_key(key),
        message_id=headers["webhook-id"],
        timestamp=headers["webhook-timestamp"],
        signature=headers["webhook-signature"],
        body=DUE.body,
        now=now,
    )


def test_what_is_wanted_is_judged_when_it_is_sent() -> None:
    wanted = _destination(scopes=frozenset({"readiness"}))
    narrowed = _destination(scopes=frozenset({"adoption"}))

    assert unsent_reason(DUE, wanted) is None
    assert unsent_reason(DUE, narrowed) is UnsentReason.OUT_OF_SCOPE
    assert unsent_reason(DUE, _destination(is_deleted=True)) is UnsentReason.INTEGRATION_DELETED


@pytest.mark.parametrize("payload_format", [PayloadFormat.CLOUDEVENTS, PayloadFormat.FLAT])
def test_what_is_signed_is_what_the_format_made_of_it(
    now: datetime, payload_format: PayloadFormat
) -> None:
    shape = shape_of(payload_format)

    request = prepare(EVENT, Endpoint(URL, (), SECRET, shape=shape), now=now)

    assert request.body == render(shape, EVENT.event_id, EVENT.body)
    Webhook(SECRET).verify(request.body.decode(), dict(request.headers))


@pytest.mark.parametrize("payload_format", [PayloadFormat.SLACK, PayloadFormat.TEAMS])
def test_a_chat_gets_neither_a_signature_nor_an_id(
    now: datetime, payload_format: PayloadFormat
) -> None:
    shape = shape_of(payload_format)

    request = prepare(EVENT, Endpoint(URL, (("x-env", "prod"),), SECRET, shape=shape), now=now)

    assert request.headers == (("x-env", "prod"),)
    assert request.rule == shape.rule


EVENT = msgspec.structs.replace(
    DUE,
    body=envelope(EventType.READINESS_UPDATED, INSTANT, EXAMPLES[EventType.READINESS_UPDATED]),
)
