"""From a due row to the request that travels; pure, so the bytes sent are the bytes signed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from shared.contracts.words import WEEKLY_DIGEST
from shared.domain.credentials import ClientCertificate
from shared.domain.formats.answers import ANY_SUCCESS, AcceptanceRule
from shared.domain.formats.rendering import STANDARD, Shape, render, render_digest
from shared.domain.oauth2 import Grant
from shared.domain.signing import sign

EVER = datetime.min.replace(tzinfo=UTC)


class UnsentReason(StrEnum):
    """Why a delivery was given up without a POST."""

    INTEGRATION_DELETED = "integration_deleted"
    OUT_OF_SCOPE = "out_of_scope"
    PII_GUARD = "pii_guard"  # the payload was withheld when the event was made
    EXPIRED = "expired"  # its turn never came, for the receiver has not answered for days


class Due(msgspec.Struct, frozen=True, gc=False):
    """One delivery that is due, as it was claimed.

    Attributes:
        attempt_count: attempts made so far; settling is refused when it has changed meanwhile.
        is_retry: whether it waited for its `next_attempt_at`.
        scope: of the event; None for a test event, which every integration gets.
        body: in the standard format, encoded when the event was made.
        traceparent: in which trace the event was made; None where nothing was traced.
    """

    integration_id: UUID
    id: UUID
    tenant_id: UUID
    event_id: UUID
    attempt_count: int
    is_retry: bool
    replay_of: UUID | None
    event_type: str
    scope: str | None
    body: bytes
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is needed to reach the receiver of an integration, its secrets opened.

    Attributes:
        headers: those that are the same for every request, see `requests.fixed_headers`.
        secret: the live signing secret.
        shape: in what format it wants its events, and what it answers when it has accepted.
        previous_secret: signs too until `previous_secret_until`.
        grant: what a token is asked for with, where the receiver wants one.
        client_certificate: shown to a receiver that asks for one.
        hidden: what must not be kept of an answer that repeats it.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    secret: str
    previous_secret: str | None = None
    previous_secret_until: datetime | None = None
    shape: Shape = STANDARD
    grant: Grant | None = None
    client_certificate: ClientCertificate | None = None
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """An integration as it stood at `version`.

    Attributes:
        endpoint: None for a deleted one, or where the secrets do not open.
        counted_from: when it was made, enabled, or given another config, whatever was last.
        is_ordered: whether one delivery after the other goes, the oldest first.
        rate_per_second: how fast they may go; None for as fast as it answers.
        schedule: the waits between the attempts of one delivery; None for the usual ones.
    """

    integration_id: UUID
    version: int
    is_enabled: bool
    is_deleted: bool
    scopes: frozenset[str]
    endpoint: Endpoint | None
    counted_from: datetime = EVER
    is_ordered: bool = False
    rate_per_second: float | None = None
    schedule: tuple[timedelta, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it will travel.

    Attributes:
        url: normalised, as `addresses.Target.url` gives it.
        headers: all that are ours, `user-agent` and the signature included; `host` and
            `content-length` are added on the way.
        body: the signed bytes.
        rule: which answers count.
        grant: what the token is asked for with that the request has still to be given.
        client_certificate: shown to a receiver that asks for one.
        hidden: what must not be kept of an answer that repeats it.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    rule: AcceptanceRule = ANY_SUCCESS
    grant: Grant | None = None
    client_certificate: ClientCertificate | None = None
    hidden: tuple[str, ...] = ()


def unsent_reason(due: Due, destination: Destination) -> UnsentReason | None:
    """Say why `due` must not be sent any more, judged at the moment of sending."""
    if destination.is_deleted:
        return UnsentReason.INTEGRATION_DELETED
    if not due.body:
        return UnsentReason.PII_GUARD
    is_digest_of_a_machine = (
        due.event_type == WEEKLY_DIGEST
        and destination.endpoint is not None
        and not destination.endpoint.shape.is_chat
    )
    if is_digest_of_a_machine:
        return UnsentReason.OUT_OF_SCOPE
    if due.scope is not None and due.scope not in destination.scopes:
        return UnsentReason.OUT_OF_SCOPE
    return None


def prepare(
    due: Due, endpoint: Endpoint, *, now: datetime, traceparent: str | None = None
) -> Prepared:
    """Render, freeze and, where the receiver could check it, sign one attempt.

    Args:
        due: what is sent.
        endpoint: where it goes.
        now: dates the signature.
        traceparent: told to the receiver, where the operator wants that.

    Raises:
        ValueError: a secret is malformed, see `sign`; or the body is not one a mapper made.
    """
    shape = endpoint.shape
    if due.event_type == WEEKLY_DIGEST:
        body = render_digest(shape, due.body)
    else:
        body = render(shape, due.event_id, due.body)
    headers = endpoint.headers
    if shape.is_signed:
        signature = sign(
            _live_secrets(endpoint, now), message_id=str(due.event_id), sent_at=now, body=body
        )
        headers += tuple(signature.items())
    if traceparent is not None:
        headers += (("traceparent", traceparent),)
    return Prepared(
        endpoint.url,
        headers,
        body,
        shape.rule,
        endpoint.grant,
        endpoint.client_certificate,
        endpoint.hidden,
    )


def _live_secrets(endpoint: Endpoint, now: datetime) -> list[str]:
    secrets = [endpoint.secret]
    if (
        endpoint.previous_secret is not None
        and endpoint.previous_secret_until is not None
        and now < endpoint.previous_secret_until
    ):
        secrets.append(endpoint.previous_secret)
    return secrets
