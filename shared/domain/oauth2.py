"""OAuth 2.0 client credentials, without the network: how to ask for a token, how to read it.

A token is kept until a minute before it ends. Nothing of an answer is repeated in an error except
the error codes of RFC 6749, since an authorization server may echo what it was sent.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import quote_plus, urlencode

import msgspec

SPARE = timedelta(seconds=60)
ASSUMED_LIFE = timedelta(minutes=5)
"""Of a token that does not say how long it lives."""
LONGEST_LIFE = timedelta(hours=24)
LONGEST_TOKEN = 8192

_SECONDS = re.compile(r"[0-9]{1,9}")
_CODES = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)


class TokenRefusedError(ValueError):
    """The authorization server gave no token that can be used; the sentence says why."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Where a client asks for a token, and with what.

    Attributes:
        audience: of the token; some servers want one beside or instead of a scope.
        is_in_body: whether id and secret travel in the body, for servers that read no header.
    """

    token_url: str
    client_id: str
    client_secret: str
    scope: str = ""
    audience: str = ""
    is_in_body: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token.

    Attributes:
        use_until: from then on a new one is asked for.
    """

    value: str
    use_until: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether it may still be used."""
        return now < self.use_until


def token_request(grant: Grant) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Make the headers and the body of the POST that asks for a token.

    The client proves itself by basic auth, which every server must understand; both halves are
    form-encoded first, so that a colon in the id cannot shift the border.
    """
    fields = {"grant_type": "client_credentials"}
    if grant.scope:
        fields["scope"] = grant.scope
    if grant.audience:
        fields["audience"] = grant.audience
    headers = (
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "application/json"),
    )
    if grant.is_in_body:
        fields |= {"client_id": grant.client_id, "client_secret": grant.client_secret}
        return headers, urlencode(fields).encode()
    pair = f"{quote_plus(grant.client_id)}:{quote_plus(grant.client_secret)}".encode()
    proof = ("authorization", f"Basic {b64encode(pair).decode()}")
    return (proof, *headers), urlencode(fields).encode()


def read_token(*, status_code: int, body: bytes, asked_at: datetime) -> Token:
    """Read what the authorization server answered.

    Args:
        status_code: of the answer.
        body: of the answer, as far as it was read.
        asked_at: when the token was asked for; its life is counted from there.

    Raises:
        TokenRefusedError: there is no usable token in it.
    """
    answer = _object(body)
    if status_code != 200:  # noqa: PLR2004 - the only success RFC 6749 knows
        code = answer.get("error")
        named = f", {code}" if isinstance(code, str) and code in _CODES else ""
        raise TokenRefusedError(f"The authorization server answered {status_code}{named}.")
    value = answer.get("access_token")
    if not isinstance(value, str) or not _is_sendable(value):
        raise TokenRefusedError("The authorization server's answer holds no token.")
    kind = answer.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenRefusedError("The authorization server's token is not a bearer token.")
    return Token(value, asked_at + _usable(answer.get("expires_in")))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _is_sendable(value: str) -> bool:
    """A token becomes part of a header: one line of visible ASCII."""
    is_visible = value.isascii() and value.isprintable() and " " not in value
    return 0 < len(value) <= LONGEST_TOKEN and is_visible


def _usable(expires_in: object) -> timedelta:
    """How long a token is used: a minute less than it lives, of a short one the first half."""
    if isinstance(expires_in, str) and _SECONDS.fullmatch(expires_in):
        expires_in = int(expires_in)  # some servers write it as a text
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return ASSUMED_LIFE - SPARE
    life = timedelta(seconds=min(max(expires_in, 0), LONGEST_LIFE.total_seconds()))
    return max(life - SPARE, life / 2)
