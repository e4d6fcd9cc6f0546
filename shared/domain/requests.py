"""The headers of a webhook: what the integration asks for, what convinces, and what is ours."""

from base64 import b64encode
from collections.abc import Mapping

from shared.contracts.words import AuthKind
from shared.domain.credentials import Credentials

RESERVED_HEADERS = frozenset(
    {
        "content-type",
        "traceparent",
        "tracestate",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
)


def user_agent(release: str) -> str:
    """How Guardian names itself."""
    return f"Guardian-Webhooks/{release}"


def fixed_headers(
    headers: Mapping[str, str], credentials: Credentials, *, content_type: str, user_agent: str
) -> tuple[tuple[str, str], ...]:
    """Collect the headers that do not change from one request to the next.

    Names are in lower case. A later source wins over an earlier one: the integration's plain
    headers, its secret ones, its authentication, and ours, which nobody may replace.
    """
    merged = {name.lower(): value for name, value in headers.items()}
    merged |= {name.lower(): value for name, value in credentials.secret_headers.items()}
    merged |= _authentication(credentials)
    merged = {name: value for name, value in merged.items() if name not in RESERVED_HEADERS}
    merged["content-type"] = content_type
    merged["user-agent"] = user_agent
    return tuple(merged.items())


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
        case AuthKind.OAUTH2:
            return {}  # a token is not fixed: it is added to each request while it lives
