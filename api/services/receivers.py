"""What of an integration's config is stored openly, and what is sealed."""

from dataclasses import dataclass
from datetime import datetime

from api.services.headers import Place, header_problems, name_problems, value_problems
from api.services.shapes import host_problems
from shared.contracts.integrations import AuthConfig, IntegrationConfig
from shared.contracts.words import AuthKind, ClientProof
from shared.domain import pii
from shared.domain.addresses import EgressRules, Target, check_url
from shared.domain.client_certificates import Accepted, accept_certificate
from shared.domain.credentials import Credentials
from shared.domain.oauth2 import Grant
from shared.errors import FieldError, InvalidError

URL_HINT_LENGTH = 4

_NEEDED: dict[AuthKind, frozenset[str]] = {
    AuthKind.NONE: frozenset(),
    AuthKind.BEARER: frozenset({"token"}),
    AuthKind.BASIC: frozenset({"username", "password"}),
    AuthKind.HEADER: frozenset({"name", "value"}),
    AuthKind.OAUTH2: frozenset({"token_url", "client_id", "client_secret"}),
}
_ALLOWED: dict[AuthKind, frozenset[str]] = {
    AuthKind.OAUTH2: frozenset({"scope", "audience", "client_proof"}),
}
_AUTH_FIELDS = tuple(name for name in AuthConfig.__struct_fields__ if name != "kind")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A config that was found good.

    Attributes:
        host: of the URL; it may be shown.
        url_hint: the URL's last four characters, to tell two apart.
        headers: those without secrets.
        secret_header_names: names may be shown, values not.
        credentials: everything that is sealed.
        certificate: what the client certificate was found to be, where there is one.
    """

    host: str
    url_hint: str
    headers: dict[str, str]
    secret_header_names: list[str]
    credentials: Credentials
    certificate: Accepted | None


def accept_config(
    config: IntegrationConfig, *, egress: EgressRules, now: datetime, path: str
) -> Receiver:
    """Judge a config as a whole.

    Args:
        config: as it was sent.
        egress: where webhooks may go.
        now: a client certificate must be valid at this moment.
        path: where the config stands in the body.

    Raises:
        InvalidError: names every field that was refused, and never its value.
    """
    problems: list[FieldError] = []
    target = _target(config.webhook_url, egress, problems, path=f"{path}.webhook_url")
    if target is not None:
        problems += host_problems(target.host, path=f"{path}.webhook_url")
    auth = config.auth or AuthConfig(kind=AuthKind.NONE)
    problems += _auth_problems(auth, path=f"{path}.auth")
    grant = _grant(auth, egress, problems, path=f"{path}.auth")
    certificate = _certificate(config, target, problems, now=now, path=path)
    places = [
        Place(f"{path}.headers", config.headers),
        Place(f"{path}.secret_headers", config.secret_headers),
    ]
    problems += header_problems(places, auth_header=_auth_header(auth))
    for name, value in config.headers.items():
        if kind := pii.find(value):
            message = f"It looks like {kind}: leave it out, or use `secret_headers`."
            problems.append(FieldError(f"{path}.headers.{name[:64]}", "personal_data", message))
    if problems or target is None:
        raise InvalidError(errors=problems)
    return Receiver(
        host=target.host,
        url_hint=target.url[-URL_HINT_LENGTH:],
        headers=dict(config.headers),
        secret_header_names=sorted(config.secret_headers),
        credentials=Credentials(
            url=target.url,
            secret_headers=dict(config.secret_headers),
            auth_kind=auth.kind,
            token=auth.token or "",
            username=auth.username or "",
            password=auth.password or "",
            name=auth.name or "",
            value=auth.value or "",
            grant=grant,
            client_certificate=None if certificate is None else certificate.pair,
        ),
        certificate=certificate,
    )


def _target(
    url: str, egress: EgressRules, problems: list[FieldError], *, path: str
) -> Target | None:
    try:
        return check_url(url, egress, path=path)
    except InvalidError as error:
        problems += error.errors
        return None


def _grant(
    auth: AuthConfig, egress: EgressRules, problems: list[FieldError], *, path: str
) -> Grant | None:
    """What a token is asked for with; the token's URL is judged like any that is sent to."""
    if auth.kind is not AuthKind.OAUTH2 or not auth.token_url:
        return None
    target = _target(auth.token_url, egress, problems, path=f"{path}.token_url")
    if target is None:
        return None
    return Grant(
        token_url=target.url,
        client_id=auth.client_id or "",
        client_secret=auth.client_secret or "",
        scope=auth.scope or "",
        audience=auth.audience or "",
        is_in_body=auth.client_proof is ClientProof.BODY,
    )


def _certificate(
    config: IntegrationConfig,
    target: Target | None,
    problems: list[FieldError],
    *,
    now: datetime,
    path: str,
) -> Accepted | None:
    given = config.client_certificate
    if given is None:
        return None
    path = f"{path}.client_certificate"
    if target is not None and target.scheme != "https":
        message = "A certificate is only shown over https."
        problems.append(FieldError(path, "not_allowed", message))
    try:
        return accept_certificate(given.certificate, given.private_key, now=now, path=path)
    except InvalidError as error:
        problems += error.errors
        return None


def _auth_header(auth: AuthConfig) -> str | None:
    if auth.kind is AuthKind.HEADER:
        return auth.name
    return None if auth.kind is AuthKind.NONE else "authorization"


def _auth_problems(auth: AuthConfig, *, path: str) -> list[FieldError]:
    problems: list[FieldError] = []
    needed = _NEEDED[auth.kind]
    allowed = _ALLOWED.get(auth.kind, frozenset())
    for name in _AUTH_FIELDS:
        value: str | None = getattr(auth, name)
        if name not in needed:
            if value is not None and name not in allowed:
                message = f"Auth of the kind {auth.kind} has no such field."
                problems.append(FieldError(f"{path}.{name}", "not_allowed", message))
        elif value is None or (not value and name != "password"):  # some leave it empty
            message = f"Auth of the kind {auth.kind} needs it."
            problems.append(FieldError(f"{path}.{name}", "missing", message))
        elif name == "name":
            problems += name_problems(f"{path}.name", value, is_for_auth=True)
        elif name in {"token", "value"}:
            problems += value_problems(f"{path}.{name}", value)
        elif name == "username" and ":" in value:
            message = "A user name of basic auth holds no colon."
            problems.append(FieldError(f"{path}.username", "malformed", message))
    return problems
