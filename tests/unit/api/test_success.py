"""The overview: six blocks, how they move, and what is missing or old."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.success import Overview
from shared.data.connection import Connection
from tests.conftest import Clock

DAY = timedelta(days=1)
BLOCKS = ("readiness", "editions", "uplift", "adoption", "executive", "lifecycle")


class Producer:
    """Tells observations of any age."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock) -> None:
        self.client = client
        self.clock = clock

    async def readiness(self, days_ago: float, **scores: float) -> None:
        named = {"rules": "guardian.core.rules", "alerts": "guardian.core.alerts"}
        await self._post(
            "readiness",
            computed_at=self._at(days_ago),
            capabilities=[{"key": named[key], "score": score} for key, score in scores.items()],
        )

    async def adoption(self, days_ago: float, **scores: float) -> None:
        named = {
            "core": "rules_usage",
            "meta": "uplift_tasks",
            "qa_chaos": "qa_coverage",
        }
        await self._post(
            "adoption",
            computed_at=self._at(days_ago),
            scores=[
                {"dimension": key, "sub_dimension": named[key], "score": score}
                for key, score in scores.items()
            ],
        )

    async def editions(self, days_ago: float, primary: str | None = None, **fits: float) -> None:
        await self._post(
            "editions",
            computed_at=self._at(days_ago),
            fits=[
                {"edition_key": key, "fit_score": fit, "is_primary": key == primary}
                for key, fit in fits.items()
            ],
        )

    async def plan(self, days_ago: float, *, plan_id: UUID, **body: Any) -> None:
        whole = {
            "title": "Move to Pro",
            "status": "active",
            "changed_at": self._at(days_ago),
        } | body
        answer = await self.client.put(f"/observations/uplift-plans/{plan_id}", json=whole)
        assert answer.status_code == 202, answer.text

    async def report(self, days_ago: float, health: float | None) -> None:
        await self._post(
            "executive-reports",
            report_type="monthly",
            period_start="2026-10-01",
            period_end="2026-10-31",
            overall_health_score=health,
            created_at=self._at(days_ago),
        )

    async def run(self, days_ago: float) -> None:
        await self._post(
            "lifecycle-runs",
            run_at=self._at(days_ago),
            total_compacted=500,
            total_deleted=50,
            operations_successful=4,
            operations_skipped=2,
            operations_failed=1,
        )

    async def _post(self, route: str, **body: Any) -> None:
        answer = await self.client.post(f"/observations/{route}", json=body)
        assert answer.status_code == 202, answer.text

    def _at(self, days_ago: float) -> str:
        return (self.clock() - timedelta(days=days_ago)).isoformat()


@pytest.fixture
def producer(ingest: httpx.AsyncClient, clock: Clock) -> Producer:
    return Producer(ingest, clock)


async def overview(reader: httpx.AsyncClient) -> dict[str, Any]:
    answer = await reader.get("/success/overview")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_tenant_nobody_told_of_misses_all_six_blocks_and_has_no_zero(
    reader: httpx.AsyncClient, clock: Clock
) -> None:
    told = await overview(reader)

    assert set(told) == set(Overview.__struct_fields__)
    assert datetime.fromisoformat(told["as_of"]) == clock()
    for name in BLOCKS:
        block = told[name]
        assert block["status"] == "missing"
        assert block["trend"] == "unknown"
        scalars = {key: value for key, value in block.items() if not isinstance(value, list | str)}
        assert set(scalars.values()) <= {None, False}
        assert [key for key, value in scalars.items() if value == 0 and value is not False] == (
            ["capability_count"] if name == "readiness" else []
        )
    assert told["tenant_name"] == "Acme"
    assert told["adoption"]["overall_status"] == "unknown"
    assert told["readiness"]["series"] == [None] * 18
    assert told["risks"] == []


async def test_readiness_says_where_it_stands_and_how_it_moved(
    reader: httpx.AsyncClient, producer: Producer, clock: Clock
) -> None:
    await producer.readiness(29, rules=50, alerts=50)
    await producer.readiness(8, rules=60, alerts=60)
    await producer.readiness(1, rules=80, alerts=58)

    block = (await overview(reader))["readiness"]

    # (80 x 2.0 + 58 x 1.8) / 3.8 = 69.58
    assert (block["status"], block["overall_score"], block["band"]) == ("ok", 70, "mature")
    assert (block["previous"], block["delta_1w"], block["delta_4w"]) == (60, 10, 20)
    assert (block["trend"], block["age_days"]) == ("up", 1.0)
    assert datetime.fromisoformat(block["as_of"]) == clock() - DAY
    assert block["last_computed_at"] == block["as_of"]
    assert (block["capability_count"], block["coverage"]) == (2, 0.1333)
    assert (block["largest_gain"]["key"], block["largest_gain"]["delta"]) == (
        "guardian.core.rules",
        20,
    )
    assert (block["largest_loss"]["label"], block["largest_loss"]["delta"]) == ("Alerts", -2)
    assert len(block["series"]) == 18
    assert [one for one in block["series"] if one is not None][-1] == 70
    assert (block["is_derived"], block["formula_version"]) == (True, 1)


async def test_one_value_has_no_trend(reader: httpx.AsyncClient, producer: Producer) -> None:
    await producer.readiness(0, rules=72)

    block = (await overview(reader))["readiness"]

    assert (block["trend"], block["previous"], block["delta_1w"]) == ("unknown", None, None)


async def test_the_newest_is_by_when_it_was_computed_not_by_when_it_was_told(
    reader: httpx.AsyncClient, producer: Producer
) -> None:
    await producer.readiness(0, rules=72)
    await producer.readiness(3, rules=10)

    block = (await overview(reader))["readiness"]

    assert (block["overall_score"], block["previous"]) == (72, 10)


async def test_old_data_is_stale_and_still_shown(
    reader: httpx.AsyncClient, producer: Producer, clock: Clock
) -> None:
    await producer.readiness(0, rules=72)
    await producer.report(0, 72)
    clock.advance(9 * DAY)

    told = await overview(reader)

    assert (told["readiness"]["status"], told["readiness"]["overall_score"]) == ("stale", 72)
    assert told["executive"]["status"] == "ok"
    assert [one["code"] for one in told["risks"]] == ["data_stale"]


async def test_editions_show_each_ones_newest_fit_and_move_with_the_main_one(
    reader: httpx.AsyncClient, producer: Producer
) -> None:
    await producer.editions(30, guardian_pro=40, guardian_core=90)
    await producer.editions(2, guardian_core=95)
    await producer.editions(0, "guardian_pro", guardian_pro=66, guardian_custom=10)

    block = (await overview(reader))["editions"]

    assert [(one["key"], one["fit_score"], one["fit_status"]) for one in block["items"]] == [
        ("guardian_core", 95, "exceeds"),
        ("guardian_pro", 66, "aligned"),
        ("guardian_custom", 10, "not_started"),
    ]
    assert block["items"][1]["label"] == "Guardian Pro"
    assert [one["is_primary"] for one in block["items"]] == [False, True, False]
    assert (block["main_key"], block["previous"], block["delta_4w"]) == ("guardian_pro", 40, 26)
    assert block["trend"] == "up"


async def test_a_retired_edition_is_no_longer_shown(
    reader: httpx.AsyncClient, producer: Producer, owner: Connection, clock: Clock
) -> None:
    await producer.editions(0, guardian_pro=66, guardian_custom=10)
    await owner.execute("UPDATE edition SET is_active = false WHERE key = 'guardian_custom'")
    clock.advance(timedelta(seconds=6))

    items = (await overview(reader))["editions"]["items"]

    assert [one["key"] for one in items] == ["guardian_pro"]


async def test_uplift_counts_active_plans_and_drafts_apart(
    reader: httpx.AsyncClient, producer: Producer, clock: Clock
) -> None:
    today = clock().date()
    plan_id = uuid4()
    tasks = [
        {"status": "done", "completed_at": (clock() - 20 * DAY).isoformat()},
        {"status": "done", "completed_at": (clock() - 2 * DAY).isoformat()},
        {"status": "blocked", "due_on": _day(today - DAY)},
        {"status": "todo", "due_on": _day(today)},
        {"status": "in_progress"},
    ]
    await producer.plan(
        30,
        plan_id=plan_id,
        starts_on=_day(today - 30 * DAY),
        target_on=_day(today + 10 * DAY),
        tasks=_tasks(tasks),
    )
    for status in ("draft", "completed", "archived"):
        await producer.plan(
            3, plan_id=uuid4(), status=status, tasks=_tasks([{"status": "done"}] * 3)
        )

    block = (await overview(reader))["uplift"]

    assert (block["status"], block["active_plans"], block["draft_plans"]) == ("ok", 1, 1)
    assert (block["tasks_done"], block["tasks_total"], block["tasks_blocked"]) == (2, 5, 1)
    assert (block["tasks_overdue"], block["completion_percentage"]) == (1, 40)
    assert block["expected_percentage"] == 75
    assert (block["delta_1w"], block["delta_4w"], block["trend"]) == (20, 40, "up")
    assert block["days_since_completion"] == 2.0


async def test_a_plan_first_told_of_halfway_is_compared_with_all_its_tasks(
    reader: httpx.AsyncClient, producer: Producer, clock: Clock
) -> None:
    done = [
        {"status": "done", "completed_at": (clock() - days * DAY).isoformat()} for days in (25, 20)
    ]
    late = [{"status": "done", "completed_at": (clock() - 2 * DAY).isoformat()}]
    await producer.plan(1, plan_id=uuid4(), tasks=_tasks([*done, *late, {"status": "todo"}]))
    await producer.plan(
        0, plan_id=uuid4(), status="completed", tasks=_tasks([{"status": "done"}] * 3)
    )

    block = (await overview(reader))["uplift"]

    assert (block["tasks_done"], block["tasks_total"]) == (3, 4)
    assert (block["previous"], block["delta_1w"], block["trend"]) == (50, 25, "up")
    assert block["delta_4w"] is None, "no task is known of that existed then"


async def test_plans_without_tasks_have_no_percentage(
    reader: httpx.AsyncClient, producer: Producer
) -> None:
    await producer.plan(0, plan_id=uuid4(), tasks=[])

    block = (await overview(reader))["uplift"]

    assert (block["active_plans"], block["tasks_total"]) == (1, 0)
    assert block["completion_percentage"] is None


async def test_adoption_is_rolled_up_and_each_dimension_moves_by_itself(
    reader: httpx.AsyncClient, producer: Producer
) -> None:
    await producer.adoption(28, core=50, meta=30)
    await producer.adoption(0, core=75, meta=20, qa_chaos=90)

    block = (await overview(reader))["adoption"]

    assert (block["overall_status"], block["overall_score"]) == ("regular", 61.67)
    assert (block["worst_dimension"], block["breadth"]) == ("meta", 0.3333)
    assert [
        (one["dimension"], one["status"], one["score"], one["delta_4w"])
        for one in block["dimensions"]
    ] == [
        ("core", "regular", 75, 25),
        ("qa_chaos", "power", 90, None),
        ("meta", "inactive", 20, -10),
    ]
    assert (block["previous"], block["trend"]) == (40, "up")


async def test_reports_are_counted_for_ninety_days_and_the_last_is_of_any_age(
    reader: httpx.AsyncClient, producer: Producer, clock: Clock
) -> None:
    for days_ago, health in ((100, 60), (89, 65), (40, 65.5)):
        await producer.report(days_ago, health)

    block = (await overview(reader))["executive"]

    assert (block["status"], block["reports_last_90d"]) == ("stale", 2)
    assert datetime.fromisoformat(block["last_report_date"]) == clock() - 40 * DAY
    assert (block["overall_health_score"], block["health_trend"]) == (65.5, "flat")
    assert block["last_period_end"] == "2026-10-31"

    clock.advance(100 * DAY)
    assert (await overview(reader))["executive"]["reports_last_90d"] == 0


async def test_lifecycle_is_the_newest_run(
    reader: httpx.AsyncClient, producer: Producer, clock: Clock
) -> None:
    await producer.run(1)

    block = (await overview(reader))["lifecycle"]

    assert datetime.fromisoformat(block["last_run_at"]) == clock() - DAY
    assert (block["total_compacted"], block["operations_failed"]) == (500, 1)


async def test_risks_name_their_evidence_and_one_action(
    reader: httpx.AsyncClient, producer: Producer, clock: Clock
) -> None:
    await producer.readiness(35, rules=60)
    await producer.readiness(14, rules=38)
    await producer.readiness(0, rules=30)
    await producer.adoption(0, core=90)
    await producer.editions(0, guardian_pro=55)
    await producer.plan(40, plan_id=uuid4(), tasks=_tasks([{"status": "blocked"}]))
    await producer.report(0, 50)

    risks = {one["code"]: one for one in (await overview(reader))["risks"]}

    assert set(risks) == {
        "score_drop_4w",
        "adoption_narrow",
        "plan_blocked",
        "score_low",
        "plan_stalled",
        "edition_misfit",
    }
    assert risks["score_drop_4w"]["evidence"] == {"overall_score": 30, "delta_4w": -30}
    assert datetime.fromisoformat(risks["score_low"]["since"]) == clock() - 14 * DAY
    assert datetime.fromisoformat(risks["plan_stalled"]["since"]) == clock() - 12 * DAY
    assert risks["edition_misfit"]["action_code"] == "review_edition"


async def test_nobody_sees_a_foreign_tenants_success(
    stranger: httpx.AsyncClient, producer: Producer, tenant: UUID
) -> None:
    await producer.readiness(0, rules=72)

    own = await overview(stranger)
    foreign = await stranger.get("/success/overview", params={"workspaceId": str(tenant)})

    assert own["readiness"]["status"] == "missing"
    assert foreign.status_code == 404


async def test_an_ingest_key_may_not_read(ingest: httpx.AsyncClient) -> None:
    assert (await ingest.get("/success/overview")).status_code == 403
    assert (await ingest.get("/success/history")).status_code == 403


@pytest.mark.parametrize("route", ["overview", "history"])
async def test_what_has_not_changed_is_not_sent_again(
    reader: httpx.AsyncClient, producer: Producer, clock: Clock, route: str
) -> None:
    clock.now = clock.now.replace(second=0)
    await producer.readiness(0, rules=72)
    first = await reader.get(f"/success/{route}")
    known = {"if-none-match": first.headers["etag"]}

    clock.advance(timedelta(seconds=59))
    same = await reader.get(f"/success/{route}", headers=known)
    await producer.readiness(0, rules=73)
    changed = await reader.get(f"/success/{route}", headers=known)

    assert "private" in first.headers["cache-control"]
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert changed.status_code == 200


def _tasks(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"task_id": str(uuid4())} | one for one in tasks]


def _day(day: date) -> str:
    return day.isoformat()
