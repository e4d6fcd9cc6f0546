"""A budget is one budget in every process, and a refusal for it says how long to wait."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from time import perf_counter, process_time
from typing import cast
from uuid import UUID

import httpx
import pytest
from litestar.types import Scope
from redis.asyncio import Redis

from api.rate_limits import PATIENCE_S, Budgets, Limits, site_of
from shared.contracts.words import Role
from shared.errors import RateLimitedError
from shared.jobs import open_redis
from tests.conftest import Servers
from tests.unit.api.conftest import Api


class Hands:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def redis(servers: Servers) -> AsyncGenerator[Redis]:
    client = open_redis(servers.redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def subject() -> str:
    return f"tests:{os.urandom(6).hex()}"


def budgets(redis: Redis, clock: Callable[[], float] | None = None) -> Budgets:
    return Budgets(redis, monotonic=clock or Hands())


async def granted(ask: Callable[[], Awaitable[None]], times: int) -> int:
    count = 0
    for _ in range(times):
        with suppress(RateLimitedError):
            await ask()
            count += 1
    return count


@pytest.mark.parametrize("budget", [1, 7, 99, 250, 5000])
async def test_processes_together_grant_a_budget_and_not_one_more(
    redis: Redis, subject: str, budget: int
) -> None:
    processes = [budgets(redis) for _ in range(3)]

    counts = await asyncio.gather(
        *(granted(lambda one=one: one.spend(subject, budget), budget) for one in processes)
    )

    assert sum(counts) == budget


async def test_many_who_ask_one_process_at_once_are_counted_one_by_one(
    redis: Redis, subject: str
) -> None:
    process = budgets(redis)

    answers = await asyncio.gather(
        *(process.spend(subject, 30) for _ in range(90)), return_exceptions=True
    )

    assert sum(answer is None for answer in answers) == 30


async def test_a_refusal_says_when_the_window_ends_and_then_all_is_granted_again(
    redis: Redis, subject: str
) -> None:
    clock = Hands()
    process = Budgets(redis, monotonic=clock, window_s=30)
    await granted(lambda: process.spend(subject, 2), 2)
    with pytest.raises(RateLimitedError) as refused:
        await process.spend(subject, 2)
    assert 0 < refused.value.wait_s <= 30

    assert 0 < await redis.pttl(f"guardian:rate:{subject}") <= 30_000
    clock.now += refused.value.wait_s
    await redis.delete(f"guardian:rate:{subject}")  # as its time would have

    assert await granted(lambda: process.spend(subject, 2), 3) == 2


async def test_no_budget_means_no_limit(redis: Redis, subject: str) -> None:
    assert await granted(lambda: budgets(redis).spend(subject, 0), 500) == 500
    assert not await redis.exists(f"guardian:rate:{subject}")


async def test_without_redis_each_process_counts_for_itself_and_refuses_nobody_wrongly(
    subject: str,
) -> None:
    nowhere = open_redis("redis://127.0.0.1:1/0")
    first, second = budgets(nowhere), budgets(nowhere)

    assert await granted(lambda: first.spend(subject, 40), 100) == 40
    assert await granted(lambda: second.spend(subject, 40), 100) == 40
    await nowhere.aclose()


async def test_a_redis_that_hangs_costs_one_short_wait_and_not_one_for_each(subject: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = open_redis(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        process = budgets(hanging)
        began = perf_counter()
        for number in range(3):
            await process.spend(f"{subject}{number}", 10)
        took = perf_counter() - began
        await hanging.aclose()

    assert took < 8 * PATIENCE_S


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2a00:1:2:3:4:5:6:7", "2a00:1:2:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "here"),
        ("a name", "here"),
    ],
)
def test_addresses_that_one_customer_can_change_at_will_are_one(host: str, site: str) -> None:
    assert site_of(cast("Scope", {"client": (host, 1)})) == site


async def test_a_key_that_asks_too_often_is_told_how_long_to_wait_and_others_go_on(
    api: Api, tenant: UUID
) -> None:
    limited = replace(api, app=api.rebuilt(limits=Limits(per_key=3)))
    busy = limited.client(await api.make_key(Role.READER, tenant))
    calm = limited.client(await api.make_key(Role.READER, tenant))

    statuses = [(await busy.get("/stats")).status_code for _ in range(5)]
    refused = await busy.get("/stats")

    assert statuses == [200, 200, 200, 429, 429]
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await calm.get("/stats")).status_code == 200


async def test_an_address_that_fails_too_often_is_refused_before_its_keys_are_looked_up(
    api: Api, tenant: UUID, site: str
) -> None:
    limited = replace(api, app=api.rebuilt(limits=Limits(failures=3)))
    good = limited.client(await api.make_key(Role.READER, tenant))
    late = limited.client(await api.make_key(Role.READER, tenant))
    assert (await _get(good, site)).status_code == 200

    guesses = [limited.client(f"gz7_live_{number:048d}") for number in range(6)]
    statuses = [(await _get(guess, site)).status_code for guess in guesses]

    assert statuses == [401, 401, 401, 429, 429, 429]
    assert (await _get(good, site)).status_code == 200, "it was good before"
    assert (await _get(late, site)).status_code == 429, "nobody knows it here yet"
    assert (await _get(late, "198.51.100.77")).status_code == 200, "from elsewhere it is heard"


@pytest.fixture
def site() -> str:
    return f"10.{os.urandom(1)[0]}.{os.urandom(1)[0]}.{os.urandom(1)[0]}"


async def _get(client: httpx.AsyncClient, site: str) -> httpx.Response:
    """Ask as if from that address."""
    transport = cast("httpx.ASGITransport", client._transport)
    transport.client = (site, 40_000)
    return await client.get("/stats")


async def test_all_keys_of_an_address_share_its_budget(api: Api, tenant: UUID, site: str) -> None:
    limited = replace(api, app=api.rebuilt(limits=Limits(per_address=4)))
    clients = [limited.client(await api.make_key(Role.READER, tenant)) for _ in range(3)]

    statuses = [(await _get(client, site)).status_code for _ in range(2) for client in clients]

    assert statuses == [200] * 4 + [429] * 2


async def test_what_a_limit_costs_a_request(
    api: Api, tenant: UUID, figure: Callable[[str], None]
) -> None:
    key = await api.make_key(Role.READER, tenant)
    limits = Limits(per_key=30_000, per_address=60_000, failures=60)
    callers = [replace(api, app=api.rebuilt(limits=one)).client(key) for one in (Limits(), limits)]
    # Of the processor, since others use this machine, too; the fastest of many rounds.
    free, bound = float("inf"), float("inf")
    for _ in range(20):
        free = min(free, await _processor_time(callers[0], 20))
        bound = min(bound, await _processor_time(callers[1], 20))

    figure(
        f"rate limits: {bound * 1e3:.3f} ms of the processor a request, {free * 1e3:.3f} ms "
        f"without: {bound / free - 1:+.1%}"
    )
    assert bound < 1.5 * free


async def _processor_time(client: httpx.AsyncClient, requests: int) -> float:
    """Seconds of the processor for one request, of as many."""
    began = process_time()
    for _ in range(requests):
        assert (await client.get("/event-types")).status_code == 200
    return (process_time() - began) / requests


async def test_who_comes_when_a_part_was_just_taken_waits_his_turn_and_holds_nobody_up(
    redis: Redis, subject: str
) -> None:
    ours = budgets(redis)

    def give_up(*_: object) -> None:
        raise AssertionError("asking for the next part never let the loop go on")

    async def come(delay: int, number: int) -> int:
        for _ in range(delay):
            await asyncio.sleep(0)
        return await granted(lambda: ours.spend(f"{subject}:{number}", 60), 1)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 20, 0.01)
    try:
        for number in range(20):
            told = await asyncio.gather(*(come(turn // 4, number) for turn in range(400)))
            assert sum(told) == 60
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
