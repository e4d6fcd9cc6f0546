"""One line of the log for each answer: never a body, a key, a query or a tenant's text."""

import logging
from time import perf_counter

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.request_ids import request_id
from shared.traces import KEPT, parse

PROBES = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds, by machines."""

_NOTED = "guardian_noted"

log = logging.getLogger("guardian.api")


def note(scope: Scope, **ids: object) -> None:
    """Have the request's line name what it stored: ids only."""
    scope.setdefault("state", {})[_NOTED] = ids


def log_requests(app: ASGIApp) -> ASGIApp:
    """Wrap an application so that each answer is one line; probes only at level debug."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = perf_counter()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, watch)
        finally:
            path = scope["path"]
            log.log(
                logging.DEBUG if path in PROBES else logging.INFO,
                "request",
                extra={
                    "request_id": request_id(scope),
                    "method": scope["method"],
                    "path": path,
                    "status": status,
                    "ms": round((perf_counter() - began) * 1000, 1),
                    **scope.get("state", {}).get(_NOTED, {}),
                    **({"trace_id": trace.trace_id} if (trace := parse(KEPT.get())) else {}),
                },
            )

    return logged
