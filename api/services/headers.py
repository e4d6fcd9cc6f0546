"""Which headers a tenant may have sent along: well-formed, and not Guardian's or HTTP's own."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shared.errors import FieldError

MAXIMUM_HEADERS = 20

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_RESERVED = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "set-cookie",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-real-ip",
    }
)
_RESERVED_BEGINNINGS = ("ce-", "content-", "proxy-", "webhook-", "x-forwarded-")


class Place(NamedTuple):
    """Where headers stand in a body, and what they are."""

    path: str
    headers: Mapping[str, str]


def header_problems(places: Iterable[Place], *, auth_header: str | None) -> list[FieldError]:
    """Everything that is wrong with the headers of one integration; values are never repeated.

    Args:
        places: where headers stand in the body.
        auth_header: the name that the credentials already use.
    """
    problems: list[FieldError] = []
    seen = {auth_header.lower()} if auth_header else set[str]()
    count = 0
    for path, headers in places:
        count += len(headers)
        if count > MAXIMUM_HEADERS:
            message = f"An integration has {MAXIMUM_HEADERS} headers at the most."
            problems.append(FieldError(path, "out_of_range", message))
            break
        for name, value in headers.items():
            problems += name_problems(f"{path}[…]", name)
            problems += value_problems(f"{path}.{name}" if _NAME.fullmatch(name) else path, value)
            if name.lower() in seen:
                message = "The same header is given twice; upper and lower case are one."
                problems.append(FieldError(f"{path}.{name}", "duplicate", message))
            seen.add(name.lower())
    return problems


def name_problems(path: str, name: str, *, is_for_auth: bool = False) -> list[FieldError]:
    """What is wrong with a header's name; credentials may use `authorization`."""
    if not _NAME.fullmatch(name):
        message = "A header's name has 1 to 64 letters, digits and signs of RFC 9110."
        return [FieldError(path, "malformed", message)]
    plain = name.lower()
    if is_for_auth and plain == "authorization":
        return []
    if plain in _RESERVED or plain.startswith(_RESERVED_BEGINNINGS):
        message = f"The header {plain} is Guardian's own or HTTP's."
        return [FieldError(path, "reserved", message)]
    return []


def value_problems(path: str, value: str) -> list[FieldError]:
    """What is wrong with a header's value."""
    if _VALUE.fullmatch(value):
        return []
    message = "A header's value has printable ASCII characters, and no blanks at its ends."
    return [FieldError(path, "malformed", message)]
