"""The jobs that keep house, and the loop that runs them through every outage of Redis.

arq runs each of them once, however many workers there are. Delivering does not depend on any of it.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from arq.cron import CronJob, cron
from arq.worker import Worker
from redis.exceptions import RedisError

from shared.domain.uuid7 import Ids
from shared.jobs import arq_settings, decode_job, encode_job
from worker import digests, narratives, retention
from worker.narratives import Desk

PAUSE_S = 5.0
CLOSE_S = 2.0
LONG_RUN_S = 30.0
JOB_TIMEOUT_S = 600

log = logging.getLogger("guardian.house")

Context = dict[Any, Any]
"""arq's bag of things; ours are `clock`, `desk` and `retention_days`."""


async def make_partitions(ctx: Context) -> int:
    """Keep the partitions of the coming months ready."""
    return await retention.make_partitions(_now(ctx))


async def let_history_go(ctx: Context) -> int:
    """Drop the months that are older than the policy keeps."""
    clock = ctx["clock"]
    done = await retention.let_history_go(clock(), days=ctx["retention_days"], ids=Ids(clock))
    return len(done.dropped)


async def forget_idempotency_keys(ctx: Context) -> int:
    """Forget requests that nobody will repeat any more."""
    return await retention.forget_idempotency_keys(_now(ctx))


async def forget_silent_workers(ctx: Context) -> int:
    """Forget workers that were killed."""
    return await retention.forget_silent_workers(_now(ctx))


async def tell_narrative(ctx: Context, tenant_id: str, key: str) -> str:
    """Answer one narrative's question."""
    return await narratives.tell_one(_desk(ctx), UUID(tenant_id), key)


async def tell_waiting_narratives(ctx: Context) -> int:
    """Answer the questions whose job was lost."""
    return await narratives.tell_waiting(_desk(ctx))


async def check_model(ctx: Context) -> str:
    """Ask the provider what becomes of the model."""
    return await narratives.check_model(_desk(ctx))


async def forget_narratives(ctx: Context) -> int:
    """Forget what a model wrote half a year ago."""
    return await narratives.forget_narratives(_now(ctx))


async def send_digests(ctx: Context) -> int:
    """Tell the chats that asked for it their week, once a week."""
    clock = ctx["clock"]
    return await digests.send_digests(clock(), ids=Ids(clock))


async def keep_house(
    redis_url: str,
    *,
    clock: Callable[[], datetime],
    desk: Desk,
    retention_days: int,
    pause_s: float = PAUSE_S,
) -> None:
    """Run the jobs when their time comes, until cancelled.

    Args:
        redis_url: where arq keeps its jobs.
        clock: handed to the jobs.
        desk: what narratives are written with.
        retention_days: how long events and attempts are kept.
        pause_s: after Redis was lost, before it is tried again.
    """
    is_news = True
    while True:
        began = time.monotonic()
        # One that has lost Redis cannot be used again.
        worker = Worker(
            functions=[tell_narrative],
            cron_jobs=_schedule(),
            redis_settings=arq_settings(redis_url),
            handle_signals=False,
            job_timeout=JOB_TIMEOUT_S,
            keep_result=0,
            ctx={"clock": clock, "desk": desk, "retention_days": retention_days},
            job_serializer=encode_job,
            job_deserializer=decode_job,
            timezone=UTC,
        )
        try:
            await worker.async_run()
        except (RedisError, OSError) as error:
            is_news = is_news or time.monotonic() - began > LONG_RUN_S
            log.log(
                logging.WARNING if is_news else logging.DEBUG,
                "house-keeping waits for Redis: %s",
                type(error).__name__,
            )
            is_news = False
        except Exception:
            # Whatever it is, delivering goes on, and so does the next round of house-keeping.
            log.exception("house-keeping was interrupted")
        finally:
            await _close(worker)
        await asyncio.sleep(pause_s)


def _schedule() -> list[CronJob]:
    return [
        cron(make_partitions, hour=3, minute=7),
        cron(let_history_go, hour=3, minute=47),
        cron(forget_idempotency_keys, hour=3, minute=17),
        cron(forget_silent_workers, minute=27),
        cron(tell_waiting_narratives, second=41),
        cron(check_model, hour=4, minute=11, run_at_startup=True),
        cron(forget_narratives, hour=3, minute=37),
        # Often, so that an outage on Monday morning costs minutes and not a week.
        cron(send_digests, minute=set(range(4, 60, 5)), run_at_startup=True),
    ]


async def _close(worker: Worker) -> None:
    closing = asyncio.create_task(worker.close())
    # Without Redis it fails half-way, and cancelled jobs end it early; neither is news.
    await asyncio.wait({closing}, timeout=CLOSE_S)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    with suppress(AttributeError, RedisError, OSError):
        await worker.pool.aclose(close_connection_pool=True)


def _now(ctx: Context) -> datetime:
    return ctx["clock"]()


def _desk(ctx: Context) -> Desk:
    return ctx["desk"]
