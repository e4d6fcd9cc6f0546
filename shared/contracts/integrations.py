"""Where a tenant wants its events sent."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from shared.contracts.postures import Instant, Label, Request, Resource
from shared.contracts.templates import Template
from shared.contracts.words import AuthKind, ClientProof, Digest, MessageType, PayloadFormat, Scope

IntegrationKey = Annotated[
    str,
    Meta(
        pattern=r"\A[a-z][a-z0-9]*(_[a-z0-9]+)*\Z",
        max_length=64,
        description="Unique within the tenant: lower case, digits, underscores.",
    ),
]
Scopes = Annotated[list[Scope], Meta(min_length=1, max_length=6)]
HeaderValue = Annotated[str, Meta(max_length=1024)]
Headers = Annotated[dict[str, HeaderValue], Meta(max_length=20)]
Description = Annotated[str, Meta(max_length=500)]
Url = Annotated[str, Meta(min_length=1, max_length=2048)]
Pem = Annotated[str, Meta(min_length=1, max_length=16384)]
RatePerSecond = Annotated[float, Meta(ge=0.01, le=1000)]
RetrySchedule = Annotated[
    list[Annotated[int, Meta(ge=1, le=86_400)]],
    Meta(
        max_length=15,
        description="Seconds from each failure to the next attempt, five days in all at most; "
        "empty: one attempt.",
    ),
]


class AuthConfig(Request, frozen=True, kw_only=True):
    """How the receiver recognises Guardian; everything but the kind is write-only.

    `bearer` needs `token`; `basic` needs `username` and `password`; `header` needs `name` and
    `value`; `oauth2_client_credentials` needs `token_url`, `client_id` and `client_secret`, and
    takes `scope`, `audience` and `client_proof`.
    """

    kind: AuthKind
    token: HeaderValue | None = None
    username: Annotated[str, Meta(max_length=256)] | None = None
    password: HeaderValue | None = None
    name: Annotated[str, Meta(max_length=64)] | None = None
    value: HeaderValue | None = None
    token_url: Url | None = None
    client_id: Annotated[str, Meta(max_length=256)] | None = None
    client_secret: HeaderValue | None = None
    scope: Annotated[str, Meta(max_length=1024)] | None = None
    audience: Annotated[str, Meta(max_length=1024)] | None = None
    client_proof: ClientProof | None = None


class ClientCertificate(Request, frozen=True, kw_only=True):
    """What Guardian shows a receiver that asks for a certificate; both are write-only.

    `certificate` is PEM, the client's own first and then those that lead to its authority;
    `private_key` is PEM without a passphrase.
    """

    certificate: Pem
    private_key: Pem


class IntegrationConfig(Request, frozen=True, kw_only=True):
    """How to reach the receiver. URL, secret headers and credentials are sealed, never answered.

    `subject` asks for a random reference that stands for the tenant at this receiver only.
    `digest` is for chats: the week in one message, beside the events or instead of them. With
    `ordered` one delivery after the other goes, and one that fails holds the rest back until it
    is delivered or given up. `rate_per_second` bounds how fast deliveries go. `retry_schedule`
    holds the seconds to wait after each failure; left out, the usual schedule is kept.
    """

    webhook_url: Url
    format: PayloadFormat = PayloadFormat.STANDARD
    template: Template | None = None
    subject: bool = False
    headers: Headers = {}
    secret_headers: Headers = {}
    auth: AuthConfig | None = None
    client_certificate: ClientCertificate | None = None
    signature: Annotated[str, Meta(pattern=r"\A(v1|v1a)\Z")] = "v1"
    digest: Digest = Digest.OFF
    ordered: bool = False
    rate_per_second: RatePerSecond | None = None
    retry_schedule: RetrySchedule | None = None


class NewIntegration(Request, frozen=True, kw_only=True):
    """An integration to be made."""

    integration_key: IntegrationKey
    label: Label
    description: Description = ""
    is_enabled: bool = False
    scopes: Scopes
    config: IntegrationConfig


class IntegrationChange(Request, frozen=True, kw_only=True):
    """What may be changed; what is left out stays. A given `config` replaces the whole config."""

    label: Label | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    config: IntegrationConfig | UnsetType = UNSET


class IntegrationUpdate(IntegrationChange, frozen=True, kw_only=True):
    """One of many changes; `version`, where given, must be the present one."""

    id: UUID
    version: int | UnsetType = UNSET


class IntegrationUpdates(Request, frozen=True, kw_only=True):
    """Changes that are made all together or not at all."""

    updates: Annotated[list[IntegrationUpdate], Meta(min_length=1, max_length=100)]


class WebhookStats(Resource, frozen=True, kw_only=True):
    """How an integration's deliveries stand; `total_events` counts its deliveries.

    `consecutive_failures` counts failed attempts since `failing_since`, without a success between;
    `next_attempt_at` is when the first of the failed deliveries is tried again.
    """

    total_events: int = 0
    pending: int = 0
    delivered: int = 0
    failed: int = 0
    discarded: int = 0
    events_last_24h: int = 0
    last_delivered_at: Instant | None = None
    last_error: str | None = None
    last_error_at: Instant | None = None
    consecutive_failures: int = 0
    failing_since: Instant | None = None
    next_attempt_at: Instant | None = None


class CertificateSummary(Resource, frozen=True, kw_only=True):
    """What may be shown of a client certificate."""

    fingerprint: Annotated[str, Meta(description="SHA-256 of the certificate, hexadecimal.")]
    expires_at: Instant


class ConfigSummary(Resource, frozen=True, kw_only=True):
    """What may be shown of a config: no URL beyond its host, no secret."""

    webhook_host: str
    url_hint: Annotated[str, Meta(description="The last four characters of the URL.")]
    format: PayloadFormat
    signature: str
    header_names: list[str]
    secret_header_names: list[str]
    auth_kind: AuthKind
    client_certificate: CertificateSummary | None = None
    has_secret: bool
    verifying_key: Annotated[
        str | None, Meta(description="`whpk_…` where the signature is v1a.")
    ] = None
    subject: Annotated[
        UUID | None, Meta(description="Stands for the tenant at this receiver and no other.")
    ] = None
    template: dict[str, Any] | None = None
    digest: Digest = Digest.OFF
    ordered: bool = False
    rate_per_second: float | None = None
    retry_schedule: Annotated[
        list[int] | None, Meta(description="In seconds; null for the usual schedule.")
    ] = None


class CatchUp(Resource, frozen=True, kw_only=True):
    """What an integration missed while it was disabled: a replay with `only_missing` sends it.

    `missed` counts the events, null where there are more than one replay may send. `replay` is
    what to post to `/replays`.
    """

    since: Instant
    missed: int | None
    replay: dict[str, Any]


class Integration(Resource, frozen=True, kw_only=True):
    """An integration as it stands.

    `disabled_reason` says why Guardian switched it off: `gone`, since the receiver answered 410, or
    `failing`, since nothing but failure came of five days. `catch_up` stands in the answer that
    enables it again, where it missed anything.
    """

    id: UUID
    integration_key: str
    label: str
    description: str
    is_enabled: bool
    disabled_reason: str | None = None
    disabled_at: Instant | None = None
    scopes: list[Scope]
    version: int
    created_at: Instant
    updated_at: Instant
    last_synced_at: Instant | None = None
    config_summary: ConfigSummary
    webhook_stats: WebhookStats
    signing_secret: Annotated[
        str | None, Meta(description="Shown once, in the answer that creates it.")
    ] = None
    catch_up: CatchUp | None = None


class IntegrationsUpdated(Resource, frozen=True, kw_only=True):
    """The changed integrations, in the order of the request."""

    updated: list[Integration]


class Preview(Resource, frozen=True, kw_only=True):
    """What an integration would get: an example event, as bytes and headers.

    Values of secret headers and credentials are blotted; the signature is made with `dummy_secret`,
    which signs nothing else.
    """

    integration_id: UUID
    event_type: MessageType
    method: str = "POST"
    webhook_host: str
    headers: dict[str, str]
    body: Annotated[str, Meta(description="UTF-8; these bytes are what is signed.")]
    body_bytes: int
    dummy_secret: Annotated[
        str | None, Meta(description="`whsec_…`, or `whpk_…` that verifies; none for chats.")
    ] = None


class QueuedTest(Resource, frozen=True, kw_only=True):
    """One test event on its way."""

    integration_id: UUID
    integration_key: str
    event_id: UUID
    delivery_id: UUID


class TestsQueued(Resource, frozen=True, kw_only=True):
    """The test events that were queued; watch them under `/deliveries/{id}`."""

    __test__ = False  # pytest collects by name

    test_events_created: int
    integrations: list[QueuedTest]


class SecretRotation(Request, frozen=True, kw_only=True):
    """A new signing secret; the old one signs too for `overlap_hours`, so that no message fails."""

    overlap_hours: Annotated[int, Meta(ge=0, le=168)] = 24


class RotatedSecret(Resource, frozen=True, kw_only=True):
    """The new secret, shown this once; for `v1a` there is only the key that verifies."""

    id: UUID
    version: int
    signing_secret: str | None = None
    verifying_key: str | None = None
    previous_secret_until: Instant | None = None
