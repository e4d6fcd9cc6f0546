"""From a due row to the request that travels; pure, so the bytes sent are the bytes signed."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.contracts.words import AuthKind
from shared.domain.credentials import Credentials
from shared.domain.signing import sign

RESERVED_HEADERS = frozenset(
    {
        "content-type",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
)


class UnsentReason(StrEnum):
    """Why a delivery was given up without a POST."""

    INTEGRATION_DELETED = "integration_deleted"
    OUT_OF_SCOPE = "out_of_scope"


@dataclass(frozen=True, slots=True)
class Due:
    """One delivery that is due, as it was claimed.

    Attributes:
        attempt_count: attempts made so far; settling is refused when it has changed meanwhile.
        is_retry: whether it waited for its `next_attempt_at`.
        scope: of the event; None for a test event, which every integration gets.
        body: of the request, encoded when the event was made.
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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is needed to reach the receiver of an integration, its secrets opened.

    Attributes:
        headers: those that are the same for every request, see `fixed_headers`.
        secret: the live signing secret.
        previous_secret: signs too until `previous_secret_until`.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    secret: str
    previous_secret: str | None = None
    previous_secret_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """An integration as it stood at `version`.

    Attributes:
        endpoint: None for a deleted one, or where the secrets do not open.
    """

    integration_id: UUID
    version: int
    is_enabled: bool
    is_deleted: bool
    scopes: frozenset[str]
    endpoint: Endpoint | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it will travel.

    Attributes:
        url: normalised, as `addresses.Target.url` gives it.
        headers: all that are ours, `user-agent` and the signature included; `host` and
            `content-length` are added on the way.
        body: the signed bytes.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def fixed_headers(
    headers: Mapping[str, str], credentials: Credentials, *, user_agent: str
) -> tuple[tuple[str, str], ...]:
    """Collect the headers that do not change from one request to the next.

    Names are in lower case. A later source wins over an earlier one: the integration's plain
    headers, its secret ones, its authentication, and ours, which nobody may replace.
    """
    merged = {name.lower(): value for name, value in headers.items()}
    merged |= {name.lower(): value for name, value in credentials.secret_headers.items()}
    merged |= _authentication(credentials)
    merged = {name: value for name, value in merged.items() if name not in RESERVED_HEADERS}
    merged["content-type"] = "application/json"
    merged["user-agent"] = user_agent
    return tuple(merged.items())


def unsent_reason(due: Due, destination: Destination) -> UnsentReason | None:
    """Say why `due` must not be sent any more, judged at the moment of sending."""
    if destination.is_deleted:
        return UnsentReason.INTEGRATION_DELETED
    if due.scope is not None and due.scope not in destination.scopes:
        return UnsentReason.OUT_OF_SCOPE
    return None


def prepare(due: Due, endpoint: Endpoint, *, now: datetime) -> Prepared:
    """Freeze and sign one attempt.

    Raises:
        ValueError: a secret is malformed; see `sign`.
    """
    secrets = [endpoint.secret]
    if (
        endpoint.previous_secret is not None
        and endpoint.previous_secret_until is not None
        and now < endpoint.previous_secret_until
    ):
        secrets.append(endpoint.previous_secret)
    signature = sign(secrets, message_id=str(due.event_id), sent_at=now, body=due.body)
    return Prepared(endpoint.url, endpoint.headers + tuple(signature.items()), due.body)


def _authentication(credentials: Credentials) -> dict[str, str]:
    match credentials.auth_kind:
        case AuthKind.NONE:
            return {}
        case AuthKind.BEARER:
            return {"authorization": f"Bearer {credentials.token}"}
        case AuthKind.BASIC:
            pair = f"{credentials.username}:{credentials.password}".encode()
            return {"authorization": f"Basic {b64encode(pair).decode()}"}
        case AuthKind.HEADER:
            return {credentials.name.lower(): credentials.value}
