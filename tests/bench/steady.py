"""Deliveries made one by one at a steady pace, and when each of them reached its receiver."""

import asyncio
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from itertools import cycle
from uuid import UUID

from redis.asyncio import Redis

from shared.jobs import WakeUps
from tests.bench.seeding import Seeder
from tests.bench.stand import Stand, eventually


async def steady(
    stand: Stand, seeder: Seeder, integration_ids: Sequence[UUID], *, rate: float, seconds: float
) -> dict[UUID, float]:
    """Commit a delivery to each integration in turn and wake the workers, as the API does.

    Returns:
        the monotonic instant of each commit, in seconds, by the event's id.
    """
    commits: dict[UUID, float] = {}
    whose = cycle(integration_ids)
    loop = asyncio.get_running_loop()
    async with Redis.from_url(stand.servers.redis_url) as redis:
        wake_ups = WakeUps(redis)
        began = loop.time()
        for number in range(max(1, round(rate * seconds))):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            integration_id = next(whose)
            event_id = await seeder.delivery(integration_id)
            commits[event_id] = time.monotonic()
            wake_ups.wake([integration_id])
        await wake_ups.aclose()
    return commits


async def settled(seeder: Seeder, *, except_for: Sequence[UUID] = ()) -> None:
    """Wait until nothing is due, apart from what `except_for` waits for."""

    async def nothing_is_due() -> bool:
        return not await seeder.owner.fetchval(
            "SELECT EXISTS (SELECT FROM delivery_due WHERE integration_id <> ALL ($1::uuid[]))",
            list(except_for),
        )

    await eventually(nothing_is_due, "all is delivered")


def stamps(port: int) -> dict[UUID, float]:
    """Fetch, and so forget, when the first byte of each request came; monotonic seconds."""
    link = HTTPConnection("127.0.0.1", port, timeout=10)
    link.request("GET", "/stamps")
    body = link.getresponse().read().decode()
    link.close()
    return {UUID(words[0]): float(words[1]) for words in map(str.split, body.splitlines())}
