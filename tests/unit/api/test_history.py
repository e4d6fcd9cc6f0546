"""The history: calendar periods, half-open, the last value of each, null for none."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.services.history import question
from shared.errors import InvalidError
from tests.conftest import Clock

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def history(reader: httpx.AsyncClient, **params: str) -> dict[str, Any]:
    answer = await reader.get("/success/history", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_by_default_it_is_ninety_days_in_weeks_up_to_this_minute(
    reader: httpx.AsyncClient, clock: Clock
) -> None:
    told = await history(reader)

    start, end = datetime.fromisoformat(told["from"]), datetime.fromisoformat(told["to"])
    assert told["granularity"] == "weekly"
    assert end - start == timedelta(days=90)
    assert clock() < end <= clock() + timedelta(minutes=1)
    assert len(told["periods"]) in {13, 14}
    first = told["periods"][0]
    assert {key: value for key, value in first.items() if not key.startswith("period")} == {
        "readiness_score": None,
        "readiness_band": None,
        "edition_fit_score": None,
        "adoption_overall_status": None,
        "adoption_score": None,
        "uplift_tasks_done": None,
        "uplift_tasks_total": None,
        "report_count": 0,
        "readiness_spread": None,
        "edition_fit_spread": None,
        "adoption_spread": None,
    }


async def test_what_was_told_a_moment_ago_is_in_it(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient, clock: Clock
) -> None:
    await _readiness(ingest, clock(), 72)

    last = (await history(reader))["periods"][-1]

    assert (last["readiness_score"], last["readiness_band"]) == (72, "mature")


async def test_a_boundary_belongs_to_the_period_it_begins(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient
) -> None:
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    await _readiness(ingest, monday - timedelta(microseconds=1), 50)
    await _readiness(ingest, monday, 60)
    await _readiness(ingest, monday + HOUR, 61)
    await _readiness(ingest, monday + timedelta(days=7), 70)

    told = await history(reader, **{"from": "2026-05-25", "to": "2026-06-08"})

    assert [one["readiness_score"] for one in told["periods"]] == [50, 61]


async def test_months_and_days_and_offsets(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient
) -> None:
    await _readiness(ingest, datetime(2026, 2, 28, 23, 30, tzinfo=UTC), 50)

    months = await history(
        reader, **{"from": "2026-01-15", "to": "2026-03-02", "granularity": "monthly"}
    )
    days = await history(
        reader,
        **{
            "from": "2026-02-28T23:00:00-01:00",
            "to": "2026-03-02T00:00:00Z",
            "granularity": "daily",
        },
    )

    assert [(one["period_start"][:10], one["readiness_score"]) for one in months["periods"]] == [
        ("2026-01-15", None),
        ("2026-02-01", 50),
        ("2026-03-01", None),
    ]
    assert [one["period_start"] for one in days["periods"]] == ["2026-03-01T00:00:00Z"]


async def test_uplift_counts_what_was_done_in_the_period_and_what_existed_at_its_end(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient
) -> None:
    def task(status: str, **given: Any) -> dict[str, Any]:
        return {"task_id": str(uuid4()), "status": status} | given

    await _plan(ingest, "2026-03-10T00:00:00Z", tasks=[task("todo"), task("blocked")])
    await _plan(
        ingest,
        "2026-05-10T00:00:00Z",
        status="completed",
        tasks=[
            task("done", completed_at="2026-04-02T00:00:00Z"),
            task("done", completed_at="2026-05-01T00:00:00Z"),
        ],
    )
    await _plan(ingest, "2026-03-10T00:00:00Z", status="draft", tasks=[task("todo")])

    told = await history(
        reader, **{"from": "2026-02-01", "to": "2026-06-01", "granularity": "monthly"}
    )

    assert [(one["uplift_tasks_done"], one["uplift_tasks_total"]) for one in told["periods"]] == [
        (None, None),
        (0, 2),
        (1, 4),
        (1, 4),
    ]


async def test_a_range_after_the_tasks_still_counts_them(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient
) -> None:
    task = {"task_id": str(uuid4()), "status": "done", "completed_at": "2026-01-02T00:00:00Z"}
    await _plan(ingest, "2026-01-01T00:00:00Z", tasks=[task])

    told = await history(reader, **{"from": "2026-06-01", "to": "2026-06-08"})

    assert [(one["uplift_tasks_done"], one["uplift_tasks_total"]) for one in told["periods"]] == [
        (0, 1)
    ]


async def test_reports_count_where_they_were_made(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient
) -> None:
    for created_at in ("2026-06-01T00:00:00Z", "2026-06-30T23:59:59Z", "2026-07-01T00:00:00Z"):
        answer = await ingest.post(
            "/observations/executive-reports",
            json={
                "report_type": "monthly",
                "period_start": "2026-05-01",
                "period_end": "2026-05-31",
                "created_at": created_at,
            },
        )
        assert answer.status_code == 202

    told = await history(
        reader, **{"from": "2026-06-01", "to": "2026-08-01", "granularity": "monthly"}
    )

    assert [one["report_count"] for one in told["periods"]] == [2, 1]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-13-01"}, "from"),
        ({"to": "2026-11-01T00:00:00"}, "to"),
        ({"to": "12"}, "to"),
        ({"granularity": "hourly"}, "granularity"),
        ({"from": "2026-06-01", "to": "2026-06-01"}, "from"),
        ({"from": "2026-06-02", "to": "2026-06-01"}, "from"),
        ({"from": "2020-01-01", "granularity": "daily"}, "from"),
        ({"from": "0001-01-01", "to": "9999-12-31", "granularity": "daily"}, "to"),
        ({"from": "0001-01-01", "granularity": "monthly"}, "from"),
        ({"to": "0001-01-01"}, "to"),
        ({"to": "1970-02-01"}, "from"),
        ({"to": "9999-12-31T23:59:59-12:00", "granularity": "monthly"}, "to"),
    ],
)
def test_a_question_without_an_answer_is_refused(params: dict[str, str], path: str) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)

    with pytest.raises(InvalidError) as refusal:
        question(params.get("from"), params.get("to"), params.get("granularity"), now=now)

    assert [one.path for one in refusal.value.errors] == [path]


async def test_a_refused_question_is_a_problem(reader: httpx.AsyncClient) -> None:
    for params in ({"from": "yesterday"}, {"to": "0001-01-01"}, {"granularity": "hourly"}):
        answer = await reader.get("/success/history", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_at_most_eight_hundred_periods(reader: httpx.AsyncClient) -> None:
    most = await history(
        reader, **{"from": "2024-01-01", "to": "2026-03-11", "granularity": "daily"}
    )

    assert len(most["periods"]) == 800


async def test_a_period_tells_its_lowest_its_highest_and_how_many_there_were(
    reader: httpx.AsyncClient, ingest: httpx.AsyncClient
) -> None:
    for hour, score in enumerate((61, 48, 70, 66)):
        await _readiness(ingest, START + hour * HOUR, score)

    told = await history(reader, **{"from": "2026-01-01", "to": "2026-01-08"})

    week, rest = told["periods"]
    assert week["readiness_score"] == 66
    spread = {"min": 48.0, "max": 70.0, "count": 4, "formula_version": 1}
    assert week["readiness_spread"] == spread
    assert rest["readiness_spread"] is None
    assert week["adoption_spread"] is None


async def _readiness(client: httpx.AsyncClient, at: datetime, score: float) -> None:
    answer = await client.post(
        "/observations/readiness",
        json={
            "computed_at": at.isoformat(),
            "capabilities": [{"key": "guardian.core.rules", "score": score}],
        },
    )
    assert answer.status_code == 202


async def _plan(client: httpx.AsyncClient, changed_at: str, **body: Any) -> None:
    whole = {"title": "Move to Pro", "status": "active", "changed_at": changed_at} | body
    answer = await client.put(f"/observations/uplift-plans/{uuid4()}", json=whole)
    assert answer.status_code == 202, answer.text
