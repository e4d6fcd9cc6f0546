"""The OpenAPI document, made from the routes themselves and the contracts they name.

Litestar's own generator leaves out that unknown fields are refused and how refusals look, and its
pages load scripts from other hosts; here msgspec writes the schemas.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape
from http import HTTPStatus
from inspect import cleandoc
from types import NoneType
from typing import Annotated, Any, NamedTuple, cast, get_args, get_origin
from uuid import UUID

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg, QueryParameter
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition
from msgspec import Meta

from api.conditional import CONDITIONAL
from api.guards import WORKSPACE
from api.problems import MEDIA_TYPE
from shared.contracts.problems import Problem

TITLE = "Guardian Z07"
ROOT = "/api/guardian/meta"
"""Where everything that asks for a key stands."""

SCHEME = "key"
REF = "#/components/schemas/{name}"

_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "The request could not be read.",
    HTTPStatus.UNAUTHORIZED: "A valid key is needed.",
    HTTPStatus.FORBIDDEN: "The key's role does not allow this.",
    HTTPStatus.NOT_FOUND: "There is no such thing, or it belongs to another tenant.",
    HTTPStatus.CONFLICT: "It contradicts the present state.",
    HTTPStatus.PRECONDITION_FAILED: "Somebody else changed it meanwhile.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field or a parameter was refused.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests: wait for `Retry-After` seconds.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A bug of ours; it was logged under `X-Request-Id`.",
    HTTPStatus.SERVICE_UNAVAILABLE: "PostgreSQL cannot be reached: try again shortly.",
}
_WITH_KEY = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_WITH_BODY = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
_WITH_CHANGE = {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}
_ALWAYS = {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE}
_READING = {"GET", "HEAD"}


class Operation(NamedTuple):
    """One method of one path, and the handler that answers it."""

    path: str
    method: str
    handler: HTTPRouteHandler
    is_open: bool


def operations(app: Litestar, *, open_flag: str) -> list[Operation]:
    """Every documented operation, by path; `open_flag` marks in `opt` what asks for no key."""
    found = [
        Operation(
            path=re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path),
            method=str(method),
            handler=handler,
            is_open=bool(handler.opt.get(open_flag)),
        )
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.resolve_include_in_schema() and not _is_alias(route.path, handler, open_flag)
        for method in handler.http_methods
        if method != "OPTIONS"
    ]
    return sorted(found, key=lambda operation: (operation.path, operation.method))


def document(app: Litestar, *, version: str, open_flag: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of an application."""
    known = operations(app, open_flag=open_flag)
    kinds = _Kinds()
    paths: dict[str, dict[str, Any]] = {}
    for operation in known:
        told = _operation(operation, kinds)
        paths.setdefault(operation.path, {})[operation.method.lower()] = told
    schemas, components = kinds.resolved()
    return _filled(
        {
            "openapi": "3.1.0",
            "info": {
                "title": TITLE,
                "version": version,
                "description": "A multi-tenant success-metadata hub with signed webhooks.",
            },
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "gz7_live_…"}
                },
            },
        },
        schemas,
    )


def page(document: Mapping[str, Any]) -> str:
    """The document as one page of HTML that loads nothing from anywhere."""
    rows = "".join(
        f"<tr><td><code>{escape(method.upper())}</code></td><td><code>{escape(path)}</code></td>"
        f"<td><b>{escape(told.get('summary') or '')}</b><br>"
        f"{escape(told.get('description') or '')}</td></tr>"
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    )
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;"
        "padding:0 1rem}table{border-collapse:collapse}td{border-top:1px solid #ccc;"
        "padding:.5rem;vertical-align:top}@media(prefers-color-scheme:dark){body{background:#111;"
        "color:#ddd}a{color:#8cf}}</style></head>"
        f"<body><h1>{title} {escape(document['info']['version'])}</h1>"
        "<p>Send <code>Authorization: Bearer &lt;key&gt;</code>. Refusals are "
        "<code>application/problem+json</code>. Schemas: "
        '<a href="openapi.json">openapi.json</a>.</p>'
        f"<table>{rows}</table></body></html>"
    )


def _is_alias(path: str, handler: HTTPRouteHandler, open_flag: str) -> bool:
    """What asks for no key stands at the root, and under `ROOT` once more."""
    return bool(handler.opt.get(open_flag)) and path.startswith(ROOT)


class _Kinds:
    """Collects types, so that msgspec names all of them in one go."""

    def __init__(self) -> None:
        self._kinds: list[Any] = []

    def place(self, kind: Any) -> dict[str, Any]:
        """A place where the schema of `kind` will stand."""
        self._kinds.append(kind)
        return {"$place": len(self._kinds) - 1}

    def resolved(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The schemas in the order of their places, and the components they refer to."""
        schemas, components = msgspec.json.schema_components(self._kinds, ref_template=REF)
        return list(schemas), components


def _filled(node: Any, schemas: list[dict[str, Any]]) -> Any:
    """Put the schemas into their places, with patterns as JavaScript knows them."""
    match node:
        case {"$place": int(index)}:
            return _filled(schemas[index], schemas)
        case dict():
            mapping = cast("dict[str, Any]", node)
            return {
                name: _javascript(value) if name == "pattern" else _filled(value, schemas)
                for name, value in mapping.items()
            }
        case list():
            return [_filled(one, schemas) for one in cast("list[Any]", node)]
        case _:
            return node


def _javascript(pattern: Any) -> Any:
    if isinstance(pattern, str):
        return pattern.replace(r"\A", "^").replace(r"\Z", "$")
    return pattern


def _operation(operation: Operation, kinds: _Kinds) -> dict[str, Any]:
    handler = operation.handler
    body = handler.parsed_data_field
    told: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}{_camel(operation.path)}",
        "tags": sorted(handler.resolve_tags()),
        "summary": handler.summary,
        "description": cleandoc(handler.fn.__doc__ or ""),
        "parameters": list(_parameters(operation, kinds)),
        "responses": _responses(operation, kinds),
        "security": [] if operation.is_open else [{SCHEME: list[str]()}],
    }
    for media_type in handler.opt.get("reads", ()):
        content = {media_type: {"schema": {"type": "string"}}}
        told["requestBody"] = {"required": True, "content": content}
    if body is not None:
        told["requestBody"] = {
            "required": not (body.is_optional or body.has_default),
            "content": {"application/json": {"schema": kinds.place(_without_none(body))}},
        }
    return told


def _parameters(operation: Operation, kinds: _Kinds) -> Iterator[dict[str, Any]]:
    in_path = set(re.findall(r"\{(\w+)\}", operation.path))
    known = operation.handler.parsed_fn_signature.parameters
    for name in sorted(in_path):
        kind = known[name].annotation
        yield {"name": name, "in": "path", "required": True, "schema": kinds.place(kind)}
    if not operation.is_open:
        yield {
            "name": WORKSPACE,
            "in": "query",
            "required": False,
            "description": "The tenant; an operator's key must name one on a tenant's routes.",
            "schema": kinds.place(UUID),
        }
    if operation.handler.opt.get(CONDITIONAL):
        yield {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "An `ETag` of before.",
            "schema": {"type": "string"},
        }
    for field in operation.handler.parsed_fn_signature.parameters.values():
        given = field.kwarg_definition
        if not isinstance(given, (QueryParameter, HeaderParameter)):
            continue
        yield {
            "name": given.name or field.name,
            "in": "header" if isinstance(given, HeaderParameter) else "query",
            "required": not (field.has_default or field.is_optional),
            "description": given.description or "",
            "schema": kinds.place(_constrained(field, given)),
        }


def _responses(operation: Operation, kinds: _Kinds) -> dict[str, Any]:
    handler = operation.handler
    success: dict[str, Any] = {"description": "Done."}
    answered = _answered(handler)
    if answered is not None:
        success["content"] = {"application/json": {"schema": kinds.place(answered)}}
    for media_type in handler.opt.get("also_answers", ()):
        success.setdefault("content", {})[media_type] = {"schema": {"type": "string"}}
    refusals = set(_ALWAYS)
    if not operation.is_open:
        refusals |= _WITH_KEY | {HTTPStatus.NOT_FOUND}
    if handler.parsed_data_field is not None:
        refusals |= _WITH_BODY
    if operation.method not in _READING:
        refusals |= _WITH_CHANGE
    problem = {MEDIA_TYPE: {"schema": kinds.place(Problem)}}
    told = {str(handler.status_code): success}
    for status, kind in handler.opt.get("answers_too", {}).items():
        content = {"application/json": {"schema": kinds.place(kind)}}
        told[str(status)] = {"description": "Done.", "content": content}
    if handler.opt.get(CONDITIONAL):
        told["304"] = {"description": "The caller has it already, by its `If-None-Match`."}
    return told | {
        str(int(status)): {"description": _REFUSALS[status], "content": problem}
        for status in sorted(refusals)
    }


def _answered(handler: HTTPRouteHandler) -> Any:
    annotation = handler.parsed_fn_signature.return_type.annotation
    if get_origin(annotation) is Response:
        (annotation,) = get_args(annotation)
    return None if annotation in {None, NoneType, str, bytes, Any} else annotation


def _without_none(field: FieldDefinition) -> Any:
    if not field.is_optional:
        return field.annotation
    return next(one for one in get_args(field.annotation) if one is not NoneType)


def _constrained(field: FieldDefinition, given: ParameterKwarg) -> Any:
    bounds = {
        name: getattr(given, name) for name in ("ge", "le") if getattr(given, name) is not None
    }
    kind = _without_none(field)
    return Annotated[kind, Meta(**bounds)] if bounds else kind


def _camel(path: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", path.removeprefix(ROOT))
    return "".join(word[:1].upper() + word[1:] for word in words)
