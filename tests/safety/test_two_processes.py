"""Two API processes are one: limits are shared, and what is revoked in one is refused in both."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from time import perf_counter

import httpx
import pytest

from api.openapi import ROOT as BASE
from shared.contracts.words import Role
from shared.data.connection import Connection
from tests.conftest import Database, Servers
from tests.journeys.conftest import eventually
from tests.unit.api.conftest import Api
from tests.unit.api.test_start import free_port, settings, start

BUDGET = 400
SPENT_BEFORE = 2
FAILURES = 10


@pytest.fixture
async def two(api: Api, database: Database, servers: Servers) -> AsyncGenerator[list[str]]:
    """The addresses of two processes that share everything but memory."""
    env = settings(database.api_url, servers.redis_url) | {
        "GUARDIAN_RATE_PER_KEY": str(BUDGET),
        "GUARDIAN_RATE_FAILURES": str(FAILURES),
        "GUARDIAN_LOG_LEVEL": "warning",
    }
    ports = [free_port(), free_port()]
    running = [await start(env, "--port", str(port)) for port in ports]
    urls = [f"http://127.0.0.1:{port}" for port in ports]

    async def serve() -> bool:
        async with httpx.AsyncClient() as client:
            try:
                answers = [await client.get(f"{url}/health/live") for url in urls]
            except httpx.TransportError:
                return False
            return all(answer.is_success for answer in answers)

    try:
        await eventually(serve, "both processes answer")
        yield urls
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            await process.communicate()


def caller(url: str, key: str, *, site: str = "") -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"} | ({"x-forwarded-for": site} if site else {})
    return httpx.AsyncClient(base_url=url + BASE, headers=headers, timeout=20)


async def statuses(client: httpx.AsyncClient, times: int) -> Counter[int]:
    return Counter([(await client.get("/event-types")).status_code for _ in range(times)])


async def test_two_processes_share_every_limit_and_every_revocation(
    two: list[str], api: Api, owner: Connection, figure: Callable[[str], None]
) -> None:
    operator = await api.make_key(Role.OPERATOR, None)

    took = await _revoked(two, operator)
    first, second, refused = await _spent(two, operator)
    seen, elsewhere = await _guessed(two, site=f"203.0.113.{os.urandom(1)[0]}")

    assert took < 5
    assert set(first + second) == {200, 429}
    assert (first + second)[200] == BUDGET - SPENT_BEFORE
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert seen == {401: FAILURES, 429: FAILURES}
    assert elsewhere == {401: 1}
    assert await owner.fetchval("SELECT bool_and(last_used_at IS NOT NULL) FROM api_key")
    figure(
        f"two processes: let {first[200]} + {second[200]} of {BUDGET - SPENT_BEFORE} pass; a key "
        f"revoked in one was heard by the other for {took:.1f} s more"
    )


async def _revoked(two: list[str], operator: str) -> float:
    """How long a key that one process revoked is still heard by the other, in seconds."""
    async with caller(two[0], operator) as here:
        made = (await here.post("/keys", json={"role": "operator", "label": "short"})).json()
        async with caller(two[1], made["key"]) as there:
            assert (await there.get("/event-types")).status_code == 200
            assert (await here.delete(f"/keys/{made['id']}")).status_code == 204
            began = heard = perf_counter()

            async def is_refused() -> bool:
                nonlocal heard
                asked = perf_counter()
                if (await there.get("/event-types")).status_code == 401:
                    return True
                heard = asked
                return False

            await eventually(is_refused, "the other process refuses the key")
    return heard - began


async def _spent(two: list[str], key: str) -> tuple[Counter[int], Counter[int], httpx.Response]:
    """What both processes answer to more requests than the key has, and one more."""
    async with caller(two[0], key) as one, caller(two[1], key) as other:
        first, second = await asyncio.gather(statuses(one, BUDGET), statuses(other, BUDGET))
        return first, second, await one.get("/event-types")


async def _guessed(two: list[str], *, site: str) -> tuple[Counter[int], Counter[int]]:
    """What guesses from one address are answered in turn, and one from elsewhere afterwards."""
    seen = Counter[int]()
    for number in range(2 * FAILURES):
        async with caller(two[number % 2], f"gz7_live_{number:048d}", site=site) as client:
            seen += await statuses(client, 1)
    async with caller(two[0], f"gz7_live_{0:048d}", site="198.51.100.9") as client:
        return seen, await statuses(client, 1)
