"""One id per request, in and out as `X-Request-Id`, so that a log line finds its answer."""

import os
import re

from litestar.types import Scope

HEADER = b"x-request-id"

_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_KEY = "guardian_request_id"


def request_id(scope: Scope) -> str:
    """The id of a request: the caller's where it is harmless, else one made at the first call."""
    state = scope.setdefault("state", {})
    known = state.get(_KEY)
    if isinstance(known, str):
        return known
    given = next((value for name, value in scope["headers"] if name == HEADER), b"")
    made = given.decode() if _ACCEPTABLE.fullmatch(given) else os.urandom(12).hex()
    state[_KEY] = made
    return made
