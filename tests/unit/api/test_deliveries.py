"""Deliveries: what waits and what ended in one list, and one more try on request."""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from api.services.deliveries import page_query
from shared.contracts.words import DeliveryStatus
from shared.data.connection import Connection
from shared.data.session import working
from shared.domain.uuid7 import instant_of
from tests.unit.api.conftest import Api
from tests.unit.api.test_integrations import made


class History:
    """Writes what the worker would write."""

    def __init__(self, api: Api, tenant_id: UUID, integration_id: str) -> None:
        self._api = api
        self._tenant_id = tenant_id
        self._integration_id = UUID(integration_id)

    async def event(self, event_type: str = "readiness_updated") -> UUID:
        event_id = self._api.ids()
        async with working() as session:
            await session.connection.execute(
                "INSERT INTO event VALUES ($1, $2, $3, 'readiness', $4, NULL, $5)",
                self._tenant_id,
                event_id,
                event_type,
                self._api.clock(),
                b'{"type":"x"}',
            )
        return event_id

    async def waits(self, *, attempts: int = 0, event_type: str = "readiness_updated") -> UUID:
        event_id, delivery_id = await self.event(event_type), self._api.ids()
        due = self._api.clock() + timedelta(minutes=5) if attempts else None
        async with working() as session:
            await session.connection.execute(
                "INSERT INTO delivery_due VALUES ($1, $2, $3, $4, $5, $6)",
                self._integration_id,
                delivery_id,
                self._tenant_id,
                event_id,
                attempts,
                due,
            )
        for number in range(1, attempts + 1):
            await self._attempt(delivery_id, event_id, number, "failed", event_type)
        return delivery_id

    async def ended(
        self, status: str, *, attempts: int = 1, event_type: str = "readiness_updated"
    ) -> UUID:
        event_id, delivery_id = await self.event(event_type), self._api.ids()
        for number in range(1, attempts):
            await self._attempt(delivery_id, event_id, number, "failed", event_type)
        await self._attempt(delivery_id, event_id, attempts, status, event_type)
        return delivery_id

    async def counted(self, **counts: Any) -> None:
        hour = self._api.clock().replace(minute=0, second=0)
        values = {"delivered": 0, "discarded": 0, "failed_attempts": 0} | counts
        async with working() as session:
            await session.connection.execute(
                """
                INSERT INTO integration_hour (tenant_id, integration_id, hour, delivered,
                  discarded, failed_attempts, last_delivered_at, last_error, last_error_at)
                VALUES ($1, $2, $3, $4, $5, $6, $3, 'http_500', $3)
                """,
                self._tenant_id,
                self._integration_id,
                hour,
                *values.values(),
            )

    async def _attempt(
        self, delivery_id: UUID, event_id: UUID, number: int, status: str, event_type: str
    ) -> None:
        is_good = status == "delivered"
        async with working() as session:
            await session.connection.execute(
                """
                INSERT INTO delivery_attempt (tenant_id, delivery_id, number, integration_id,
                  event_id, event_type, status, reason, started_at, duration_ms, status_code,
                  error_class, excerpt)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 250, $10, $11, 'seen')
                """,
                self._tenant_id,
                delivery_id,
                number,
                self._integration_id,
                event_id,
                event_type,
                status,
                "attempts_exhausted" if status == "discarded" else None,
                self._api.clock(),
                200 if is_good else 500,
                None if is_good else "http_500",
            )


@pytest.fixture
async def history(api: Api, tenant: UUID, admin: httpx.AsyncClient) -> History:
    return History(api, tenant, (await made(admin))["id"])


async def ids(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get("/deliveries", params=params)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_what_waits_and_what_ended_come_as_one_list_newest_first(
    history: History, reader: httpx.AsyncClient, api: Api
) -> None:
    pending = await history.waits()
    delivered = await history.ended("delivered", attempts=2)
    failed = await history.waits(attempts=1)
    discarded = await history.ended("discarded", attempts=3)

    items = (await reader.get("/deliveries")).json()["items"]

    assert [(item["id"], item["status"], item["attempt_count"]) for item in items] == [
        (str(discarded), "discarded", 3),
        (str(failed), "failed", 1),
        (str(delivered), "delivered", 2),
        (str(pending), "pending", 0),
    ]
    assert [item["status_code"] for item in items] == [500, 500, 200, None]
    assert items[0]["reason"] == "attempts_exhausted"
    assert items[1]["next_attempt_at"] is not None
    assert items[1]["error_class"] == "http_500"
    assert items[3]["event_type"] == "readiness_updated"
    assert datetime.fromisoformat(items[0]["created_at"]) == instant_of(discarded)
    assert items[2]["finished_at"] is not None


async def test_the_list_narrows_by_status_integration_type_and_time(
    history: History, reader: httpx.AsyncClient, admin: httpx.AsyncClient, tenant: UUID, api: Api
) -> None:
    other = History(api, tenant, (await made(admin, integration_key="other"))["id"])
    pending = str(await history.waits(event_type="test"))
    failed = str(await other.waits(attempts=1))
    api.clock.advance(timedelta(seconds=10))
    delivered = str(await history.ended("delivered"))
    discarded = str(await other.ended("discarded", event_type="test"))
    later = api.clock().isoformat()

    assert await ids(reader, status="pending") == [pending]
    assert await ids(reader, status="failed") == [failed]
    assert await ids(reader, status="delivered") == [delivered]
    assert await ids(reader, status="discarded") == [discarded]
    assert await ids(reader, event_type="test") == [discarded, pending]
    assert await ids(reader, integration_id=other._integration_id) == [discarded, failed]
    assert await ids(reader, since=later) == [discarded, delivered]
    assert await ids(reader, until=later) == [failed, pending]
    assert await ids(reader, integration_id=uuid4()) == []
    assert await ids(reader, since="1066-10-14T00:00:00Z", status="pending") == [pending]


async def test_pages_meet_without_gap_or_repeat(
    history: History, reader: httpx.AsyncClient
) -> None:
    expected = [
        str(await (history.waits() if number % 2 else history.ended("delivered")))
        for number in range(7)
    ][::-1]

    seen: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    while True:
        page = (await reader.get("/deliveries", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]

    assert seen == expected


async def test_one_delivery_has_its_event_and_every_attempt(
    history: History, reader: httpx.AsyncClient
) -> None:
    delivery_id = await history.ended("delivered", attempts=3)

    body = (await reader.get(f"/deliveries/{delivery_id}")).json()

    assert body["event"]["payload"] == {"type": "x"}
    assert body["event"]["scope"] == "readiness"
    assert [one["number"] for one in body["attempts"]] == [1, 2, 3]
    assert body["attempts"][0] == {
        "number": 1,
        "started_at": body["attempts"][0]["started_at"],
        "duration_ms": 250,
        "status_code": 500,
        "error_class": "http_500",
        "response_excerpt": "seen",
    }


async def test_an_ended_or_failed_delivery_is_sent_once_more(
    history: History, admin: httpx.AsyncClient, owner: Connection
) -> None:
    for old in (await history.ended("discarded"), await history.waits(attempts=2)):
        answer = await admin.post(f"/deliveries/{old}/redeliver")
        body = answer.json()
        assert answer.status_code == 200
        assert (body["status"], body["replay_of"]) == ("pending", str(old))
        assert (await admin.get(f"/deliveries/{body['id']}")).json()["replay_of"] == str(old)

    assert (
        await owner.fetchval("SELECT count(*) FROM delivery_due WHERE replay_of IS NOT NULL") == 2
    )


async def test_what_cannot_be_sent_again_is_409_and_nothing_is_queued(
    history: History, admin: httpx.AsyncClient, owner: Connection
) -> None:
    old, waiting = await history.ended("delivered"), await history.waits()
    path = f"/integrations/{history._integration_id}"
    codes = [(await admin.post(f"/deliveries/{waiting}/redeliver")).status_code]
    await admin.patch(path, json={"is_enabled": False})
    codes.append((await admin.post(f"/deliveries/{old}/redeliver")).status_code)
    await admin.delete(path)
    codes.append((await admin.post(f"/deliveries/{old}/redeliver")).status_code)

    assert codes == [409, 409, 409]
    assert await owner.fetchval("SELECT count(*) FROM delivery_due") == 1
    assert (await admin.get(f"/deliveries/{old}")).status_code == 200, "its audit stays"


async def test_a_strangers_delivery_is_not_there(
    history: History, stranger: httpx.AsyncClient
) -> None:
    for delivery_id in (await history.ended("delivered"), await history.waits(), uuid4()):
        assert (await stranger.get(f"/deliveries/{delivery_id}")).status_code == 404
        assert (await stranger.post(f"/deliveries/{delivery_id}/redeliver")).status_code == 404
    assert await ids(stranger) == []


async def test_counts_and_rates_agree_with_what_happened(
    history: History, reader: httpx.AsyncClient
) -> None:
    await history.counted(delivered=3, discarded=1, failed_attempts=4)
    await history.ended("delivered")
    await history.waits()
    await history.waits(attempts=1)

    [integration] = (await reader.get("/integrations")).json()["items"]
    stats = (await reader.get("/stats", params={"window": "1h"})).json()

    assert integration["webhook_stats"] | {"last_delivered_at": None} == {
        "total_events": 6,
        "pending": 1,
        "delivered": 3,
        "failed": 1,
        "discarded": 1,
        "events_last_24h": 6,
        "last_delivered_at": None,
        "last_error": "http_500",
        "last_error_at": integration["webhook_stats"]["last_error_at"],
        "consecutive_failures": 0,
        "failing_since": None,
        "next_attempt_at": integration["webhook_stats"]["next_attempt_at"],
    }
    assert integration["webhook_stats"]["next_attempt_at"] is not None
    assert integration["last_synced_at"] is not None
    [rates] = stats["integrations"]
    assert {name: rates[name] for name in stats["total"]} == stats["total"]
    assert (rates["delivered"], rates["discarded"], rates["success_rate"]) == (3, 1, 0.75)
    assert (rates["pending"], rates["failed"], rates["failed_attempts"]) == (1, 1, 4)
    assert rates["p50_seconds"] == pytest.approx(0.25, abs=0.01)
    assert rates["oldest_waiting_since"] is not None


async def test_stats_of_nothing_are_zero_and_null(reader: httpx.AsyncClient) -> None:
    stats = (await reader.get("/stats")).json()

    assert stats["integrations"] == []
    assert (stats["total"]["delivered"], stats["total"]["success_rate"]) == (0, None)


async def test_a_page_costs_the_same_however_long_the_history_is(
    history: History, tenant: UUID, owner: Connection
) -> None:
    await history.waits()
    await owner.execute(
        """
        INSERT INTO delivery_attempt (tenant_id, delivery_id, number, integration_id, event_id,
          event_type, status, started_at, duration_ms)
        SELECT $1, guardian_uuid_floor(now() - make_interval(secs => n)), 1, $2, $2,
          'test', 'delivered', now(), 1
        FROM generate_series(1, 20000) AS n
        """,
        tenant,
        history._integration_id,
    )
    await owner.execute("ANALYZE delivery_attempt")

    for status in (None, DeliveryStatus.DISCARDED):
        plan = await owner.fetch(
            f"EXPLAIN ANALYZE {page_query(status)}",
            tenant,
            UUID(int=0),
            UUID(int=2**128 - 1),
            51,
            None,
            None,
        )
        told = "\n".join(row[0] for row in plan)
        touched = re.findall(r"rows=(\d+)(?:\.\d+)? loops|Removed by Filter: (\d+)", told)
        assert max(int(seen or removed) for seen, removed in touched) <= 60, told
