"""Every refusal as `application/problem+json` (RFC 9457), and nothing in it that helps an attacker.

What went wrong inside is logged under the request's id; the caller is told the id and no more.
"""

import logging
from http import HTTPStatus
from math import ceil
from typing import Any, cast

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from api.bodies import field_error
from api.request_ids import request_id
from shared.contracts.problems import FieldProblem, Problem
from shared.errors import (
    FieldError,
    GuardianError,
    InvalidError,
    MalformedError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
)

MEDIA_TYPE = "application/problem+json"

_DISCONNECTED = "client disconnected prematurely"

log = logging.getLogger("guardian.api")


class MethodNotAllowedError(GuardianError):
    """There is such a route, but not for this method: see `Allow`."""

    code = "method_not_allowed"
    status = 405


class NoRouteError(NotFoundError):
    """There is no such route."""


_BY_STATUS: dict[int, type[GuardianError]] = {
    HTTPStatus.NOT_FOUND: NoRouteError,
    HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowedError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLargeError,
}


def refuse(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer any exception: a refusal as it is, a bug as 500 without a word of it."""
    refusal = refusal_of(error)
    if refusal is None:
        if _DISCONNECTED in str(error):
            log.info("the caller left", extra={"request_id": request_id(request.scope)})
        else:
            log.error(
                "unexpected %s",
                type(error).__name__,
                exc_info=error,
                extra={"request_id": request_id(request.scope)},
            )
        refusal = GuardianError(
            "Something unexpected happened. It was logged under this request's id."
        )
    headers: dict[str, str] = {}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="guardian"'
    if isinstance(error, HTTPException) and refusal.status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("allow", "")
        headers["allow"] = ", ".join(sorted(allowed.split(", ")))
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "1"
    if isinstance(refusal, RateLimitedError):
        headers["retry-after"] = str(max(1, ceil(refusal.wait_s)))
    return Response(
        msgspec.json.encode(problem_of(refusal)),
        status_code=refusal.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def refusal_of(error: Exception) -> GuardianError | None:
    """The refusal that an exception stands for; None where it is a bug."""
    if isinstance(error, GuardianError):
        is_bug = error.status == HTTPStatus.INTERNAL_SERVER_ERROR
        return None if is_bug else error
    if isinstance(error, ValidationException):
        return InvalidError(errors=_refused_parameters(error))
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _BY_STATUS.get(error.status_code, MalformedError)()
    return None


def problem_of(refusal: GuardianError) -> Problem:
    """A refusal as the body of an answer."""
    errors = refusal.errors if isinstance(refusal, InvalidError) else ()
    return Problem(
        type=f"urn:guardian:problem:{refusal.code}",
        title=refusal.code.replace("_", " ").capitalize(),
        status=refusal.status,
        detail=refusal.detail,
        code=refusal.code,
        errors=[FieldProblem(path=one.path, kind=one.kind, message=one.message) for one in errors]
        or None,
    )


def _refused_parameters(error: ValidationException) -> list[FieldError]:
    """Litestar judges queries, paths and headers; its sentences are msgspec's."""
    extra = cast("object", error.extra)
    told = cast("list[dict[str, str]]", extra) if isinstance(extra, list) else []
    named = [
        field_error(one.get("message", ""), path=one.get("key", "query").rstrip("_"))
        for one in told
    ]
    return named or [FieldError("query", "invalid", "A parameter does not fit.")]
