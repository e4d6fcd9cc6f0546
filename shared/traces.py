"""Traces, as OpenTelemetry defines them: W3C contexts in, spans out over OTLP/HTTP in JSON.

Nothing of this runs unless `GUARDIAN_TRACES_URL` is set. The protocol is small and we write spans
whose ids are known beforehand, so it is spoken here, without a client library and its threads,
locks and half a second of imports. Spans may be lost: they explain, they do not account.
"""

import logging
import os
import re
import threading
import urllib.request
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple

import msgspec

QUEUE = 4096
BATCH = 512
PAUSE_S = 0.5
PATIENCE_S = 3.0

log = logging.getLogger("guardian.traces")

KEPT: ContextVar[str] = ContextVar("guardian_traceparent", default="")
"""The traceparent that events keep which are stored in this context; empty: none."""


class Context(NamedTuple):
    """Where in which trace something happened: 32 and 16 hexadecimal digits."""

    trace_id: str
    span_id: str
    is_sampled: bool = True

    @property
    def text(self) -> str:
        """As a `traceparent` header carries it."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_sampled else '00'}"


class Kind(IntEnum):
    """What part a span's process plays in it, in OTLP's numbers."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Span(NamedTuple):
    """One thing that was done.

    Attributes:
        parent: the id of the span it is part of; empty for the first.
        began: nanoseconds since the epoch, as is `ended`.
        links: contexts that led to it.
    """

    context: Context
    parent: str
    name: str
    kind: Kind
    began: int
    ended: int
    attributes: Mapping[str, str | int]
    is_error: bool = False
    links: Sequence[Context] = ()


def parse(traceparent: str | None) -> Context | None:
    """Read a `traceparent`; None when it is none, or says nothing."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None or match["version"] == "ff":
        return None
    trace_id, span_id = match["trace"], match["span"]
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Context(trace_id, span_id, bool(int(match["flags"], 16) & 1))


def new_context(parent: Context | None = None, *, is_sampled: bool = True) -> Context:
    """A span's context with a random id, in the trace of `parent` or in a new one."""
    trace_id = parent.trace_id if parent else os.urandom(16).hex()
    return Context(trace_id, os.urandom(8).hex(), is_sampled)


def derived_context(parent: Context, *words: object) -> Context:
    """A span's context in the trace of `parent` whose id follows from `words`."""
    seed = " ".join(map(str, words)).encode()
    return Context(parent.trace_id, blake2b(seed, digest_size=8).hexdigest())


class Exporter:
    """Sends spans to a collector from a thread of its own; drops what it cannot get rid of."""

    def __init__(self, url: str, *, service: str, release: str) -> None:
        """Begin at once.

        Args:
            url: such as `http://collector:4318/v1/traces`.
            service: the name under which the spans are shown.
            release: of Guardian.
        """
        self._url = url
        self._resource = _attributes({"service.name": service, "service.version": release})
        self._spans: deque[Span] = deque(maxlen=QUEUE)
        self._is_over = threading.Event()
        self._is_news = True
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def add(self, span: Span) -> None:
        """Send soon. The oldest waiting one is dropped when too many wait."""
        self._spans.append(span)

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        self._is_over.set()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        while not self._is_over.wait(PAUSE_S):
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(BATCH, len(self._spans)))]
            try:
                self._send(batch)
                self._is_news = True
            except (OSError, ValueError) as error:
                level = logging.WARNING if self._is_news else logging.DEBUG
                log.log(level, "%d spans were lost: %s", len(batch), type(error).__name__)
                self._is_news = False
                return

    def _send(self, batch: Sequence[Span]) -> None:
        spans = [_encoded(span) for span in batch]
        told = {
            "resource": {"attributes": self._resource},
            "scopeSpans": [{"scope": {"name": "guardian"}, "spans": spans}],
        }
        body = msgspec.json.encode({"resourceSpans": [told]})
        request = urllib.request.Request(  # noqa: S310 - the operator's own, http or https
            self._url, data=body, headers={"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S):  # noqa: S310 - likewise
            pass


_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
)
_ERROR = 2


def _encoded(span: Span) -> dict[str, object]:
    return {
        "traceId": span.context.trace_id,
        "spanId": span.context.span_id,
        "parentSpanId": span.parent,
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": str(span.began),
        "endTimeUnixNano": str(span.ended),
        "attributes": _attributes(span.attributes),
        "links": [{"traceId": one.trace_id, "spanId": one.span_id} for one in span.links],
        "status": {"code": _ERROR} if span.is_error else {},
    }


def _attributes(values: Mapping[str, str | int]) -> list[dict[str, object]]:
    return [
        {
            "key": name,
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for name, value in values.items()
    ]
