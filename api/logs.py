"""One JSON object a line on stderr: never a body, a key, a query or a tenant's text."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.request_ids import request_id

_SHOWN = ("request_id", "method", "path", "status", "ms", "action")
_PROBES = frozenset({"/health/live", "/health/ready"})

log = logging.getLogger("guardian.api")


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The instant, the level, the sentence, and the extras that may be shown."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: record.__dict__[name] for name in _SHOWN if name in record.__dict__}
        if record.exc_info and record.exc_info[1] is not None:
            line["trace"] = _where(record.exc_info[1])
        return msgspec.json.encode(line, enc_hook=str).decode()


def set_up_logging(level: str) -> None:
    """Send everything of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Its lines hold whole URLs, with their queries.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx").setLevel(logging.WARNING)


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
                logging.DEBUG if path in _PROBES else logging.INFO,
                "request",
                extra={
                    "request_id": request_id(scope),
                    "method": scope["method"],
                    "path": path,
                    "status": status,
                    "ms": round((perf_counter() - began) * 1000, 1),
                },
            )

    return logged


def _where(error: BaseException) -> list[str]:
    """The frames and the kind of an error, not its text: it may hold what a tenant wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{type(error).__name__} in"] + [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames
    ]
