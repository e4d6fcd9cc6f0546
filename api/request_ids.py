"""One id per request, in and out as `X-Request-Id`, so that a log line finds its answer."""

import os
import re

from litestar.types import Message, Scope

HEADER = "x-request-id"

_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_KEY = "guardian_request_id"


def request_id(scope: Scope) -> str:
    """The id of a request: the caller's where it is harmless, else one made at the first call."""
    state = scope.setdefault("state", {})
    known = state.get(_KEY)
    if isinstance(known, str):
        return known
    given = next((value for name, value in scope["headers"] if name == HEADER.encode()), b"")
    made = given.decode() if _ACCEPTABLE.fullmatch(given) else os.urandom(12).hex()
    state[_KEY] = made
    return made


async def tell_request_id(message: Message, scope: Scope) -> None:
    """Put the id on every answer (a `before_send` hook)."""
    if message["type"] == "http.response.start":
        header = (HEADER.encode(), request_id(scope).encode())
        message["headers"] = [*message["headers"], header]
