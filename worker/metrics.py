"""What a scraper may count of one worker, and the small listener that tells it.

No label says anything of a tenant or a receiver.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from shared.domain.uuid7 import instant_of
from shared.errors import StartError
from worker.delivery.breaker import State
from worker.delivery.prepare import UnsentReason
from worker.delivery.pump import Pump
from worker.delivery.settle import Record

LARGEST_HEAD = 8192
PATIENCE_S = 5.0
ATTEMPT_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ARRIVAL_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)


class Metrics:
    """The figures of one worker."""

    def __init__(self, pump: Pump) -> None:
        """Begin at zero, and be told by `pump` of each outcome."""
        self._registry = CollectorRegistry()
        self._outcomes = Counter(
            "guardian_worker_outcomes",
            "Outcomes settled: delivered, failed (to be tried again) or discarded.",
            ("status",),
            registry=self._registry,
        )
        self._attempts = Histogram(
            "guardian_worker_attempt_seconds",
            "How long the POST of an attempt took, by what came of it.",
            ("status",),
            buckets=ATTEMPT_BUCKETS_S,
            registry=self._registry,
        )
        self._arrivals = Histogram(
            "guardian_worker_arrival_seconds",
            "From the making of a delivery until its receiver had accepted it.",
            buckets=ARRIVAL_BUCKETS_S,
            registry=self._registry,
        )
        self._disabled = Counter(
            "guardian_worker_disabled",
            "Integrations switched off: gone (the receiver said so) or failing (for five days).",
            ("reason",),
            registry=self._registry,
        )
        self._withheld = Counter(
            "guardian_worker_withheld",
            "Deliveries discarded because their payload looked like personal data.",
            registry=self._registry,
        )
        self._gauge("in_flight", "Requests under way.", lambda: pump.in_flight)
        self._gauge("unsettled", "Outcomes not written down yet.", lambda: pump.unsettled)
        self._gauge("shards", "Shards this worker may work on now.", lambda: pump.shards)
        self._gauge(
            "paused", "1 while this worker holds deliveries back.", lambda: int(pump.is_paused)
        )
        breakers = Gauge(
            "guardian_worker_breakers",
            "Integrations in this worker's memory, by the state of their breaker.",
            ("state",),
            registry=self._registry,
        )
        for state in State:
            breakers.labels(str(state)).set_function(_breakers(pump, state))
        pump.watchers.append(self.settled)
        pump.on_disabled.append(lambda reason: self._disabled.labels(reason).inc())

    @property
    def registry(self) -> CollectorRegistry:
        """Everything that is told."""
        return self._registry

    def settled(self, record: Record) -> None:
        """Count one outcome that was written down."""
        status = str(record.status)
        self._outcomes.labels(status).inc()
        if record.reason == UnsentReason.PII_GUARD:
            self._withheld.inc()
        if not record.number:
            return  # given up without a POST
        taken_s = record.duration_ms / 1000
        self._attempts.labels(status).observe(taken_s)
        if record.status == "delivered":
            waited = record.started_at - instant_of(record.due.id)
            self._arrivals.observe(max(0.0, waited.total_seconds()) + taken_s)

    def tell(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, ask: Callable[[], float]) -> None:
        Gauge(f"guardian_worker_{name}", text, registry=self._registry).set_function(ask)


@asynccontextmanager
async def serve(metrics: Metrics, host: str, port: int) -> AsyncGenerator[int, None]:
    """Answer `GET /metrics` while the block lasts; gives the port.

    Raises:
        StartError: nothing can listen there.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, metrics))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, host, port, limit=LARGEST_HEAD)
    except OSError as error:
        raise StartError(
            f"GUARDIAN_WORKER_METRICS_PORT: cannot listen on {host}:{port}: {error.strerror}."
        ) from None
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _answer(head: bytes, metrics: Metrics) -> bytes:
    method, _, rest = head.partition(b" ")
    if method != b"GET" or rest.split(b" ", 1)[0].split(b"?", 1)[0] != b"/metrics":
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    body = metrics.tell()
    return (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
        b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (CONTENT_TYPE_PLAIN_0_0_4.encode(), len(body), body)
    )


def _breakers(pump: Pump, state: State) -> Callable[[], float]:
    return lambda: pump.breakers()[state]
