"""The demo's story: what twelve made-up tenants would have reported over eighteen months.

Pure and seeded: the same day tells the same story. The numbers go in through the API like any
producer's, so nothing in the demo is shown that was not stored and computed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from uuid import UUID

WEEKS = 78
"""Eighteen months, in weeks."""

CAPABILITIES = (
    ("guardian.core.rules", 8),
    ("guardian.core.alerts", 5),
    ("guardian.core.incidents", 3),
    ("guardian.core.risk", -2),
    ("guardian.qa.i_series.simulation", -6),
    ("guardian.network.x01_telemetry", 0),
    ("guardian.network.x02_anomalies", -9),
    ("guardian.network.x03_early_warnings", -12),
    ("guardian.governance.audit_logging", 6),
)
"""Capability keys of the catalogue, and how far each usually stands from the whole."""

SUB_DIMENSIONS = (
    ("core", "rules_usage", 10),
    ("core", "incidents_workflow", 4),
    ("core", "risk_usage", -4),
    ("ai_intelligence", "ai_features", -15),
    ("ai_intelligence", "playbook_usage", -8),
    ("qa_chaos", "simulation_runs", -10),
    ("qa_chaos", "qa_coverage", -2),
    ("qa_chaos", "incident_drills", -14),
    ("network_intelligence", "network_console", -6),
    ("network_intelligence", "early_warnings", -11),
    ("network_intelligence", "recommendations", -9),
    ("governance", "governance_events", 2),
    ("meta", "readiness_checks", 12),
    ("meta", "uplift_tasks", 0),
    ("meta", "executive_reports", 6),
)
"""Sub-dimensions of the catalogue, and how far each usually stands from the whole."""

EDITIONS = (("guardian_core", 12), ("guardian_pro", 0), ("guardian_network_intelligent", -18))
"""Edition keys of the catalogue, and how far each fit usually stands from readiness."""

Line = dict[str, object]
"""One line of a batch: a `domain` and the fields of its observation."""


@dataclass(frozen=True, slots=True)
class Tale:
    """How one tenant's readiness went, and how often it was measured.

    Attributes:
        name: the tenant's name.
        points: (week, score) pairs between which the score moves evenly; the first is the start.
        every_weeks: how often it was measured.
        silent_weeks: for how many weeks nothing has come in.
        adoption_lag: how many points adoption stands below readiness.
    """

    name: str
    points: tuple[tuple[int, float], ...]
    every_weeks: int = 1
    silent_weeks: int = 0
    adoption_lag: float = 6.0


TALES = (
    Tale("Acme Robotics", ((0, 41), (40, 62), (77, 78))),
    Tale("Borealis Energy", ((0, 30), (77, 86)), adoption_lag=9),
    Tale("Cobalt Freight", ((0, 38), (34, 57), (77, 57)), adoption_lag=12),
    Tale("Delta Harbour", ((0, 72), (58, 81), (77, 58)), adoption_lag=4),
    Tale("Ember Foods", ((0, 66), (77, 68))),
    Tale("Fjord Insurance", ((0, 48), (30, 71), (50, 52), (77, 74))),
    Tale("Granite Bank", ((0, 83), (77, 91)), adoption_lag=2),
    Tale("Helios Media", ((0, 52), (77, 47)), every_weeks=6, adoption_lag=20),
    Tale("Iris Health", ((0, 44), (77, 69)), silent_weeks=5),
    Tale("Juniper Retail", ((75, 22), (77, 29)), adoption_lag=10),
    Tale("Krypton Labs", ((26, 35), (77, 64)), every_weeks=2),
    Tale("Lumen Transit", ((0, 57), (60, 63), (77, 66)), adoption_lag=15),
)


def tell(tale: Tale, *, today: date) -> list[Line]:
    """Every line that the tenant's producers would have sent up to `today`, oldest first."""
    dice = Random(tale.name)  # noqa: S311 - a story, not a secret
    lines = [
        *_snapshots(tale, dice, today),
        *_months(tale, dice, today),
        *_plans(tale, dice, today),
    ]
    return sorted(lines, key=_instant)


def _snapshots(tale: Tale, dice: Random, today: date) -> Iterator[Line]:
    """Readiness and adoption, and edition fit every fourth time."""
    weeks = range(tale.points[0][0], WEEKS - tale.silent_weeks, tale.every_weeks)
    for count, week in enumerate(weeks):
        at = _at(today - timedelta(weeks=WEEKS - 1 - week), hour=6)
        score = _score(tale, week) + dice.gauss(0, 0.9)
        yield {
            "domain": "readiness",
            "computed_at": at,
            "capabilities": [
                {"key": key, "score": _points(score + offset + dice.gauss(0, 1.2))}
                for key, offset in CAPABILITIES
            ],
        }
        usage = score - tale.adoption_lag
        yield {
            "domain": "adoption",
            "computed_at": at,
            "scores": [
                {
                    "dimension": dimension,
                    "sub_dimension": sub_dimension,
                    "score": _points(usage + offset + dice.gauss(0, 2)),
                }
                for dimension, sub_dimension, offset in SUB_DIMENSIONS
            ],
        }
        if count % 4 == 0 or week == weeks[-1]:
            yield {
                "domain": "editions",
                "computed_at": at,
                "fits": [
                    {"edition_key": key, "fit_score": _points(score + offset)}
                    for key, offset in EDITIONS
                ],
            }


def _months(tale: Tale, dice: Random, today: date) -> Iterator[Line]:
    """A report and a lifecycle run for each whole month, as long as anything came in."""
    begins = today - timedelta(weeks=WEEKS - 1 - tale.points[0][0])
    month = (begins.replace(day=1) + timedelta(days=32)).replace(day=1)
    quiet_since = today - timedelta(weeks=tale.silent_weeks)
    while (after := (month + timedelta(days=32)).replace(day=1)) <= quiet_since:
        last = after - timedelta(days=1)
        yield {
            "domain": "executive_reports",
            "report_id": str(UUID(int=dice.getrandbits(128), version=4)),
            "report_type": "quarterly" if last.month % 3 == 0 else "monthly",
            "period_start": month.isoformat(),
            "period_end": last.isoformat(),
            "created_at": _at(after, hour=7),
        }
        deleted = dice.randrange(0, 90)
        yield {
            "domain": "lifecycle",
            "run_at": _at(last, hour=2),
            "total_compacted": deleted * 8 + dice.randrange(0, 200),
            "total_deleted": deleted,
            "operations_successful": 6,
            "operations_failed": 1 if dice.random() < 0.06 else 0,  # noqa: PLR2004 - one in sixteen
        }
        month = after


def _plans(tale: Tale, dice: Random, today: date) -> Iterator[Line]:
    """One finished plan where there was time for one, the present one, and a draft."""
    first = tale.points[0][0]
    pace = (tale.points[-1][1] - tale.points[-2][1]) / (tale.points[-1][0] - tale.points[-2][0])
    spans = [
        ("Reach the next band", "active", WEEKS - 16, WEEKS + 8, 0.45 + 0.9 * math.tanh(pace)),
        ("Rehearse the playbooks", "draft", WEEKS, WEEKS + 16, 0.0),
    ]
    if first < WEEKS - 60:
        spans.insert(0, ("Lay the foundations", "completed", first, first + 30, 1.0))
    for title, status, starts, ends, share in spans:
        starts_on = today - timedelta(weeks=WEEKS - 1 - max(first, starts))
        target_on = today - timedelta(weeks=WEEKS - 1 - ends)
        count = dice.randrange(8, 16)
        done = round(count * min(1.0, max(0.0, share)))
        latest = min(today - timedelta(days=1), target_on)
        tasks: list[Line] = []
        for number in range(count):
            due_on = starts_on + (target_on - starts_on) * (number + 1) / count
            task: Line = {
                "task_id": str(UUID(int=dice.getrandbits(128), version=4)),
                "status": "todo",
                "priority": dice.choice(("low", "medium", "high", "critical")),
                "category": dice.choice(("core", "qa_chaos", "network_intelligence", "governance")),
                "due_on": due_on.isoformat(),
            }
            if number < done:
                finished = starts_on + (latest - starts_on) * (number + 1) / (done + 1)
                task |= {"status": "done", "completed_at": _at(finished, hour=15)}
            elif status == "active" and number < done + 2:
                task["status"] = "in_progress"
            elif status == "active" and pace < 0 and number < done + 4:
                task["status"] = "blocked"
            tasks.append(task)
        yield {
            "domain": "uplift",
            "plan_id": str(UUID(int=dice.getrandbits(128), version=4)),
            "title": title,
            "status": status,
            "starts_on": starts_on.isoformat(),
            "target_on": target_on.isoformat(),
            "tasks": tasks,
            "changed_at": _at(latest if status == "completed" else today - timedelta(1), hour=16),
        }


def _score(tale: Tale, week: int) -> float:
    for (left, low), (right, high) in zip(tale.points, tale.points[1:], strict=False):
        if week <= right:
            return low + (high - low) * (week - left) / (right - left)
    return tale.points[-1][1]


def _points(value: float) -> int:
    return max(0, min(100, round(value)))


def _at(day: date, *, hour: int) -> str:
    return datetime.combine(day, time(hour), UTC).isoformat().replace("+00:00", "Z")


def _instant(line: Line) -> str:
    for field in ("computed_at", "run_at", "created_at", "changed_at"):
        if field in line:
            return str(line[field])
    raise KeyError("a line without an instant")
