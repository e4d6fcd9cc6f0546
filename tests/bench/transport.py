"""The engine's transport alone: the same requests to the same receiver, nothing else around it.

Started as `python -m tests.bench.transport`; prints rate and CPU per request as JSON.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from itertools import cycle
from uuid import UUID

import uvloop

from shared.domain.addresses import EgressRules
from shared.domain.signing import new_secret
from tests.bench.seeding import BODY
from worker.delivery.prepare import Due, Endpoint, Prepared, prepare
from worker.delivery.send import CurlTransport

WARM_UP_S = 0.5
NO_CONTENT = 204
_ZERO = UUID(int=0)


async def drive(urls: Sequence[str], *, at_once: int, seconds: float, ca_file: str) -> None:
    """Send as fast as it goes and print what that was."""
    rules = EgressRules((ip_network("127.0.0.0/8"),), is_http_allowed=True, allowed_ports=None)
    transport = CurlTransport(rules, clock=_now, ca_file=ca_file)
    requests = cycle([_request(url) for url in urls])
    is_over = False
    sent = 0

    async def send_on_and_on() -> None:
        nonlocal sent
        while not is_over:
            outcome = await transport.post(next(requests))
            if outcome.status_code != NO_CONTENT:
                raise RuntimeError(outcome.token)
            sent += 1

    tasks = [asyncio.create_task(send_on_and_on()) for _ in range(at_once)]
    await asyncio.sleep(WARM_UP_S)
    sent_before, began, cpu_before = sent, time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu_before
    count = sent - sent_before
    is_over = True
    await asyncio.gather(*tasks)
    await transport.aclose()
    sys.stdout.write(json.dumps({"rate": count / elapsed, "cpu_us": cpu / count * 1e6}) + "\n")


def _request(url: str) -> Prepared:
    endpoint = Endpoint(
        url=url,
        headers=(("content-type", "application/json"), ("user-agent", "Guardian-Webhooks/0.1.0")),
        secret=new_secret(os.urandom(32)),
    )
    due = Due(
        integration_id=_ZERO,
        id=_ZERO,
        tenant_id=_ZERO,
        event_id=_ZERO,
        attempt_count=0,
        is_retry=False,
        replay_of=None,
        event_type="readiness.updated",
        scope="readiness",
        body=BODY,
    )
    return prepare(due, endpoint, now=_now())


def _now() -> datetime:
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None) -> None:
    """Drive, as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--at-once", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--ca-file", required=True)
    parser.add_argument("urls", nargs="+")
    options = parser.parse_args(arguments)
    uvloop.run(
        drive(
            options.urls,
            at_once=options.at_once,
            seconds=options.seconds,
            ca_file=options.ca_file,
        )
    )


if __name__ == "__main__":
    main()
