"""GET /export: rows for warehouses and BI tools."""

import asyncio
import gzip
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, QueryParameter

from api.conditional import CONDITIONAL, private_bytes
from api.guards import named_tenant, requires, tenant_of
from api.parameters import InstantText, instant_of
from api.principal import Principal
from api.services import exports
from api.services.exports import Asked, Found
from shared.contracts.exports import ExportFormat, ExportPage, Stream, StreamInfo
from shared.contracts.pages import Page
from shared.contracts.words import Role
from shared.data.session import acting_for, operating

Caller = Request[Principal, Any, State]
Rows = Annotated[
    int, QueryParameter(ge=1, le=exports.MOST_ROWS, description="How many rows at the most.")
]
_GZIP_FROM = 1024
"""A shorter answer is not worth compressing."""


class ExportController(Controller):
    """One row per fact, in the order in which they were stored."""

    path = "/export"
    tags = ["export"]
    guards = [requires(Role.READER)]

    @get(summary="List the streams")
    async def streams(self) -> Page[StreamInfo]:
        """Each with its primary key, its cursor field and the JSON Schema of its rows."""
        return Page(items=[exports.described(stream) for stream in Stream], next_cursor=None)

    @get("/{stream:str}/schema", summary="Tell the schema of a stream")
    async def schema(self, stream: FromPath[str]) -> StreamInfo:
        """What a catalogue of a sync tool wants to know."""
        return exports.described(exports.stream_named(stream))

    @get(
        "/{stream:str}",
        summary="Read a page of a stream",
        opt={CONDITIONAL: True, "also_answers": ("application/x-ndjson", "text/csv")},
    )
    async def rows(
        self,
        request: Caller,
        stream: FromPath[str],
        *,
        updated_since: InstantText = None,
        updated_before: InstantText = None,
        cursor: FromQuery[str | None] = None,
        limit: Rows = exports.DEFAULT_ROWS,
        format_: Annotated[
            ExportFormat | None,
            QueryParameter(name="format", description="By default one JSON object."),
        ] = None,
    ) -> Response[ExportPage]:
        """From `updated_since` on, itself included; ask again with the newest one you have seen.

        As lines or CSV the cursor of the next page is the header `X-Next-Cursor`.
        """
        asked = Asked(
            stream=exports.stream_named(stream),
            since=instant_of("updated_since", updated_since) or exports.BEGINNING,
            before=instant_of("updated_before", updated_before),
            after=exports.position_of(cursor),
            limit=limit,
        )
        found = await _find(request, asked)
        body = exports.written(found, asked.stream, format_)
        headers = {"vary": "Accept-Encoding"}
        if format_ is not None and found.next_cursor is not None:
            headers["x-next-cursor"] = found.next_cursor
        return private_bytes(
            request,
            body,
            media_type=exports.CONTENT_TYPES[format_],
            headers=headers,
            packed=await _packed(request, body, headers),
        )


async def _find(request: Caller, asked: Asked) -> Found:
    """Read as the tenant; an operator who names none reads what was deleted, of all tenants."""
    if named_tenant(request) is None and asked.stream is Stream.DELETIONS:
        async with operating(is_read_only=True) as session:
            return await exports.find_page(session, asked, tenant_id=None)
    tenant_id: UUID = tenant_of(request)
    async with acting_for(tenant_id, is_read_only=True) as session:
        return await exports.find_page(session, asked, tenant_id=tenant_id)


async def _packed(request: Caller, body: bytes, headers: dict[str, str]) -> bytes:
    accepted = request.headers.get("accept-encoding", "")
    if len(body) < _GZIP_FROM or "gzip" not in {
        one.split(";")[0].strip().lower()
        for one in accepted.split(",")
        if not one.replace(" ", "").endswith(";q=0")
    }:
        return body
    headers["content-encoding"] = "gzip"
    # Compressing lets go of the interpreter, so other requests go on meanwhile.
    return await asyncio.to_thread(gzip.compress, body, 5, mtime=0)
