"""What was answered 202 arrives, whatever dies in between; duplicates carry the same id."""

import asyncio
from collections import Counter
from collections.abc import Callable

import httpx
from redis.asyncio import Redis

from shared.contracts.words import Role
from tests.conftest import Servers
from tests.journeys.conftest import System, eventually
from tests.receiver import Receiver

WAITING = 2_000


async def test_two_thousand_waiting_survive_a_killed_worker(
    system: System, figure: Callable[[str], None]
) -> None:
    async with Receiver() as receiver:
        await system.connect(receiver.url)
        told = await _observe(system, WAITING)
        first = system.start("worker")

        async def is_under_way() -> bool:
            return len(receiver.received) >= WAITING // 10

        await eventually(is_under_way, "the first worker is under way")
        system.kill(first)
        received_before = len(receiver.received)
        system.start("worker")

        await _all_arrive(receiver, told)

        assert received_before < WAITING, "the worker was killed too late to show anything"
        figure(_settle_accounts("kill -9 of the worker", told, receiver))


async def test_two_thousand_waiting_survive_a_flushed_redis(
    system: System, servers: Servers, figure: Callable[[str], None]
) -> None:
    async with Receiver() as receiver:
        await system.connect(receiver.url)
        told = await _observe(system, WAITING)
        redis = Redis.from_url(servers.redis_url)
        await redis.flushall()
        system.start("worker")
        await redis.flushall()

        await _all_arrive(receiver, told)

        await redis.flushall()
        await redis.aclose()
        figure(_settle_accounts("FLUSHALL", told, receiver))


async def test_a_killed_api_has_stored_all_that_it_accepted(
    system: System, figure: Callable[[str], None]
) -> None:
    async with Receiver() as receiver:
        await system.connect(receiver.url)
        api = system.running[0]
        sending = asyncio.create_task(_observe_until_refused(system))

        async with system.speak() as client:

            async def some_are_stored() -> bool:
                page = await client.get("/deliveries", params={"limit": 200})
                return len(page.json()["items"]) >= 20

            await eventually(some_are_stored, "some observations are stored")
        system.kill(api)
        told = await sending
        assert told
        system.start("api")
        await eventually(system.serves, "the API is back")
        system.start("worker")

        await _all_arrive(receiver, told)

        figure(_settle_accounts("kill -9 of the API", told, receiver))


async def _observe(system: System, count: int) -> set[str]:
    """Send `count` observations, eight at a time, and answer the ids of their events."""
    told: set[str] = set()
    numbers = iter(range(count))

    async def send(client: httpx.AsyncClient) -> None:
        for number in numbers:
            answer = await client.post("/observations/lifecycle-runs", json=_run(number))
            assert answer.status_code == 202, answer.text
            told.update(answer.json()["event_ids"])

    async with system.speak(Role.INGEST) as client:
        await asyncio.gather(*(send(client) for _ in range(8)))
    return told


async def _observe_until_refused(system: System) -> set[str]:
    """Send one after the other until the API is gone."""
    told: set[str] = set()
    async with system.speak(Role.INGEST) as client:
        for number in range(100_000):
            try:
                answer = await client.post("/observations/lifecycle-runs", json=_run(number))
            except httpx.TransportError:
                break
            assert answer.status_code == 202, answer.text
            told.update(answer.json()["event_ids"])
    return told


def _run(number: int) -> dict[str, object]:
    return {
        "run_at": "2026-11-01T06:00:00Z",
        "total_compacted": number,
        "total_deleted": 0,
        "operations_successful": 1,
        "operations_failed": 0,
    }


async def _all_arrive(receiver: Receiver, told: set[str]) -> None:
    async def all_are_there() -> bool:
        return told <= {request.headers["webhook-id"] for request in receiver.received}

    await eventually(all_are_there, "every event arrives", within_s=60)


def _settle_accounts(what: str, told: set[str], receiver: Receiver) -> str:
    counts = Counter(request.headers["webhook-id"] for request in receiver.received)
    lost = len(told - set(counts))
    again = sum(count - 1 for count in counts.values())
    assert lost == 0
    return f"{what}: {len(told)} accepted, {lost} lost, {again} came again with the same id"
