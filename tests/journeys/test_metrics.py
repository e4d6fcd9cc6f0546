"""Every figure on the board and in the alerts is one that a running API or worker tells."""

import json
import re
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from shared.contracts.words import Role
from tests.drills.stage import free_port
from tests.journeys.conftest import System, eventually
from tests.receiver import Receiver

DEPLOY = Path(__file__).parents[2] / "deploy"
SERIES = re.compile(r"\b(guardian_\w+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
OBSERVATION = {
    "run_at": "2026-11-01T06:00:00Z",
    "total_compacted": 1,
    "total_deleted": 0,
    "operations_successful": 1,
    "operations_failed": 0,
}
FROM_OUTSIDE = {"le", "job", "instance"}
"""Labels of Prometheus itself, and of histograms' buckets."""
AT_ITS_TIME = {"guardian_worker_disabled_total"}
"""Told once it has happened: an integration that is switched off after five days of failing."""


def _expressions() -> list[str]:
    board = json.loads((DEPLOY / "dashboard.json").read_text(encoding="utf-8"))
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))
    return [
        *(target["expr"] for panel in board["panels"] for target in panel.get("targets", ())),
        *(rule["expr"] for group in rules["groups"] for rule in group["rules"]),
    ]


async def _told(*urls: str) -> dict[str, set[str]]:
    """The names of all series at these addresses, and the labels each has."""
    told: dict[str, set[str]] = {}
    async with httpx.AsyncClient() as client:
        for url in urls:
            answer = await client.get(f"{url}/metrics")
            for family in text_string_to_metric_families(answer.text):
                for sample in family.samples:
                    told.setdefault(sample.name, set()).update(sample.labels)
    return told


@pytest.fixture
async def told(system: System) -> dict[str, set[str]]:
    """What an API and a worker tell that have stored, delivered and failed to deliver."""
    port = free_port()
    system.env |= {"GUARDIAN_WORKER_METRICS_PORT": str(port)}
    async with Receiver(200, 500) as receiver:
        await system.connect(receiver.url)
        system.start("worker")
        async with system.speak(Role.INGEST) as client:
            for _ in range(2):
                answer = await client.post("/observations/lifecycle-runs", json=OBSERVATION)
                assert answer.status_code == 202
        await receiver.wait_for(2)

        async def is_settled() -> bool:
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{port}/metrics")
            return 'outcomes_total{status="failed"}' in answer.text

        await eventually(is_settled, "both outcomes are counted")
    return await _told(system.api_url, f"http://127.0.0.1:{port}")


async def test_every_figure_on_the_board_and_in_the_alerts_is_told(
    told: dict[str, set[str]],
) -> None:
    expressions = _expressions()
    assert len(expressions) > 20
    for expression in expressions:
        wanted = {
            label.strip() for group in GROUPED.findall(expression) for label in group.split(",")
        }
        labels: set[str] = set()
        for name, matchers in SERIES.findall(expression):
            if name in AT_ITS_TIME:
                continue
            assert name in told, expression
            matched = {one.split("=")[0].rstrip("!").strip() for one in matchers.split(",") if one}
            assert matched <= told[name], expression
            labels |= told[name]
        assert not labels or wanted <= labels | FROM_OUTSIDE, expression


async def test_what_an_operator_needs_to_see_is_told_and_nothing_of_a_tenant(
    told: dict[str, set[str]],
) -> None:
    assert told.keys() >= {
        "guardian_queue_oldest_due_seconds",
        "guardian_worker_outcomes_total",
        "guardian_worker_attempt_seconds_bucket",
        "guardian_worker_breakers",
        "guardian_worker_shards",
        "guardian_shards_leased",
        "guardian_api_observations_total",
        "guardian_api_request_seconds_bucket",
    }
    known = {"le", "method", "route", "status", "state", "reason", "outcome", "kind"}
    ours = {name: labels for name, labels in told.items() if name.startswith("guardian_")}
    assert {name: labels - known for name, labels in ours.items() if labels - known} == {}
