"""The baseline: how such a worker is usually written, one arq job per webhook, httpx, a row a time.

Started as `python -m tests.bench.naive`; it makes the rows and the jobs, then measures how fast an
arq worker with one shared client and one shared pool gets through them, and prints that as JSON.
"""

import argparse
import hmac
import json
import ssl
import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, cast

import asyncpg
import httpx
import uvloop
from arq.connections import RedisSettings, create_pool
from arq.worker import Worker, func

from shared.data.connection import Connection
from shared.jobs import decode_job, encode_job
from tests.bench.seeding import BODY

SECRET = b"the secret of the naive worker.."
SUCCESSES = range(200, 300)
POOL_SIZE = 10
QUEUE = "bench:naive"


async def deliver(ctx: dict[Any, Any], number: int) -> None:
    """Read the row, send it, write down the attempt, write down the status."""
    pool = cast("Connection", ctx["pool"])
    client: httpx.AsyncClient = ctx["client"]
    row = await pool.fetchrow("SELECT url, body FROM naive_delivery WHERE id = $1", number)
    if row is None:
        return
    timestamp = str(int(time.time()))
    signed = f"msg_{number}.{timestamp}.".encode() + row["body"]
    began = time.perf_counter()
    answer = await client.post(
        row["url"],
        content=row["body"],
        headers={
            "content-type": "application/json",
            "webhook-id": f"msg_{number}",
            "webhook-timestamp": timestamp,
            "webhook-signature": "v1," + b64encode(hmac.digest(SECRET, signed, "sha256")).decode(),
        },
    )
    await pool.execute(
        "INSERT INTO naive_attempt (delivery_id, status_code, duration_ms) VALUES ($1, $2, $3)",
        number,
        answer.status_code,
        round((time.perf_counter() - began) * 1000),
    )
    await pool.execute(
        "UPDATE naive_delivery SET status = $2, attempts = attempts + 1 WHERE id = $1",
        number,
        "delivered" if answer.status_code in SUCCESSES else "failed",
    )


async def run(options: argparse.Namespace) -> None:
    """Make the work, do it, print what it took."""
    async with (
        asyncpg.create_pool(options.database, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool,
        httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=options.ca_file), timeout=15
        ) as client,
    ):
        await pool.execute(_TABLES)
        await pool.executemany(
            "INSERT INTO naive_delivery (id, url, body) VALUES ($1, $2, $3)",
            [(n, options.urls[n % len(options.urls)], BODY) for n in range(options.jobs)],
        )
        settings = RedisSettings.from_dsn(options.redis)
        redis = await create_pool(settings, job_serializer=encode_job)
        for number in range(options.jobs):
            await redis.enqueue_job("deliver", number, _queue_name=QUEUE)
        worker = Worker(
            functions=[func(deliver, name="deliver")],
            redis_settings=settings,
            queue_name=QUEUE,
            burst=True,
            max_jobs=options.at_once,
            keep_result=0,
            handle_signals=False,
            ctx={"pool": pool, "client": client},
            job_serializer=encode_job,
            job_deserializer=decode_job,
        )
        began, cpu_before = time.perf_counter(), time.process_time()
        await worker.async_run()
        elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu_before
        done = await cast("Connection", pool).fetchval(
            "SELECT count(*) FROM naive_delivery WHERE status = 'delivered'"
        )
        if done != options.jobs:
            raise RuntimeError(f"only {done} of {options.jobs} were delivered")
        await worker.close()
        await redis.aclose(close_connection_pool=True)
    figures = {"rate": options.jobs / elapsed, "cpu_us": cpu / options.jobs * 1e6}
    sys.stdout.write(json.dumps(figures) + "\n")


_TABLES = """
DROP TABLE IF EXISTS naive_delivery, naive_attempt;
CREATE TABLE naive_delivery (id bigint PRIMARY KEY, url text NOT NULL, body bytea NOT NULL,
  status text NOT NULL DEFAULT 'pending', attempts integer NOT NULL DEFAULT 0);
CREATE INDEX ON naive_delivery (status);
CREATE TABLE naive_attempt (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  delivery_id bigint NOT NULL, status_code integer, duration_ms integer,
  at timestamptz NOT NULL DEFAULT now());
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--ca-file", required=True)
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("urls", nargs="+")
    uvloop.run(run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
