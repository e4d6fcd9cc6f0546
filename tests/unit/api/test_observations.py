"""Telling Guardian over HTTP: who may, what is answered, and the same request sent twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from api.services import batches
from shared.contracts.observations import BatchReceipt
from shared.data.connection import Connection
from tests.conftest import Clock

KEY = {"idempotency-key": "first try"}


def readiness(clock: Clock, score: float = 70) -> dict[str, Any]:
    return {
        "computed_at": clock().isoformat(),
        "capabilities": [{"key": "guardian.core.rules", "score": score}],
    }


def bodies(clock: Clock) -> list[tuple[str, str, dict[str, Any]]]:
    at = clock().isoformat()
    return [
        ("POST", "readiness", readiness(clock)),
        (
            "POST",
            "adoption",
            {
                "computed_at": at,
                "scores": [{"dimension": "core", "sub_dimension": "rules_usage", "score": 75}],
            },
        ),
        (
            "POST",
            "editions",
            {"computed_at": at, "fits": [{"edition_key": "guardian_pro", "fit_score": 78}]},
        ),
        (
            "PUT",
            f"uplift-plans/{uuid4()}",
            {
                "title": "Move to Pro",
                "status": "active",
                "starts_on": "2026-10-01",
                "target_on": "2026-12-31",
                "tasks": [{"task_id": str(uuid4()), "status": "done", "priority": "high"}],
            },
        ),
        (
            "POST",
            "executive-reports",
            {"report_type": "monthly", "period_start": "2026-10-01", "period_end": "2026-10-31"},
        ),
        (
            "POST",
            "lifecycle-runs",
            {
                "run_at": at,
                "total_compacted": 500,
                "total_deleted": 50,
                "operations_successful": 4,
                "operations_failed": 0,
            },
        ),
    ]


async def test_every_domain_is_accepted_with_a_receipt(
    ingest: httpx.AsyncClient, clock: Clock
) -> None:
    for method, route, body in bodies(clock):
        answer = await ingest.request(method, f"/observations/{route}", json=body)

        assert answer.status_code == 202, answer.text
        receipt = answer.json()
        assert set(receipt) == {"observation_id", "event_ids", "delivery_count"}
        assert len(receipt["event_ids"]) == 1


async def test_only_keys_that_may_write_tell(
    reader: httpx.AsyncClient, anyone: httpx.AsyncClient, admin: httpx.AsyncClient, clock: Clock
) -> None:
    for method, route, body in bodies(clock):
        url = f"/observations/{route}"
        assert (await reader.request(method, url, json=body)).status_code == 403
        assert (await anyone.request(method, url, json=body)).status_code == 401
        assert (await admin.request(method, url, json=body)).status_code == 202
    assert (await reader.post("/observations/batch", content=b"")).status_code == 403


async def test_nobody_tells_of_a_foreign_tenant(
    stranger: httpx.AsyncClient, tenant: UUID, owner: Connection, clock: Clock
) -> None:
    foreign = {"workspaceId": str(tenant)}

    for method, route, body in [*bodies(clock), ("POST", "batch", {})]:
        url = f"/observations/{route}"
        answer = await stranger.request(method, url, json=body, params=foreign)
        assert answer.status_code == 404

    assert await owner.fetchval("SELECT count(*) FROM observation") == 0


async def test_an_operator_tells_of_the_tenant_it_names(
    operator: httpx.AsyncClient, tenant: UUID, clock: Clock
) -> None:
    body = readiness(clock)

    unnamed = await operator.post("/observations/readiness", json=body)
    named = await operator.post(
        "/observations/readiness", json=body, params={"workspaceId": str(tenant)}
    )

    assert (unnamed.status_code, named.status_code) == (422, 202)


async def test_a_plan_of_one_tenant_is_not_the_plan_of_another(
    ingest: httpx.AsyncClient, stranger: httpx.AsyncClient, owner: Connection, clock: Clock
) -> None:
    [(_, route, body)] = [one for one in bodies(clock) if one[0] == "PUT"]

    await ingest.put(f"/observations/{route}", json=body)
    await stranger.put(f"/observations/{route}", json=body | {"title": "Mine"})

    titles = [row["title"] for row in await owner.fetch("SELECT title FROM uplift_plan")]
    assert sorted(titles) == ["Mine", "Move to Pro"]
    assert await owner.fetchval("SELECT count(*) FROM event WHERE type ~ 'created'") == 2


@pytest.mark.parametrize(
    ("change", "path", "kind"),
    [
        ({"note": "x"}, "$.note", "unknown_field"),
        ({"capabilities": []}, "$.capabilities", "out_of_range"),
        ({"computed_at": "2026-11-01T06:00:00"}, "$.computed_at", "malformed"),
        (
            {"capabilities": [{"key": "guardian.core.jane", "score": 1}]},
            "$.capabilities[0].key",
            "unknown_key",
        ),
    ],
)
async def test_a_refused_field_is_named(
    ingest: httpx.AsyncClient, clock: Clock, change: dict[str, Any], path: str, kind: str
) -> None:
    answer = await ingest.post("/observations/readiness", json=readiness(clock) | change)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [(one["path"], one["kind"]) for one in answer.json()["errors"]] == [(path, kind)]


async def test_the_same_request_under_the_same_key_is_done_once(
    ingest: httpx.AsyncClient, owner: Connection, clock: Clock
) -> None:
    body = readiness(clock)

    first = await ingest.post("/observations/readiness", json=body, headers=KEY)
    clock.advance(timedelta(days=29))
    again = await ingest.post("/observations/readiness", json=body, headers=KEY)

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert await owner.fetchval("SELECT count(*) FROM observation") == 1


async def test_after_thirty_days_a_key_is_free_again(
    ingest: httpx.AsyncClient, owner: Connection, clock: Clock
) -> None:
    await ingest.post("/observations/readiness", json=readiness(clock, 1), headers=KEY)
    clock.advance(timedelta(days=30))

    answer = await ingest.post("/observations/readiness", json=readiness(clock, 2), headers=KEY)

    assert answer.status_code == 202
    assert await owner.fetchval("SELECT count(*) FROM idempotency_key") == 1


async def test_a_key_used_for_another_body_or_route_conflicts(
    ingest: httpx.AsyncClient, owner: Connection, clock: Clock
) -> None:
    editions, lifecycle = bodies(clock)[2][2], bodies(clock)[5][2]
    await ingest.post("/observations/readiness", json=readiness(clock, 1), headers=KEY)

    for route, body in (
        ("readiness", readiness(clock, 2)),
        ("editions", editions),
        ("lifecycle-runs", lifecycle),
    ):
        answer = await ingest.post(f"/observations/{route}", json=body, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await owner.fetchval("SELECT count(*) FROM observation") == 1


async def test_a_key_belongs_to_its_tenant(
    ingest: httpx.AsyncClient, stranger: httpx.AsyncClient, clock: Clock
) -> None:
    first = await ingest.post("/observations/readiness", json=readiness(clock), headers=KEY)
    other = await stranger.post("/observations/readiness", json=readiness(clock, 2), headers=KEY)

    assert (first.status_code, other.status_code) == (202, 202)
    assert first.json()["observation_id"] != other.json()["observation_id"]


@pytest.mark.parametrize("key", ["", "a" * 256, "caf\xe9", "a\tb"])
async def test_a_key_is_short_and_printable(
    ingest: httpx.AsyncClient, clock: Clock, key: str
) -> None:
    answer = await ingest.post(
        "/observations/readiness",
        json=readiness(clock),
        headers=httpx.Headers([(b"idempotency-key", key.encode("latin-1"))]),
    )

    assert answer.status_code == 422


async def test_a_refused_request_may_be_corrected_under_its_key(
    ingest: httpx.AsyncClient, clock: Clock
) -> None:
    wrong = readiness(clock) | {"capabilities": [{"key": "guardian.nope", "score": 1}]}

    refused = await ingest.post("/observations/readiness", json=wrong, headers=KEY)
    corrected = await ingest.post("/observations/readiness", json=readiness(clock), headers=KEY)

    assert (refused.status_code, corrected.status_code) == (422, 202)


@pytest.mark.parametrize("number", [0, 3, 4])
async def test_of_twins_at_the_same_time_exactly_one_stores(
    ingest: httpx.AsyncClient, owner: Connection, clock: Clock, number: int
) -> None:
    method, route, body = bodies(clock)[number]
    if route == "executive-reports":
        body |= {"report_id": str(uuid4())}

    answers = await asyncio.gather(
        *(
            ingest.request(method, f"/observations/{route}", json=body, headers=KEY)
            for _ in range(8)
        )
    )

    assert {one.status_code for one in answers} == {202}
    assert len({one.content for one in answers}) == 1
    assert await owner.fetchval("SELECT count(*) FROM observation") == 1
    assert await owner.fetchval("SELECT count(*) FROM event") == 1


async def test_plans_told_at_the_same_time_are_created_once(
    ingest: httpx.AsyncClient, owner: Connection, clock: Clock
) -> None:
    _, route, body = bodies(clock)[3]

    await asyncio.gather(*(ingest.put(f"/observations/{route}", json=body) for _ in range(8)))

    types = [row["type"] for row in await owner.fetch("SELECT type FROM event")]
    assert sorted(types) == ["uplift_plan_created"] + ["uplift_plan_updated"] * 7


async def test_a_batch_stores_good_lines_and_names_bad_ones(
    ingest: httpx.AsyncClient, owner: Connection, clock: Clock
) -> None:
    receipt = await _batch(ingest, _lines(clock))

    assert [(one.line, one.code) for one in receipt.results] == [
        (1, None),
        (2, None),
        (3, None),
        (4, None),
        (5, None),
        (6, None),
        (7, "invalid"),
        (8, "malformed_request"),
        (9, "invalid"),
        (11, "invalid"),
        (12, None),
    ]
    assert (receipt.accepted, receipt.refused) == (7, 4)
    assert receipt.results[8].detail == "$.computed_at: It must not lie before the year 2000."
    assert await owner.fetchval("SELECT count(*) FROM observation") == 7
    assert await owner.fetchval("SELECT count(*) FROM event") == 7


async def test_a_backfill_makes_no_events(
    ingest: httpx.AsyncClient, owner: Connection, clock: Clock
) -> None:
    receipt = await _batch(ingest, _lines(clock), params={"events": "false"})

    assert receipt.accepted == 7
    assert await owner.fetchval("SELECT count(*) FROM observation") == 7
    assert await owner.fetchval("SELECT count(*) FROM event") == 0


@pytest.mark.parametrize("domain", ["uplift", "executive_reports"])
async def test_batches_that_touch_the_same_things_in_opposite_order_are_both_stored(
    ingest: httpx.AsyncClient, owner: Connection, clock: Clock, domain: str
) -> None:
    """Each would hold what the other waits for, so both wait at the middle one first."""
    first, middle, last = (str(uuid4()) for _ in range(3))
    held = middle if domain == "uplift" else str(uuid4())
    if domain == "uplift":
        await _batch(ingest, _named(domain, [first, held, last], clock))

    async with owner.transaction():
        if domain == "uplift":
            await owner.execute("SELECT FROM uplift_plan WHERE id = $1 FOR UPDATE", UUID(held))
        else:
            await owner.execute("LOCK TABLE event IN SHARE MODE")
        batches_under_way = asyncio.gather(
            _batch(ingest, _named(domain, [first, held, last], clock)),
            _batch(ingest, _named(domain, [last, held, first], clock)),
        )
        async with asyncio.timeout(10):
            while await owner.fetchval(WAITING) < 2:
                # Within a transaction it would be seen as it was at first.
                await owner.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)")

    receipts = await batches_under_way
    refused = [one.code for receipt in receipts for one in receipt.results if one.code]
    assert refused == ([] if domain == "uplift" else ["conflict"] * 3)


WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def _named(domain: str, ids: list[str], clock: Clock) -> bytes:
    """A line for each id, told as a plan or as a report."""
    _, _, body = bodies(clock)[3 if domain == "uplift" else 4]
    name = "plan_id" if domain == "uplift" else "report_id"
    return "\n".join(json.dumps({"domain": domain, name: id_} | body) for id_ in ids).encode()


async def test_a_batch_may_come_in_any_pieces(ingest: httpx.AsyncClient, clock: Clock) -> None:
    whole = await _batch(ingest, _lines(clock))

    async def pieces() -> AsyncIterator[bytes]:
        content = _lines(clock)
        for at in range(0, len(content), 7):
            yield content[at : at + 7]

    in_pieces = await _batch(ingest, pieces())

    assert [(one.line, one.code) for one in in_pieces.results] == [
        (one.line, one.code) for one in whole.results
    ]


async def test_a_batch_under_one_key_is_stored_once_chunk_by_chunk(
    ingest: httpx.AsyncClient, owner: Connection, clock: Clock
) -> None:
    count = batches.CHUNK_LINES + 50
    lines = [json.dumps({"domain": "readiness"} | readiness(clock)) for _ in range(count)]

    first = await _batch(ingest, "\n".join(lines).encode(), headers=KEY)
    again = await _batch(ingest, "\n".join(lines).encode(), headers=KEY)
    longer = await ingest.post(
        "/observations/batch", content="\n".join([*lines, lines[0]]), headers=KEY
    )

    assert first == again
    assert first.accepted == count
    assert longer.status_code == 409
    assert await owner.fetchval("SELECT count(*) FROM observation") == count


async def test_a_batch_stops_where_it_becomes_too_long(
    ingest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(batches, "MOST_LINES", 3)
    monkeypatch.setattr(batches, "LONGEST_LINE", 400)
    line = json.dumps({"domain": "readiness"} | readiness(clock))

    receipt = await _batch(ingest, "\n".join([line, " " * 500, line, line, line]).encode())

    assert [(one.line, one.code) for one in receipt.results] == [
        (1, None),
        (2, "body_too_large"),
        (3, None),
        (4, "body_too_large"),
    ]


async def test_a_batch_that_announces_too_much_is_refused_unread(
    ingest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, owner: Connection, clock: Clock
) -> None:
    monkeypatch.setattr(batches, "MAXIMUM_BYTES", 1000)

    answer = await ingest.post("/observations/batch", content=b"x" * 1001)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_an_empty_batch_is_accepted(ingest: httpx.AsyncClient) -> None:
    receipt = await _batch(ingest, b"\n\n")

    assert receipt == BatchReceipt(accepted=0, refused=0, results=[])


def _lines(clock: Clock) -> bytes:
    """Seven good lines, four bad ones, and a blank one."""
    domains = ["readiness", "adoption", "editions", "uplift", "executive_reports", "lifecycle"]
    good = [
        {"domain": domain} | body
        for domain, (_, _, body) in zip(domains, bodies(clock), strict=True)
    ]
    good[3]["plan_id"] = str(uuid4())
    early = readiness(clock) | {"domain": "readiness", "computed_at": "1999-01-01T00:00:00Z"}
    lines = [
        *(json.dumps(one) for one in good),
        json.dumps(good[0] | {"domain": "weather"}),
        '{"domain": "readiness", ',
        json.dumps(early),
        "",
        json.dumps({name: value for name, value in good[3].items() if name != "plan_id"}),
        json.dumps(good[0]),
    ]
    return "\n".join(lines).encode()


async def _batch(client: httpx.AsyncClient, content: Any, **given: Any) -> BatchReceipt:
    answer = await client.post("/observations/batch", content=content, **given)
    assert answer.status_code == 202, answer.text
    return msgspec.json.decode(answer.content, type=BatchReceipt)
