"""An observation of each domain arrives, signed, within a second of its 202."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from standardwebhooks import Webhook

from shared.contracts.words import Role
from tests.journeys.conftest import System, eventually
from tests.receiver import Receiver

AT = "2026-11-01T06:00:00Z"
PLAN = "3f2a0000-0000-4000-8000-000000000001"
REPORT = "3f2a0000-0000-4000-8000-000000000002"

SENT: list[tuple[str, str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "POST",
        "/observations/readiness",
        {
            "computed_at": AT,
            "capabilities": [
                {"key": "guardian.core.rules", "score": 70, "status": "ready"},
                {"key": "guardian.core.alerts", "score": 50},
            ],
        },
        "readiness_updated",
        {
            "overall_score": 61,
            "band": "mature",
            "capability_count": 2,
            "capabilities_summary": [
                {"key": "guardian.core.rules", "label": "Rule engine", "score": 70},
                {"key": "guardian.core.alerts", "label": "Alerts", "score": 50},
            ],
        },
    ),
    (
        "POST",
        "/observations/adoption",
        {
            "computed_at": AT,
            "scores": [{"dimension": "core", "sub_dimension": "rules_usage", "score": 75}],
        },
        "adoption_scores_computed",
        {
            "dimensions": [{"dimension": "core", "status": "regular", "score": 75}],
            "overall_adoption_status": "regular",
        },
    ),
    (
        "POST",
        "/observations/editions",
        {"computed_at": AT, "fits": [{"edition_key": "guardian_pro", "fit_score": 78}]},
        "edition_fit_computed",
        {
            "edition_key": "guardian_pro",
            "edition_label": "Guardian Pro",
            "fit_score": 78,
            "fit_status": "aligned",
        },
    ),
    (
        "PUT",
        f"/observations/uplift-plans/{PLAN}",
        {
            "title": "Move to Pro",
            "status": "active",
            "tasks": [
                {"task_id": str(uuid4()), "status": "done"},
                {"task_id": str(uuid4()), "status": "blocked"},
            ],
        },
        "uplift_plan_created",
        {
            "plan_id": PLAN,
            "plan_title": "Uplift plan 3f2a",
            "plan_status": "active",
            "tasks": {
                "total": 2,
                "completed": 1,
                "in_progress": 0,
                "blocked": 1,
                "completion_percentage": 50,
            },
        },
    ),
    (
        "POST",
        "/observations/executive-reports",
        {
            "report_id": REPORT,
            "report_type": "monthly",
            "title": "October",
            "period_start": "2026-10-01",
            "period_end": "2026-10-31",
            "overall_health_score": 72,
        },
        "executive_report_created",
        {
            "report_id": REPORT,
            "report_title": "Executive report 2026-10",
            "overall_health_score": 72,
            "period_start": "2026-10-01",
            "period_end": "2026-10-31",
        },
    ),
    (
        "POST",
        "/observations/lifecycle-runs",
        {
            "run_at": AT,
            "total_compacted": 500,
            "total_deleted": 50,
            "operations_successful": 4,
            "operations_failed": 0,
        },
        "meta_lifecycle_run_completed",
        {
            "total_compacted": 500,
            "total_deleted": 50,
            "operations_successful": 4,
            "operations_failed": 0,
        },
    ),
]


async def test_each_domain_arrives_signed_within_a_second(
    system: System, figure: Callable[[str], None]
) -> None:
    system.start("worker")
    async with Receiver() as receiver, system.speak(Role.INGEST) as client:
        secret = (await system.connect(receiver.url))["signing_secret"]
        await _warm_up(system, receiver)
        loop = asyncio.get_running_loop()

        for method, path, body, event_type, data in SENT:
            before = len(receiver.received)
            answer = await client.request(method, path, json=body)
            accepted_at = loop.time()
            assert answer.status_code == 202, answer.text
            assert answer.json()["delivery_count"] == 1

            async def arrived(count: int = before) -> bool:
                return len(receiver.received) > count

            await eventually(arrived, f"{event_type} arrives", within_s=1)
            request = receiver.received[-1]
            figure(f"{event_type}: {(loop.time() - accepted_at) * 1000:.0f} ms after the 202")

            Webhook(secret).verify(request.body, request.headers)
            told = json.loads(request.body)
            assert told["type"] == event_type
            assert told["data"] == data
            assert [request.headers["webhook-id"]] == answer.json()["event_ids"]
            assert str(system.tenant_id) not in str(request.headers) + request.body.decode()


async def _warm_up(system: System, receiver: Receiver) -> None:
    """The worker has started once a test event has come through."""
    async with system.speak() as client:
        assert (await client.post("/integrations/test")).status_code == 200

    async def arrived() -> bool:
        return bool(receiver.received)

    await eventually(arrived, "the test event arrives")
