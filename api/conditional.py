"""Answers that a caller may already have: `ETag`, `If-None-Match`, `If-Match`."""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from shared.errors import FieldError, InvalidError

CONDITIONAL = "is_conditional"
"""A route whose `opt` sets this answers 304 to whoever has the answer already."""

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
    return _private(request, told, body, media_type="application/json", headers={})


def private_bytes(
    request: Request[Any, Any, Any],
    body: bytes,
    *,
    media_type: str,
    headers: Mapping[str, str],
    packed: bytes,
) -> Response[Any]:
    """Answer what is encoded already, with an `ETag` of it, or 304.

    Args:
        request: the GET being answered.
        body: the content.
        media_type: its type; the same rows in another form are another answer.
        headers: more of them, such as how `packed` is encoded.
        packed: the content as it is sent.
    """
    told = media_type.encode() + b"\0" + body
    return _private(request, told, packed, media_type=media_type, headers=headers)


def _private(
    request: Request[Any, Any, Any],
    told: bytes,
    body: bytes,
    *,
    media_type: str,
    headers: Mapping[str, str],
) -> Response[Any]:
    tag = f'"{blake2b(told, digest_size=_DIGEST_BYTES).hexdigest()}"'
    if "content-encoding" in headers:
        tag = "W/" + tag  # the same content, in other bytes
    headers = {**headers, "etag": tag, "cache-control": "private, no-cache"}
    if _names(request.headers.get("if-none-match"), tag.removeprefix("W/").strip('"')):
        kept = {name: value for name, value in headers.items() if name != "content-encoding"}
        return Response(None, status_code=HTTP_304_NOT_MODIFIED, headers=kept)
    return Response(body, media_type=media_type, headers=headers)


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
