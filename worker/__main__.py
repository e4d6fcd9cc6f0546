"""`python -m worker`: delivers webhooks and keeps house until it is told to stop."""

import argparse
import asyncio
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from uuid import UUID

import uvloop

from shared.announcements import Announcements
from shared.contracts.changes import ChangeKind
from shared.domain.requests import user_agent
from shared.domain.uuid7 import Ids
from shared.errors import GuardianError
from shared.jobs import listen, open_redis
from shared.logs import set_up_logging
from shared.settings import AiSettings
from shared.traces import Exporter
from worker import retention
from worker.attempt_log import tell
from worker.delivery.leases import Identity, Leases
from worker.delivery.pump import OUTAGE, Means, Pace, Pump
from worker.delivery.send import Transport
from worker.delivery.settle import Record
from worker.narratives import Caps, Desk
from worker.replay import replay_on_and_on
from worker.resources import open_resources
from worker.settings import Settings, load_settings
from worker.tasks import keep_house
from worker.traces import Traces, traceparent_of

BEATS_PER_LEASE = 3
LONGEST_BEAT_S = 5.0
ANNOUNCEMENT_PAUSE_S = 0.1
"""However many deliveries are settled meanwhile, each tenant with some is announced once."""

log = logging.getLogger("guardian.worker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until SIGTERM or SIGINT; 0 afterwards, 1 when it cannot start."""
    parser = argparse.ArgumentParser(
        prog="guardian worker", description="Deliver webhooks and keep house."
    )
    parser.parse_args(arguments)
    try:
        settings = load_settings(os.environ)
        # arq would tell of every minute in which there was nothing to do.
        set_up_logging(settings.log_level, quieter={"arq": logging.WARNING})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_work(settings))
    except GuardianError as error:
        sys.stderr.write(f"guardian worker: {error.detail}\n")
        return 1
    except KeyboardInterrupt:
        pass  # before the signals were taken over
    return 0


async def _work(settings: Settings) -> None:
    agent = user_agent(version("guardian-z07"))
    async with open_resources(settings, clock=_now, user_agent=agent) as transport:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            await retention.make_partitions(_now())
        except OUTAGE as error:
            log.warning("partitions are made later: %s", type(error).__name__)
        async with (
            _announcing(settings) as announcements,
            _desk(settings.ai, announcements) as desk,
        ):
            house = asyncio.create_task(
                keep_house(
                    settings.redis.redis_url,
                    clock=_now,
                    desk=desk,
                    retention_days=settings.retention_days,
                )
            )
            replaying = asyncio.create_task(
                replay_on_and_on(
                    clock=_now,
                    ids=Ids(_now),
                    moved_on=lambda tenant_id, id_: announcements.tell(
                        tenant_id, ChangeKind.REPLAYS, id_
                    ),
                )
            )
            try:
                pump = _pump(settings, transport)
                pump.watchers.append(partial(_announce, announcements))
                async with _telling(settings, pump), _tracing(settings, pump):
                    await pump.run(stop)
            finally:
                house.cancel()
                replaying.cancel()
                await asyncio.gather(house, replaying, return_exceptions=True)
    log.info("worker stopped")


@asynccontextmanager
async def _announcing(settings: Settings) -> AsyncGenerator[Announcements, None]:
    redis = open_redis(settings.redis.redis_url)
    announcements = Announcements(redis, pause_s=ANNOUNCEMENT_PAUSE_S)
    try:
        yield announcements
    finally:
        await announcements.aclose()
        await redis.aclose()


def _announce(announcements: Announcements, record: Record) -> None:
    due = record.due
    announcements.tell(due.tenant_id, ChangeKind.DELIVERIES)
    if record.is_gone:
        announcements.tell(due.tenant_id, ChangeKind.INTEGRATIONS, due.integration_id)


@asynccontextmanager
async def _telling(settings: Settings, pump: Pump) -> AsyncGenerator[None, None]:
    port = settings.worker.guardian_worker_metrics_port
    if not port:
        yield
        return
    # Who is not scraped pays nothing for it.
    from worker.metrics import Metrics, serve  # noqa: PLC0415

    async with serve(Metrics(pump), settings.worker.guardian_worker_metrics_host, port):
        yield


@asynccontextmanager
async def _tracing(settings: Settings, pump: Pump) -> AsyncGenerator[None, None]:
    url = settings.traces.guardian_traces_url
    if not url:
        yield
        return
    exporter = Exporter(url, service="guardian-worker", release=version("guardian-z07"))
    traces = Traces(exporter, clock=_now)
    pump.claim_watchers.append(traces.claimed)
    pump.watchers.append(traces.settled)
    try:
        yield
    finally:
        await asyncio.to_thread(exporter.close)


@asynccontextmanager
async def _desk(ai: AiSettings, announcements: Announcements) -> AsyncGenerator[Desk, None]:
    caps = Caps(
        calls_per_day=ai.guardian_ai_tenant_calls_per_day,
        usd_per_month=ai.guardian_ai_usd_per_month,
    )

    def told(tenant_id: UUID) -> None:
        announcements.tell(tenant_id, ChangeKind.NARRATIVE)

    if not ai.anthropic_api_key:
        yield Desk(None, caps, _now, told)
        return
    # More than a second and 70 MB, which a worker without a key need not spend.
    from worker.narrator import AnthropicNarrator  # noqa: PLC0415

    narrator = AnthropicNarrator(ai.anthropic_api_key, ai)
    try:
        yield Desk(narrator, caps, _now, told)
    finally:
        await narrator.aclose()


def _pump(settings: Settings, transport: Transport) -> Pump:
    worker = settings.worker
    release = version("guardian-z07")
    monotonic = asyncio.get_running_loop().time
    identity = Identity(
        owner=UUID(bytes=os.urandom(16)),
        host=socket.gethostname(),
        pid=os.getpid(),
        version=release,
    )
    means = Means(
        leases=Leases(
            identity, duration_s=worker.guardian_worker_lease_seconds, monotonic=monotonic
        ),
        transport=transport,
        ring=settings.ring,
        user_agent=user_agent(release),
        wake_ups=partial(listen, settings.redis.redis_url),
        clock=_now,
        monotonic=monotonic,
        spread=random.Random().random,  # noqa: S311 - spreads retries, protects nothing
        ids=Ids(_now),
        traceparent_of=traceparent_of if settings.traces.guardian_traces_to_receivers else None,
    )
    pace = Pace(
        in_flight=worker.guardian_worker_in_flight,
        look_s=worker.guardian_worker_look_seconds,
        beat_s=min(worker.guardian_worker_lease_seconds / BEATS_PER_LEASE, LONGEST_BEAT_S),
        drain_s=worker.guardian_worker_drain_seconds,
    )
    pump = Pump(means, pace)
    pump.watchers.append(tell)
    return pump


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
