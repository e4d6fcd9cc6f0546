"""Each mapper tells what the contract says, and poison in its input never leaves."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.observations import (
    AdoptionObservation,
    AdoptionScore,
    CapabilityScore,
    EditionFit,
    EditionsObservation,
    ExecutiveReportObservation,
    LifecycleRunObservation,
    ReadinessObservation,
    UpliftPlanObservation,
    UpliftTask,
)
from shared.contracts.payloads import AdoptionData, LifecycleData, Payload
from shared.contracts.words import (
    AdoptionStatus,
    Dimension,
    EventType,
    PlanStatus,
    ReportType,
    TaskStatus,
)
from shared.domain import mappers, snapshots
from shared.domain.catalogue import Capability, Catalogue, Edition, SubDimension
from shared.errors import PayloadRefusedError

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
RULES = "guardian.core.rules"
PRO = "guardian_pro"
PLAN = UUID("3f2a0000-0000-7000-8000-000000000001")
REPORT = UUID("01a20000-0000-7000-8000-000000000002")
CATALOGUE = Catalogue(
    capabilities={RULES: Capability("Rule engine", 2.0)},
    editions={PRO: Edition("Guardian Pro", is_active=True)},
    sub_dimensions={(Dimension.CORE, "rules_usage"): SubDimension(1.0, 20, 50, 80)},
)
POISON = (
    "jane.doe@example.com",
    "Call +49 170 1234567",
    "Jane",
    "https://crm.example.com/jane",
    "sk_live_abcdefgh12345678",
)

READINESS = snapshots.readiness(
    ReadinessObservation(computed_at=NOW, capabilities=[CapabilityScore(key=RULES, score=70.5)]),
    CATALOGUE,
)
ADOPTION = snapshots.adoption(
    AdoptionObservation(
        computed_at=NOW,
        scores=[AdoptionScore(dimension=Dimension.CORE, sub_dimension="rules_usage", score=75)],
    ),
    CATALOGUE,
)
EDITIONS = snapshots.editions(
    EditionsObservation(computed_at=NOW, fits=[EditionFit(edition_key=PRO, fit_score=78)])
)


def test_readiness_tells_scores_under_catalogue_labels() -> None:
    assert _data(mappers.readiness_data(READINESS, CATALOGUE)) == {
        "overall_score": 71,
        "band": "mature",
        "capability_count": 1,
        "capabilities_summary": [{"key": RULES, "label": "Rule engine", "score": 70.5}],
    }


def test_a_plan_tells_counts_under_a_neutral_title() -> None:
    assert _data(mappers.uplift_plan_data(_plan("Move to Pro"))) == {
        "plan_id": str(PLAN),
        "plan_title": "Uplift plan 3f2a",
        "plan_status": "active",
        "tasks": {
            "total": 4,
            "completed": 2,
            "in_progress": 0,
            "blocked": 1,
            "completion_percentage": 50,
        },
    }


def test_a_plan_without_tasks_is_at_zero_percent() -> None:
    empty = snapshots.uplift_plan(
        UpliftPlanObservation(title="Soon", status=PlanStatus.DRAFT, tasks=[]), PLAN
    )

    assert _data(mappers.uplift_plan_data(empty))["tasks"]["completion_percentage"] == 0


def test_a_fit_tells_its_edition() -> None:
    assert _data(mappers.edition_fit_data(EDITIONS.fits[0], CATALOGUE)) == {
        "edition_key": PRO,
        "edition_label": "Guardian Pro",
        "fit_score": 78,
        "fit_status": "aligned",
    }


def test_a_report_is_titled_by_the_month_it_ends_in_and_its_missing_health_is_null() -> None:
    assert _data(mappers.executive_report_data(_report("October"))) == {
        "report_id": str(REPORT),
        "report_title": "Executive report 2025-11",
        "overall_health_score": None,
        "period_start": "2025-11-01",
        "period_end": "2025-11-30",
    }


def test_adoption_tells_dimensions_only() -> None:
    assert _data(mappers.adoption_data(ADOPTION)) == {
        "dimensions": [{"dimension": "core", "status": "regular", "score": 75}],
        "overall_adoption_status": "regular",
    }


def test_a_lifecycle_run_tells_totals() -> None:
    run = snapshots.lifecycle_run(
        LifecycleRunObservation(
            run_at=NOW,
            total_compacted=500,
            total_deleted=50,
            operations_successful=4,
            operations_skipped=3,
            operations_failed=0,
        )
    )

    assert _data(mappers.lifecycle_data(run)) == {
        "total_compacted": 500,
        "total_deleted": 50,
        "operations_successful": 4,
        "operations_failed": 0,
    }


def test_a_test_tells_one_fixed_sentence_under_no_scope() -> None:
    body = json.loads(mappers.envelope(EventType.TEST, NOW, mappers.data_of_test()))

    assert body["scope"] is None
    assert body["data"] == {
        "message": "This is a test event from Guardian. It carries no data of yours."
    }


def test_an_envelope_is_compact_and_in_utc_to_the_second() -> None:
    at = datetime(2026, 11, 1, 8, 0, 0, 987654, tzinfo=timezone(timedelta(hours=2)))

    body = mappers.envelope(EventType.ADOPTION_SCORES_COMPUTED, at, mappers.adoption_data(ADOPTION))

    assert body == (
        b'{"type":"adoption_scores_computed","timestamp":"2026-11-01T06:00:00Z","scope":"adoption",'
        b'"schema_version":1,"data":{"dimensions":[{"dimension":"core","status":"regular",'
        b'"score":75}],"overall_adoption_status":"regular"}}'
    )


def test_an_envelope_refuses_the_data_of_another_type() -> None:
    with pytest.raises(PayloadRefusedError):
        mappers.envelope(EventType.READINESS_UPDATED, NOW, mappers.adoption_data(ADOPTION))


@pytest.mark.parametrize("poison", POISON)
def test_titles_of_tenants_never_leave(poison: str) -> None:
    sent = mappers.seal(mappers.uplift_plan_data(_plan(poison)))
    sent += mappers.seal(mappers.executive_report_data(_report(poison)))

    assert poison.encode() not in sent


@pytest.mark.parametrize("poison", POISON)
def test_a_poisoned_key_never_leaves(poison: str) -> None:
    if poison == "Jane":
        poison = "jane@x"  # a bare name is no pattern's business: ingest knows only the catalogue
    capability = msgspec.structs.replace(READINESS.capabilities[0], key=poison)
    fit = msgspec.structs.replace(EDITIONS.fits[0], edition_key=poison)
    catalogue = replace(
        CATALOGUE,
        capabilities={poison: Capability("Rule engine", 1.0)},
        editions={poison: Edition("Guardian Pro", is_active=True)},
    )

    poisoned = msgspec.structs.replace(READINESS, capabilities=[capability])
    for data in (
        mappers.readiness_data(poisoned, catalogue),
        mappers.edition_fit_data(fit, catalogue),
    ):
        with pytest.raises(PayloadRefusedError):
            mappers.seal(data)


@pytest.mark.parametrize("poison", ["jane.doe@example.com", "Jane ☎", "Call 0170 1234567", ""])
def test_a_poisoned_catalogue_label_never_leaves(poison: str) -> None:
    catalogue = replace(
        CATALOGUE,
        capabilities={RULES: Capability(poison, 1.0)},
        editions={PRO: Edition(poison, is_active=True)},
    )

    for data in (
        mappers.readiness_data(READINESS, catalogue),
        mappers.edition_fit_data(EDITIONS.fits[0], catalogue),
    ):
        with pytest.raises(PayloadRefusedError):
            mappers.seal(data)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 100.5, "70", None])
def test_what_is_no_score_never_leaves(value: Any) -> None:
    poisoned = msgspec.structs.replace(mappers.adoption_data(ADOPTION).dimensions[0], score=value)

    with pytest.raises(PayloadRefusedError):
        mappers.seal(
            AdoptionData(dimensions=[poisoned], overall_adoption_status=AdoptionStatus.REGULAR)
        )


@pytest.mark.parametrize("value", [-1, 2**53, "jane.doe@example.com", 1.5])
def test_what_is_no_count_never_leaves(value: Any) -> None:
    with pytest.raises(PayloadRefusedError):
        mappers.seal(
            LifecycleData(
                total_compacted=value,
                total_deleted=0,
                operations_successful=0,
                operations_failed=0,
            )
        )


@given(st.text(max_size=120))
def test_no_title_whatever_it_is_changes_what_is_sent(title: str) -> None:
    assert mappers.uplift_plan_data(_plan(title)) == mappers.uplift_plan_data(_plan("Move to Pro"))
    assert mappers.executive_report_data(_report(title)) == mappers.executive_report_data(
        _report(None)
    )


@given(st.uuids())
def test_no_id_is_taken_for_a_telephone(plan_id: UUID) -> None:
    snapshot = snapshots.uplift_plan(
        UpliftPlanObservation(title="Any", status=PlanStatus.ACTIVE, tasks=[]), plan_id
    )

    assert mappers.seal(mappers.uplift_plan_data(snapshot))


def _data(payload: Payload) -> Any:
    return json.loads(mappers.seal(payload))


def _plan(title: str) -> snapshots.UpliftPlanSnapshot:
    statuses = [TaskStatus.DONE, TaskStatus.DONE, TaskStatus.BLOCKED, TaskStatus.TODO]
    return snapshots.uplift_plan(
        UpliftPlanObservation(
            title=title,
            status=PlanStatus.ACTIVE,
            tasks=[
                UpliftTask(task_id=UUID(int=number), status=status)
                for number, status in enumerate(statuses)
            ],
        ),
        PLAN,
    )


def _report(title: str | None) -> snapshots.ExecutiveReportSnapshot:
    return snapshots.executive_report(
        ExecutiveReportObservation(
            report_type=ReportType.MONTHLY,
            title=title,
            period_start=date(2025, 11, 1),
            period_end=date(2025, 11, 30),
        ),
        REPORT,
        readiness_score=None,
    )
