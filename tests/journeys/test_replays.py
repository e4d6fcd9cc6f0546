"""A replay reaches the receiver whole: whoever is killed, each chosen delivery goes once more."""

import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from shared.data.session import working
from shared.domain.uuid7 import uuid7
from tests.conftest import Clock
from tests.journeys.conftest import System, eventually
from tests.receiver import Receiver

CHOSEN = 10_000
ORDERED = 300
ENTROPY_BYTES = 10


async def test_a_replay_survives_a_killed_worker_and_live_traffic_goes_first(
    system: System, clock: Clock, figure: Callable[[str], None]
) -> None:
    async with Receiver() as receiver:
        integration = await system.connect(receiver.url)
        began = clock() - timedelta(hours=1)
        given_up_at = clock() - timedelta(minutes=30)
        events = await _given_up(system, UUID(integration["id"]), given_up_at, count=CHOSEN)
        wanted = {
            "integration_id": integration["id"],
            "since": began.isoformat(),
            "statuses": ["discarded"],
        }
        async with system.speak() as client:
            dry = await client.post("/replays", json=wanted | {"dry_run": True})
            assert dry.json()["count"] == CHOSEN
            first = system.start("worker")
            started = await client.post("/replays", json=wanted)
            assert started.status_code == 202, started.text
            path = f"/replays/{started.json()['id']}"

            async def is_half_way() -> bool:
                return (await client.get(path)).json()["sent"] >= CHOSEN // 2

            await eventually(is_half_way, "half of the replay is on its way")
            system.kill(first)
            at_the_kill = (await client.get(path)).json()["sent"]
            received_before = len(receiver.received)
            system.start("worker")
            tested = await client.post("/integrations/test")
            live = tested.json()["integrations"][0]["event_id"]

            async def all_are_there() -> bool:
                return {*events, live} <= {one.webhook_id for one in receiver.received}

            await eventually(all_are_there, "every chosen event arrives", within_s=60)

            async def is_done() -> bool:
                return await _is_settled(client, path)

            await eventually(is_done, "the replay is done")
            shown = (await client.get(path)).json()
            made = await _delivered(UUID(integration["id"]))

    counts = Counter(one.webhook_id for one in receiver.received)
    again = sum(counts[event] - 1 for event in events)
    arrived = [one.webhook_id for one in receiver.received]
    assert at_the_kill < CHOSEN, "the worker was killed too late to show anything"
    assert (shown["status"], shown["count"], shown["sent"]) == ("done", CHOSEN, CHOSEN)
    assert made == dict.fromkeys(events, 1) | {live: 1}
    assert arrived.index(live) < len(arrived) - 500, "live traffic waited for the replay"
    figure(
        f"replay of {CHOSEN}, kill -9 after {received_before}: each delivered once, "
        f"{again} came again with the same id"
    )


async def test_an_ordered_integration_gets_its_replay_in_the_order_of_the_events(
    system: System, clock: Clock, figure: Callable[[str], None]
) -> None:
    async with Receiver() as receiver:
        integration = await system.connect(receiver.url, ordered=True)
        given_up_at = clock() - timedelta(minutes=30)
        events = await _given_up(system, UUID(integration["id"]), given_up_at, count=ORDERED)
        wanted = {"integration_id": integration["id"], "since": given_up_at.isoformat()}
        async with system.speak() as client:
            dry = await client.post("/replays", json=wanted | {"dry_run": True})
            first = system.start("worker")
            started = await client.post("/replays", json=wanted)
            path = f"/replays/{started.json()['id']}"
            await receiver.wait_for(ORDERED // 2, deadline_s=60)
            system.kill(first)
            at_the_kill = len(receiver.received)
            system.start("worker")

            async def is_done() -> bool:
                return await _is_settled(client, path)

            await eventually(is_done, "the replay is done", within_s=90)
        made = await _delivered(UUID(integration["id"]))

    arrived = list(dict.fromkeys(one.webhook_id for one in receiver.received))
    assert at_the_kill < ORDERED, "the worker was killed too late to show anything"
    assert arrived == events
    assert (made, dry.json()["count"]) == (dict.fromkeys(events, 1), ORDERED)
    again = len(receiver.received) - ORDERED
    figure(
        f"ordered replay of {ORDERED}, kill -9 after {at_the_kill}: order kept, {again} repeated"
    )


async def _given_up(system: System, integration_id: UUID, at: Any, *, count: int) -> list[str]:
    """Events whose deliveries were discarded, as a long outage leaves them."""
    rows = [
        [uuid7(at + timedelta(milliseconds=n), os.urandom(ENTROPY_BYTES)) for _ in range(2)]
        for n in range(count)
    ]
    events, deliveries = zip(*rows, strict=True)
    async with working() as session:
        await session.connection.execute(
            """
            WITH made AS (
              INSERT INTO event (tenant_id, id, type, scope, occurred_at, body)
              SELECT $1, id, 'readiness_updated', 'readiness', $2,
                '{"type":"readiness_updated","data":{}}'
              FROM unnest($3::uuid[]) AS id
            )
            INSERT INTO delivery_attempt (tenant_id, delivery_id, number, integration_id, event_id,
              event_type, status, reason, started_at, duration_ms)
            SELECT $1, delivery_id, 10, $4, event_id, 'readiness_updated', 'discarded',
              'attempts_exhausted', $2, 5
            FROM unnest($5::uuid[], $3::uuid[]) AS given (delivery_id, event_id)
            """,
            system.tenant_id,
            at,
            list(events),
            integration_id,
            list(deliveries),
        )
    return [str(event) for event in events]


async def _is_settled(client: httpx.AsyncClient, path: str) -> bool:
    if (await client.get(path)).json()["status"] != "done":
        return False
    async with working(is_read_only=True) as session:
        return not await session.connection.fetchval("SELECT count(*) FROM delivery_due")


async def _delivered(integration_id: UUID) -> dict[str, int]:
    """How many deliveries of each event reached this integration."""
    async with working(is_read_only=True) as session:
        rows = await session.connection.fetch(
            """
            SELECT event_id, count(*) FROM delivery_attempt
            WHERE integration_id = $1 AND status = 'delivered' GROUP BY event_id
            """,
            integration_id,
        )
    return {str(row["event_id"]): row["count"] for row in rows}
