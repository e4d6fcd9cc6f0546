"""What a scraper may count: figures of this process, and of the queue as PostgreSQL holds it.

No label says anything of a tenant: routes appear as patterns, and the queue as a whole.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter

import asyncpg
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from shared.data.queue_figures import QueueFigures, queue_figures
from shared.data.session import operating
from shared.errors import UnavailableError

PATIENCE_S = 5.0
REMEMBERED_S = 5.0
NO_ROUTE = "none"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one API process."""

    def __init__(self, monotonic: Callable[[], float] = perf_counter) -> None:
        """Begin at zero; `monotonic` gives seconds."""
        self._monotonic = monotonic
        self._registry = CollectorRegistry()
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()
        self._requests = Histogram(
            "guardian_api_request_seconds",
            "Answers of this API process, by route pattern, and how long each took; a stream until "
            "it began.",
            ("method", "route", "status"),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._observations = Counter(
            "guardian_api_observations",
            "Observations stored by this API process.",
            registry=self._registry,
        )
        self._gauges = {
            name: Gauge(f"guardian_{name}", text, registry=self._registry)
            for name, text in _GAUGES.items()
        }

    @property
    def registry(self) -> CollectorRegistry:
        """Everything that is told."""
        return self._registry

    def stored(self, observations: int) -> None:
        """Count observations that were committed."""
        self._observations.inc(observations)

    async def tell(self) -> bytes:
        """The figures in Prometheus' text format; those of the queue are a few seconds old at most.

        Without PostgreSQL `guardian_postgresql_up` is 0 and the queue's figures are NaN.
        """
        async with self._asking:
            now = self._monotonic()
            if self._asked_at is None or now - self._asked_at >= REMEMBERED_S:
                self._show(await _ask())
                self._asked_at = now
        return generate_latest(self._registry)

    def measured(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application so that each of its answers is counted and timed."""

        async def measure(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began = self._monotonic()
            begun: float | None = None
            status = 0

            async def watch(message: Message) -> None:
                nonlocal status, begun
                if message["type"] == "http.response.start":
                    status = message["status"]
                    if _is_stream(message):
                        begun = self._monotonic()
                await send(message)

            try:
                await app(scope, receive, watch)
            finally:
                # An unknown path or method is the caller's own word, so it is no label.
                route = scope.get("path_template") or NO_ROUTE
                method = scope["method"] if route != NO_ROUTE else NO_ROUTE
                # How long somebody listens says nothing of how long anybody waited.
                taken_s = (self._monotonic() if begun is None else begun) - began
                self._requests.labels(method, route, str(status)).observe(taken_s)

        return measure

    def _show(self, figures: QueueFigures | None) -> None:
        self._gauges["postgresql_up"].set(0 if figures is None else 1)
        for name, gauge in self._gauges.items():
            if name != "postgresql_up":
                gauge.set(float("nan") if figures is None else getattr(figures, name))


_GAUGES = {
    "postgresql_up": "1 when PostgreSQL answered this API process in time, else 0.",
    "queue_deliveries": "Undelivered deliveries, due or not.",
    "queue_retries": "Undelivered deliveries that were tried at least once.",
    "queue_due": "Deliveries that are due now, of integrations that are enabled.",
    "queue_oldest_due_seconds": "How long the oldest of them has been due; 0 when none is.",
    "workers": "Workers that gave a sign of life within the last minute.",
    "shards_leased": "Of 64 shards, those a worker holds a lease on.",
    "deliveries_paused": "1 while an operator, or a restore, holds all deliveries back, else 0.",
}


def _is_stream(start: HTTPResponseStartEvent) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in start["headers"]
    )


async def _ask() -> QueueFigures | None:
    try:
        async with asyncio.timeout(PATIENCE_S), operating(is_read_only=True) as session:
            return await queue_figures(session)
    except (UnavailableError, TimeoutError, asyncpg.PostgresError):
        return None
