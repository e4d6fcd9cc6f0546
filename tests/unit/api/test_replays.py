"""Replays: what is counted is what is chosen, by time, status, type, or because it is missing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.data.connection import Connection
from tests.unit.api.conftest import Api
from tests.unit.api.test_deliveries import History
from tests.unit.api.test_integrations import made
from worker.replay import WINDOW, go_on


class Replays:
    """Asks for replays of one integration, and makes the worker's part go on."""

    def __init__(self, api: Api, admin: httpx.AsyncClient, integration_id: str) -> None:
        self.api = api
        self.admin = admin
        self.integration_id = integration_id
        self.began = api.clock()

    def body(self, **wanted: Any) -> dict[str, Any]:
        return {"integration_id": self.integration_id, "since": self.began.isoformat()} | wanted

    async def counted(self, **wanted: Any) -> int:
        answer = await self.admin.post("/replays", json=self.body(dry_run=True, **wanted))
        assert answer.status_code == 200, answer.text
        return answer.json()["count"]

    async def started(self, **wanted: Any) -> dict[str, Any]:
        answer = await self.admin.post("/replays", json=self.body(**wanted))
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def shown(self, replay: dict[str, Any]) -> dict[str, Any]:
        return (await self.admin.get(f"/replays/{replay['id']}")).json()

    async def go_on(self) -> int:
        return await go_on(clock=self.api.clock, ids=self.api.ids)


@pytest.fixture
async def integration(admin: httpx.AsyncClient) -> dict[str, Any]:
    return await made(admin)


@pytest.fixture
async def history(api: Api, tenant: UUID, integration: dict[str, Any]) -> History:
    return History(api, tenant, integration["id"])


@pytest.fixture
async def replays(api: Api, admin: httpx.AsyncClient, integration: dict[str, Any]) -> Replays:
    chosen = Replays(api, admin, integration["id"])
    api.clock.advance(timedelta(seconds=1))
    return chosen


async def past(api: Api) -> None:
    """Let the clock move on, so that what was made lies before now."""
    api.clock.advance(timedelta(seconds=1))


async def test_the_given_up_are_replayed_unless_another_status_is_asked_for(
    api: Api, replays: Replays, history: History
) -> None:
    for _ in range(3):
        await history.ended("discarded")
    await history.ended("delivered")
    await history.waits()
    await history.waits(attempts=2)
    await past(api)

    assert await replays.counted() == 3
    assert await replays.counted(statuses=["delivered"]) == 1
    assert await replays.counted(statuses=["failed"]) == 1
    assert await replays.counted(statuses=["failed", "delivered", "discarded"]) == 5


async def test_the_replayed_become_deliveries_that_name_the_old_ones_in_their_order(
    api: Api, replays: Replays, history: History, owner: Connection
) -> None:
    old = [await history.ended("discarded", attempts=2) for _ in range(5)]
    await past(api)

    replay = await replays.started()
    assert (replay["status"], replay["count"], replay["sent"]) == ("running", 5, 0)
    assert await replays.go_on() == 5
    assert await replays.go_on() == 0

    rows = await owner.fetch("SELECT * FROM delivery_due ORDER BY next_attempt_at")
    assert [row["replay_of"] for row in rows] == old
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert {row["attempt_count"] for row in rows} == {0}
    assert all(row["next_attempt_at"] <= api.clock() + timedelta(milliseconds=1) for row in rows)
    ended = await replays.shown(replay)
    assert (ended["status"], ended["sent"], ended["skipped"]) == ("done", 5, 0)
    assert ended["finished_at"] is not None
    assert await owner.fetchval("SELECT count(*) FROM replay_item") == 0


async def test_an_event_goes_once_however_often_it_was_given_up(
    api: Api, replays: Replays, history: History, owner: Connection
) -> None:
    first = await history.ended("discarded")
    await past(api)
    await owner.execute(
        """
        INSERT INTO delivery_attempt (tenant_id, delivery_id, number, integration_id, event_id,
          event_type, status, started_at, duration_ms, replay_of)
        SELECT tenant_id, $1, 1, integration_id, event_id, event_type, status, started_at, 1, $2
        FROM delivery_attempt WHERE delivery_id = $2
        """,
        (again := api.ids()),
        first,
    )
    await past(api)

    assert await replays.counted() == 1
    await replays.started()
    await replays.go_on()
    assert await owner.fetchval("SELECT replay_of FROM delivery_due") == again


async def test_a_replay_keeps_to_its_time_and_its_types(
    api: Api, replays: Replays, history: History
) -> None:
    await history.ended("discarded", event_type="adoption_scores_computed")
    await past(api)
    border = api.clock()
    await history.ended("discarded")
    await past(api)

    assert await replays.counted(until=border.isoformat()) == 1
    assert await replays.counted(since=border.isoformat()) == 1
    assert await replays.counted(event_types=["readiness_updated"]) == 1
    assert await replays.counted(until="2999-01-01T00:00:00Z") == 2


async def test_test_events_and_types_outside_the_scopes_are_left_out(
    api: Api, replays: Replays, history: History
) -> None:
    await history.ended("discarded", event_type="test")
    await history.ended("discarded", event_type="edition_fit_computed")
    await past(api)

    assert await replays.counted() == 0
    assert await replays.counted(event_types=["test"]) == 1
    assert await replays.counted(event_types=["edition_fit_computed"]) == 0


async def test_missing_is_what_the_integration_never_had_a_delivery_of(
    api: Api, replays: Replays, history: History, owner: Connection
) -> None:
    await history.ended("delivered")
    await history.ended("discarded")
    await history.waits()
    missed = [await history.event() for _ in range(4)]
    await history.event("edition_fit_computed")
    await history.event("test")
    await past(api)

    assert await replays.counted(only_missing=True) == 4
    replay = await replays.started(only_missing=True)
    assert replay["statuses"] == []
    await replays.go_on()

    rows = await owner.fetch(
        "SELECT event_id, replay_of FROM delivery_due WHERE next_attempt_at IS NOT NULL "
        "ORDER BY next_attempt_at"
    )
    assert [row["event_id"] for row in rows] == missed
    assert {row["replay_of"] for row in rows} == {None}
    assert await replays.counted(only_missing=True) == 0


async def test_what_changes_after_the_count_changes_nothing_of_what_is_sent(
    api: Api, replays: Replays, history: History
) -> None:
    for _ in range(2):
        await history.ended("discarded")
    await past(api)
    replay = await replays.started(until="2999-01-01T00:00:00Z")
    await history.ended("discarded")
    await replays.go_on()

    shown = await replays.shown(replay)
    assert (shown["status"], shown["count"], shown["sent"]) == ("done", 2, 2)


async def test_a_replay_of_nothing_is_done_at_once(replays: Replays) -> None:
    replay = await replays.started()

    assert (replay["status"], replay["count"]) == ("done", 0)


async def test_events_that_are_no_longer_kept_are_skipped_and_told(
    api: Api, replays: Replays, history: History, owner: Connection
) -> None:
    await history.ended("discarded")
    gone = await history.ended("discarded")
    await past(api)
    replay = await replays.started()
    await owner.execute(
        "DELETE FROM event WHERE id = (SELECT event_id FROM delivery_attempt "
        "WHERE delivery_id = $1)",
        gone,
    )
    await replays.go_on()

    shown = await replays.shown(replay)
    assert (shown["status"], shown["sent"], shown["skipped"]) == ("done", 1, 1)


async def test_a_replay_waits_while_a_windowful_waits_and_while_it_is_disabled(
    api: Api,
    replays: Replays,
    history: History,
    owner: Connection,
) -> None:
    delivery = await history.ended("discarded")
    await owner.execute(
        """
        WITH events AS (
          INSERT INTO event (tenant_id, id, type, scope, occurred_at, body)
          SELECT tenant_id, (left(id::text, 24) || lpad(n::text, 12, '0'))::uuid, type, scope,
            occurred_at, body
          FROM event, generate_series(1, $1) AS n RETURNING tenant_id, id
        )
        INSERT INTO delivery_attempt (tenant_id, delivery_id, number, integration_id, event_id,
          event_type, status, started_at, duration_ms)
        SELECT e.tenant_id, e.id, 1, a.integration_id, e.id, a.event_type, a.status, a.started_at, 1
        FROM events e, delivery_attempt a WHERE a.delivery_id = $2
        """,
        WINDOW + 9,
        delivery,
    )
    await past(api)
    replay = await replays.started()
    assert replay["count"] == WINDOW + 10

    while await replays.go_on():
        pass
    assert (await replays.shown(replay))["sent"] == WINDOW

    path = f"/integrations/{replays.integration_id}"
    await replays.admin.patch(path, json={"is_enabled": False})
    await owner.execute("DELETE FROM delivery_due")
    assert await replays.go_on() == 0
    await replays.admin.patch(path, json={"is_enabled": True})
    assert await replays.go_on() == 10
    assert (await replays.shown(replay))["status"] == "done"


async def test_a_cancelled_replay_makes_no_more_deliveries(
    api: Api, replays: Replays, history: History, admin: httpx.AsyncClient, owner: Connection
) -> None:
    await history.ended("discarded")
    await past(api)
    replay = await replays.started()
    path = f"/replays/{replay['id']}"

    assert (await admin.delete(path)).status_code == 204
    assert (await admin.delete(path)).status_code == 204, "twice is once"
    assert await replays.go_on() == 0

    shown = await replays.shown(replay)
    assert (shown["status"], shown["sent"], shown["reason"]) == ("cancelled", 0, None)
    assert await owner.fetchval("SELECT count(*) FROM replay_item") == 0


async def test_only_one_replay_of_an_integration_runs_and_a_done_one_cannot_be_cancelled(
    api: Api, replays: Replays, history: History, admin: httpx.AsyncClient
) -> None:
    await history.ended("discarded")
    await past(api)
    first = await replays.started()

    second = await admin.post("/replays", json=replays.body())
    assert (second.status_code, second.json()["code"]) == (409, "conflict")

    await replays.go_on()
    assert (await admin.delete(f"/replays/{first['id']}")).status_code == 409
    third = await replays.started()
    listed = (await admin.get("/replays", params={"limit": 1})).json()
    assert [item["id"] for item in listed["items"]] == [third["id"]]
    older = await admin.get("/replays", params={"cursor": listed["next_cursor"]})
    assert [item["id"] for item in older.json()["items"]] == [first["id"]]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, "$.until"),
        ({"since": "1960-01-01T00:00:00Z"}, "$.since"),
        ({"since": "2999-01-01T00:00:00Z"}, "$.since"),
        ({"only_missing": True, "statuses": ["discarded"]}, "$.statuses"),
        ({"statuses": ["pending"]}, "$.statuses[0]"),
        ({"statuses": []}, "$.statuses"),
        ({"event_types": ["nothing"]}, "$.event_types[0]"),
        ({"how": "fast"}, "$.how"),
    ],
)
async def test_a_wrong_choice_is_refused_and_named(
    replays: Replays, admin: httpx.AsyncClient, wanted: dict[str, Any], path: str
) -> None:
    answer = await admin.post("/replays", json=replays.body(**wanted))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == path


async def test_strangers_and_readers_start_nothing(
    api: Api,
    replays: Replays,
    history: History,
    stranger: httpx.AsyncClient,
    reader: httpx.AsyncClient,
) -> None:
    await history.ended("discarded")
    await past(api)
    replay = await replays.started()
    path = f"/replays/{replay['id']}"

    assert (await stranger.post("/replays", json=replays.body())).status_code == 404
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.delete(path)).status_code == 404
    assert (await stranger.get("/replays")).json()["items"] == []
    assert (await reader.post("/replays", json=replays.body())).status_code == 403
    assert (await reader.get(path)).status_code == 200
    await replays.admin.patch(f"/integrations/{replays.integration_id}", json={"is_enabled": False})
    assert (await replays.admin.post("/replays", json=replays.body())).status_code == 409


async def test_starting_and_cancelling_are_audited(
    api: Api, replays: Replays, history: History, admin: httpx.AsyncClient
) -> None:
    await history.ended("discarded")
    await past(api)
    replay = await replays.started()
    await admin.delete(f"/replays/{replay['id']}")

    newest = (await admin.get("/audit", params={"limit": 2})).json()["items"]

    assert [entry["action"] for entry in newest] == ["replay.cancel", "replay.create"]
    assert newest[1]["after"]["count"] == 1


async def test_deleting_the_integration_ends_its_replay(
    api: Api,
    replays: Replays,
    history: History,
    admin: httpx.AsyncClient,
    integration: dict[str, Any],
) -> None:
    await history.ended("discarded")
    await past(api)
    replay = await replays.started()
    await admin.delete(f"/integrations/{integration['id']}")

    await replays.go_on()

    shown = await replays.shown(replay)
    assert (shown["status"], shown["reason"]) == ("cancelled", "integration_deleted")
