"""What of an integration's config is stored openly, and what is sealed."""

from dataclasses import dataclass

from api.services.headers import Place, header_problems, name_problems, value_problems
from api.services.shapes import host_problems
from shared.contracts.integrations import AuthConfig, IntegrationConfig
from shared.contracts.words import AuthKind
from shared.domain import pii
from shared.domain.addresses import EgressRules, check_url
from shared.domain.credentials import Credentials
from shared.errors import FieldError, InvalidError

URL_HINT_LENGTH = 4

_NEEDED: dict[AuthKind, frozenset[str]] = {
    AuthKind.NONE: frozenset(),
    AuthKind.BEARER: frozenset({"token"}),
    AuthKind.BASIC: frozenset({"username", "password"}),
    AuthKind.HEADER: frozenset({"name", "value"}),
}
_AUTH_FIELDS = ("token", "username", "password", "name", "value")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A config that was found good.

    Attributes:
        host: of the URL; it may be shown.
        url_hint: the URL's last four characters, to tell two apart.
        headers: those without secrets.
        secret_header_names: names may be shown, values not.
        credentials: everything that is sealed.
    """

    host: str
    url_hint: str
    headers: dict[str, str]
    secret_header_names: list[str]
    credentials: Credentials


def accept_config(config: IntegrationConfig, *, egress: EgressRules, path: str) -> Receiver:
    """Judge a config as a whole.

    Args:
        config: as it was sent.
        egress: where webhooks may go.
        path: where the config stands in the body.

    Raises:
        InvalidError: names every field that was refused, and never its value.
    """
    problems: list[FieldError] = []
    url = ""
    host = ""
    try:
        target = check_url(config.webhook_url, egress, path=f"{path}.webhook_url")
        url, host = target.url, target.host
        problems += host_problems(host, path=f"{path}.webhook_url")
    except InvalidError as error:
        problems += error.errors
    auth = config.auth or AuthConfig(kind=AuthKind.NONE)
    problems += _auth_problems(auth, path=f"{path}.auth")
    places = [
        Place(f"{path}.headers", config.headers),
        Place(f"{path}.secret_headers", config.secret_headers),
    ]
    problems += header_problems(places, auth_header=_auth_header(auth))
    for name, value in config.headers.items():
        if kind := pii.find(value):
            message = f"It looks like {kind}: leave it out, or use `secret_headers`."
            problems.append(FieldError(f"{path}.headers.{name[:64]}", "personal_data", message))
    if problems:
        raise InvalidError(errors=problems)
    return Receiver(
        host=host,
        url_hint=url[-URL_HINT_LENGTH:],
        headers=dict(config.headers),
        secret_header_names=sorted(config.secret_headers),
        credentials=Credentials(
            url=url,
            secret_headers=dict(config.secret_headers),
            auth_kind=auth.kind,
            token=auth.token or "",
            username=auth.username or "",
            password=auth.password or "",
            name=auth.name or "",
            value=auth.value or "",
        ),
    )


def _auth_header(auth: AuthConfig) -> str | None:
    if auth.kind is AuthKind.HEADER:
        return auth.name
    return None if auth.kind is AuthKind.NONE else "authorization"


def _auth_problems(auth: AuthConfig, *, path: str) -> list[FieldError]:
    problems: list[FieldError] = []
    needed = _NEEDED[auth.kind]
    for name in _AUTH_FIELDS:
        value: str | None = getattr(auth, name)
        if name not in needed:
            if value is not None:
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
