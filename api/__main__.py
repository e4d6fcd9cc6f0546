"""`python -m api`: settings, pool, server.

One process. It refuses to start where row-level security would not bind it or the database is not
of its version, and tells why in one sentence.
"""

import argparse
import asyncio
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from types import FrameType
from typing import Any, cast

import asyncpg
import uvicorn
import uvloop
from litestar.types import ASGIApp

from api.app import DISTRIBUTION, METRICS, STREAMS, create_app
from api.logs import log_requests
from api.server import BoundedProtocol
from api.services.narratives import Respondent
from api.settings import Settings, load_settings
from api.streams import Streams
from api.traces import trace_requests
from shared.data.connection import connect
from shared.data.engine import close_pool, open_pool
from shared.data.migrate import pending_in
from shared.data.roles import refuse_privileged
from shared.data.session import API_ROLE, OPERATOR_ROLE
from shared.domain.uuid7 import Ids
from shared.errors import GuardianError, StartError
from shared.jobs import WakeUps, open_redis
from shared.logs import set_up_logging
from shared.settings import TraceSettings
from shared.traces import Exporter

HIGHEST_PORT = 65_535
GRACE_S = 10
"""How long SIGTERM waits for requests in flight; open streams end then, too."""


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Serve until SIGTERM or SIGINT; 0 afterwards, 1 when it cannot start."""
    parser = argparse.ArgumentParser(prog="guardian api", description="Serve the HTTP API.")
    parser.add_argument("--host", help="address to listen on; default GUARDIAN_API_HOST")
    parser.add_argument("--port", type=_port, help="port to listen on; default GUARDIAN_API_PORT")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings(env)
        listener = _bind(
            options.host or settings.api.guardian_api_host,
            settings.api.guardian_api_port if options.port is None else options.port,
        )
        with listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, listener))
    except GuardianError as error:
        sys.stderr.write(f"guardian api: {error.detail}\n")
        return 1
    except KeyboardInterrupt:
        pass  # before the server took over the signals
    return 0


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= HIGHEST_PORT:
        raise ValueError
    return port


def _bind(host: str, port: int) -> socket.socket:
    """Take the port before anything else, so that a taken one is told in one sentence."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(f"{host} is not an address to listen on: {error.strerror}.") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise StartError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
    return listener


async def _serve(settings: Settings, listener: socket.socket) -> None:
    await _judge_database(settings.database.database_url)
    # Of uvicorn, the access lines hold whole URLs with their queries; ours take their place.
    set_up_logging(
        settings.log_level,
        quieter={"uvicorn.access": logging.CRITICAL, "httpx": logging.WARNING},
    )
    await open_pool(
        settings.database.database_url,
        size=settings.database.guardian_database_pool_size,
        name="guardian-api",
        prepares=settings.database.guardian_database_prepares,
    )
    redis = open_redis(settings.redis.redis_url)
    try:
        app = create_app(
            redis=redis,
            wake_ups=WakeUps(redis),
            ring=settings.ring,
            pepper=settings.pepper,
            egress=settings.egress,
            clock=_now,
            ids=Ids(_now),
            entropy=os.urandom,
            respondent=Respondent(settings.ai_model, settings.ai_effort),
            limits=settings.limits,
        )
        with _traced(app.state[METRICS].measured(log_requests(app)), settings.traces) as traced:
            await _listen(
                traced,
                listener,
                trusted_proxies=settings.trusted_proxies,
                streams=app.state[STREAMS],
            )
    finally:
        await redis.aclose()
        await close_pool()


@contextmanager
def _traced(app: ASGIApp, traces: TraceSettings) -> Generator[ASGIApp]:
    if not traces.guardian_traces_url:
        yield app
        return
    exporter = Exporter(
        traces.guardian_traces_url, service="guardian-api", release=version(DISTRIBUTION)
    )
    dice = random.Random().random  # noqa: S311 - chooses what is traced, protects nothing
    try:
        yield trace_requests(app, exporter, ratio=traces.guardian_traces_ratio, dice=dice)
    finally:
        exporter.close()


async def _judge_database(dsn: str) -> None:
    try:
        connection = await connect(dsn)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as error:
        raise StartError(f"DATABASE_URL does not lead to a usable PostgreSQL: {error}") from None
    try:
        await refuse_privileged(connection, roles=(API_ROLE, OPERATOR_ROLE))
        missing = await pending_in(connection)
    finally:
        await connection.close()
    if missing:
        raise StartError(
            f"{len(missing)} migrations are pending in this database: run `guardian migrate`."
        )


class _Server(uvicorn.Server):
    """Ends the streams before it waits for requests in flight: no stream ends by itself."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.end_all()
        await super().shutdown(sockets)


async def _listen(
    app: ASGIApp, listener: socket.socket, *, trusted_proxies: str, streams: Streams
) -> None:
    config = uvicorn.Config(
        cast("Any", app),
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=trusted_proxies,
        timeout_graceful_shutdown=GRACE_S,
    )
    # The server repeats the signal that stopped it, which would end the process before it has
    # closed its connections.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)
    await _Server(config, streams).serve(sockets=[listener])


def _ignore(_: int, __: FrameType | None) -> None:
    """The signal has done its work."""


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
