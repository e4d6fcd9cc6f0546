"""`python -m tests.bench.reads`: how long success questions take, on much and on ten times as much.

One API process on one core answers a client on another, beside what the naive way to the same
answers costs PostgreSQL in the same run: fetching every row of the tenant. Then the same process
takes observations in, singly and in batches.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from uuid import UUID, uuid4

import httpx
import msgspec

from api.openapi import ROOT
from shared.contracts.words import Dimension, Scope
from shared.data.connection import Connection
from shared.domain import api_keys
from shared.domain.catalogue import Capability, Catalogue, Edition, SubDimension
from shared.runtime.story import CAPABILITIES, EDITIONS, SUB_DIMENSIONS
from tests.bench.figures import Figure, percentile, table
from tests.bench.reads_rows import seed, tenant_id
from tests.bench.stand import WORKER_CPUS, Stand, eventually, host, stand

PEPPER = "a pepper for the bench only"
ASKED_TENANTS = 100
"""Of so many the client has a key."""

NAIVE_QUESTIONS = 15
WARM_UP = 50
DOMAINS = len(Scope)


@dataclass(frozen=True)
class Amount:
    """How much is stored and how much is asked.

    Attributes:
        tenants: how many there are.
        thickness: observations of each domain a day, over two years.
        questions: of each kind.
        seconds: of each way of ingest.
        batch_lines: of each batch.
    """

    tenants: int
    thickness: int
    questions: int
    seconds: float
    batch_lines: int = 10_000


@dataclass(frozen=True)
class Served:
    """An API, and keys of some of its tenants."""

    url: str
    keys: dict[UUID, str]
    owner: Connection


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each thickness on a database of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reads", description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--thickness", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args(arguments)
    medians: list[list[Figure]] = []
    with stand() as servers:
        for thickness in options.thickness:
            amount = Amount(options.tenants, thickness, options.questions, options.seconds)
            found = asyncio.run(measure(servers, amount))
            medians.append(found)
            print(f"\n{table(found)}", flush=True)
    if len(medians) > 1:
        print(f"\n{table(_growth(medians[0], medians[-1]))}")
    print(f"\n{json.dumps(host())}")
    return 0


async def measure(servers: Stand, amount: Amount) -> list[Figure]:
    """Seed a database, and ask and tell through HTTP."""
    name = f"reads_{amount.thickness}"
    async with servers.database(name) as bench:
        began = time.monotonic()
        rows = await seed(
            bench.owner,
            tenants=amount.tenants,
            thickness=amount.thickness,
            until=datetime.now(UTC),
            catalogue=CATALOGUE,
        )
        print(f"{rows} rows in {time.monotonic() - began:.0f} s", flush=True)
        async with _serving(servers, name, bench.owner, amount) as served:
            return [
                *await _reads(served, amount),
                *await _naive(served, amount),
                *await _ingest(served, amount),
            ]


@asynccontextmanager
async def _serving(
    servers: Stand, name: str, owner: Connection, amount: Amount
) -> AsyncGenerator[Served, None]:
    numbers = range(1, min(amount.tenants, ASKED_TENANTS) + 1)
    keys = {tenant_id(number): await _make_key(owner, number) for number in numbers}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        "DATABASE_URL": servers.servers.url("guardian_api", name),
        "REDIS_URL": servers.servers.redis_url,
        "GUARDIAN_KEY_RING": servers.ring,
        "GUARDIAN_KEY_PEPPER": PEPPER,
        "GUARDIAN_API_PORT": str(port),
        "GUARDIAN_LOG_LEVEL": "warning",
        "GUARDIAN_RATE_PER_KEY": "0",
        "GUARDIAN_RATE_PER_ADDRESS": "0",
    }
    process = servers.process("api", env=env, cpus=WORKER_CPUS)
    try:
        served = Served(f"http://127.0.0.1:{port}", keys, owner)
        await eventually(lambda: _answers(served.url), "the API answers")
        yield served
    finally:
        servers.end(process)


async def _make_key(owner: Connection, number: int) -> str:
    key = api_keys.new_key(os.urandom(api_keys.ENTROPY_BYTES))
    await owner.execute(
        """
        INSERT INTO api_key (id, tenant_id, role, label, prefix, digest, created_at, last_used_at)
        VALUES ($1, $2, 'admin', 'bench', $3, $4, now(), now())
        """,
        uuid4(),
        tenant_id(number),
        key.prefix,
        api_keys.digest(key.text, pepper=PEPPER),
    )
    return key.text


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"{url}/health/ready")).is_success
        except httpx.TransportError:
            return False


async def _reads(served: Served, amount: Amount) -> list[Figure]:
    """One question after the other, each of another tenant: what a caller waits for."""
    figures: list[Figure] = []
    routes = {"overview": "/success/overview", "history": "/success/history"}
    dice = Random(1)  # noqa: S311 - the same tenants each time
    async with httpx.AsyncClient(base_url=served.url + ROOT) as client:
        for name, route in routes.items():
            waits: list[float] = []
            for number in range(amount.questions + WARM_UP):
                key = dice.choice(list(served.keys.values()))
                headers = {"authorization": f"Bearer {key}"}
                began = time.perf_counter()
                answer = await client.get(route, headers=headers)
                if number >= WARM_UP:
                    waits.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, answer.text
            for part, goal in ((0.5, ""), (0.99, "<= 10")):
                value = percentile(waits, part)
                label = f"{name} p{part * 100:.0f}"
                figures.append(Figure(name=label, unit="ms", values=[value], goal=goal))
    return figures


async def _naive(served: Served, amount: Amount) -> list[Figure]:
    """What it costs only to fetch all rows that the tenant has, and decode their bodies."""
    waits: list[float] = []
    for one in list(served.keys)[:NAIVE_QUESTIONS]:
        began = time.perf_counter()
        rows = await served.owner.fetch(
            "SELECT * FROM observation WHERE tenant_id = $1 ORDER BY observed_at", one
        )
        newest = {row["domain"]: msgspec.json.decode(row["body"]) for row in rows}
        waits.append((time.perf_counter() - began) * 1000)
        assert len(newest) == DOMAINS
    return [Figure(name="every row of the tenant p50", unit="ms", values=[percentile(waits, 0.5)])]


async def _ingest(served: Served, amount: Amount) -> list[Figure]:
    """Observations a second, by sixteen callers singly and by two in batches."""
    batch = b"\n".join([LINE] * amount.batch_lines)

    async def single(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
        answer = await client.post("/observations/readiness", content=ONE, headers=headers)
        assert answer.status_code == 202, answer.text
        return 1

    async def batched(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
        answer = await client.post(
            "/observations/batch", params={"events": "false"}, content=batch, headers=headers
        )
        assert answer.json()["accepted"] == amount.batch_lines, answer.text[:500]
        return amount.batch_lines

    return [
        Figure(
            name=f"ingest {name}",
            unit="/s",
            values=[await _rate(served, send, callers=callers, seconds=amount.seconds)],
            goal=goal,
        )
        for name, send, callers, goal in (
            ("single", single, 16, ">= 500"),
            ("batched", batched, 2, ">= 20000"),
        )
    ]


async def _rate(
    served: Served,
    send: Callable[[httpx.AsyncClient, dict[str, str]], Awaitable[int]],
    *,
    callers: int,
    seconds: float,
) -> float:
    began = time.perf_counter()

    async def call(key: str) -> int:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        done = 0
        async with httpx.AsyncClient(base_url=served.url + ROOT, timeout=60) as client:
            while not done or time.perf_counter() - began < seconds:
                done += await send(client, headers)
        return done

    keys = list(served.keys.values())
    counts = await asyncio.gather(*(call(keys[n % len(keys)]) for n in range(callers)))
    return sum(counts) / (time.perf_counter() - began)


def _growth(small: Sequence[Figure], large: Sequence[Figure]) -> list[Figure]:
    """How much longer the same question takes on the larger database."""
    before = {one.name: one.median for one in small}
    return [
        Figure(
            name=f"{one.name}, larger / smaller",
            unit="x",
            values=[one.median / before[one.name]],
            goal="" if one.name.startswith("every") else "<= 1.3",
        )
        for one in large
        if one.name.endswith("p50")
    ]


CATALOGUE = Catalogue(
    capabilities={key: Capability("Any", 1.0) for key, _ in CAPABILITIES},
    editions={key: Edition("Any", is_active=True) for key, _ in EDITIONS},
    sub_dimensions={
        (Dimension(dimension), name): SubDimension(1.0, 20, 50, 80)
        for dimension, name, _ in SUB_DIMENSIONS
    },
)
"""Every score counts alike, which changes no cost."""

_TOLD = {
    "computed_at": "2026-11-01T06:00:00Z",
    "capabilities": [{"key": key, "score": 70 + off} for key, off in CAPABILITIES],
}
ONE = json.dumps(_TOLD).encode()
LINE = json.dumps({"domain": "readiness"} | _TOLD).encode()


if __name__ == "__main__":
    sys.exit(main())
