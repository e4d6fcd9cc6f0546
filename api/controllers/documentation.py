"""/openapi.json and /docs: the API told by itself, without a script or a style from elsewhere."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get

from api.authentication import OPEN
from api.openapi import document, page

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class DocumentationController(Controller):
    """Made at the first question, and the same for everybody."""

    opt = {OPEN: True}
    include_in_schema = False

    @get("/openapi.json")
    async def openapi(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The OpenAPI 3.1 document."""
        body = msgspec.json.encode(_document(request))
        return Response(body, media_type="application/json")

    @get("/docs")
    async def docs(self, request: Request[Any, Any, Any]) -> Response[str]:
        """The routes as a page to read."""
        headers = {"content-security-policy": POLICY}
        return Response(page(_document(request)), media_type="text/html", headers=headers)


def _document(request: Request[Any, Any, Any]) -> dict[str, Any]:
    state = request.app.state
    made: dict[str, Any] | None = state.get("openapi")
    if made is None:
        made = document(request.app, version=state.version, open_flag=OPEN)
        state.openapi = made
    return made
