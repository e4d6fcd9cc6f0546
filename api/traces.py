"""One span for each request.

What a request stores keeps its span's context, so that the deliveries join the same trace.
"""

from collections.abc import Callable
from time import time_ns

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from api.logs import PROBES
from api.request_ids import request_id
from shared.traces import KEPT, Context, Exporter, Kind, Span, new_context, parse

HEADER = b"traceparent"
LOWEST_FAILURE = 500


def trace_requests(
    app: ASGIApp, exporter: Exporter, *, ratio: float, dice: Callable[[], float]
) -> ASGIApp:
    """Wrap an application so that each request is a span, or a part of them is.

    Args:
        app: what is wrapped.
        exporter: sends the spans.
        ratio: 0 to 1, of the requests whose caller does not say whether to trace.
        dice: random, 0 to 1.
    """

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == HEADER), b"")
        parent = parse(given.decode("latin-1"))
        context = new_context(
            parent, is_sampled=dice() < ratio if parent is None else parent.is_sampled
        )
        if not context.is_sampled:
            await app(scope, receive, send)
            return
        began = time_ns()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = KEPT.set(context.text)
        try:
            await app(scope, receive, watch)
        finally:
            KEPT.reset(token)
            exporter.add(_span(scope, context, parent, began=began, status=status))

    return traced


def _span(
    scope: HTTPScope, context: Context, parent: Context | None, *, began: int, status: int
) -> Span:
    # An unknown path is the caller's own word, and may hold anything.
    route = scope.get("path_template") or ""
    method = str(scope["method"])
    return Span(
        context=context,
        parent=parent.span_id if parent else "",
        name=f"{method} {route}".rstrip(),
        kind=Kind.SERVER,
        began=began,
        ended=time_ns(),
        attributes={
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "guardian.request_id": request_id(scope),
        },
        is_error=status >= LOWEST_FAILURE or not status,
    )
