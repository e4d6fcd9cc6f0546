"""What every answer carries, whoever made it: the request's id, and how to keep it."""

from litestar.types import Message, Scope

from api.request_ids import HEADER, request_id

_UNLESS_GIVEN = (
    # Keys and signing secrets are shown in answers.
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


async def complete_headers(message: Message, scope: Scope) -> None:
    """Add to the headers of an answer that is about to be sent (a `before_send` hook)."""
    if message["type"] == "http.response.start":
        given = list(message["headers"])
        names = {name.lower() for name, _ in given}
        added = [header for header in _UNLESS_GIVEN if header[0] not in names]
        message["headers"] = [*given, *added, (HEADER, request_id(scope).encode())]
