"""Answers that a caller may already have: `ETag`, `If-None-Match`, `If-Match`."""

import re
from hashlib import blake2b
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from shared.errors import FieldError, InvalidError

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')
_DIGEST_BYTES = 16


def private_answer(
    request: Request[Any, Any, Any], resource: object, *, identity: object = None
) -> Response[Any]:
    """Answer `resource` with an `ETag` of its content, or 304 when the caller has it already.

    Args:
        request: the GET being answered.
        resource: what msgspec can encode.
        identity: what the tag is made of, where `resource` also holds what changes with every
            request, such as the present instant; the resource itself by default.
    """
    body = msgspec.json.encode(resource)
    told = body if identity is None else msgspec.json.encode(identity)
    tag = f'"{blake2b(told, digest_size=_DIGEST_BYTES).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if _names(request.headers.get("if-none-match"), tag.strip('"')):
        return Response(None, status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def version_tag(version: int) -> str:
    """The `ETag` of a resource that counts its versions."""
    return f'"{version}"'


def expected_versions(request: Request[Any, Any, Any]) -> frozenset[int] | None:
    """The versions that `If-Match` allows to be changed; None allows any.

    Raises:
        InvalidError: the header does not name versions.
    """
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    tags = [part.strip() for part in header.split(",")]
    matches = [_TAG.fullmatch(tag) for tag in tags]
    if not all(match is not None and match[1].isdecimal() for match in matches):
        refused = FieldError("If-Match", "malformed", "Send the `ETag` back as it was answered.")
        raise InvalidError(errors=[refused])
    return frozenset(int(match[1][:18]) for match in matches if match is not None)


def _names(header: str | None, tag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or tag in _TAG.findall(header)
