"""Each risk begins at its threshold, says since when, and names one action."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.contracts.success import Risk
from shared.contracts.words import ActionCode, RiskCode, Scope, Severity
from shared.domain.risks import Facts, risks
from shared.domain.trends import Point

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)


def test_a_tenant_nobody_told_of_has_no_risks() -> None:
    assert risks(Facts(now=NOW, newest={})) == []


def test_a_low_score_is_told_since_it_fell_below_the_band() -> None:
    points = [Point(NOW - 3 * WEEK, 45), Point(NOW - 2 * WEEK, 39), Point(NOW - WEEK, 35)]

    risk = _only(readiness=points)

    assert (risk.code, risk.severity) == (RiskCode.SCORE_LOW, Severity.MEDIUM)
    assert risk.since == NOW - 2 * WEEK
    assert risk.evidence == {"overall_score": 35, "below": 40.0}
    assert risk.action_code is ActionCode.RAISE_WEAKEST_CAPABILITY


def test_a_score_at_the_edge_is_not_low() -> None:
    assert _codes(readiness=[Point(NOW, 40)]) == []
    assert _only(readiness=[Point(NOW, 19.9)]).severity is Severity.HIGH


@pytest.mark.parametrize(
    ("delta", "severity"),
    [(-5.0, Severity.MEDIUM), (-14.99, Severity.MEDIUM), (-15.0, Severity.HIGH)],
)
def test_a_material_drop_in_four_weeks_is_told(delta: float, severity: Severity) -> None:
    risk = _only(readiness=[Point(NOW, 60)], readiness_delta_4w=delta)

    assert (risk.code, risk.severity) == (RiskCode.SCORE_DROP_4W, severity)
    assert risk.evidence["delta_4w"] == delta


def test_a_drop_is_told_since_it_became_material() -> None:
    points = [
        Point(NOW - 4 * WEEK, 80),
        Point(NOW - 3 * WEEK, 78),
        Point(NOW - 2 * WEEK, 75),
        Point(NOW - WEEK, 74),
        Point(NOW, 70),
    ]

    assert _only(readiness=points, readiness_delta_4w=-10.0).since == NOW - 2 * WEEK


def test_a_smaller_drop_is_no_risk() -> None:
    assert _codes(readiness=[Point(NOW, 60)], readiness_delta_4w=-4.99) == []


@pytest.mark.parametrize(
    ("breadth", "severity"),
    [(0.5, None), (0.3333, Severity.MEDIUM), (0.1667, Severity.HIGH), (0.0, Severity.HIGH)],
)
def test_adoption_is_narrow_below_half_of_the_dimensions(
    breadth: float, severity: Severity | None
) -> None:
    told = risks(Facts(now=NOW, newest={Scope.ADOPTION: NOW}, breadth=breadth))

    assert [one.severity for one in told] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("days", "severity"),
    [(28, None), (29, Severity.MEDIUM), (56, Severity.MEDIUM), (57, Severity.HIGH)],
)
def test_a_plan_stalls_after_four_weeks_without_progress(
    days: int, severity: Severity | None
) -> None:
    told = risks(Facts(now=NOW, newest={}, open_tasks=3, last_progress=NOW - days * DAY))

    assert [one.severity for one in told] == ([severity] if severity else [])
    assert all(one.since == NOW - (days - 28) * DAY for one in told)


def test_a_finished_plan_does_not_stall() -> None:
    assert _codes(open_tasks=0, last_progress=NOW - 100 * DAY) == []


@pytest.mark.parametrize(
    ("blocked", "severity"), [(1, None), (2, Severity.MEDIUM), (5, Severity.HIGH)]
)
def test_a_plan_is_blocked_from_a_fifth_of_its_open_tasks(
    blocked: int, severity: Severity | None
) -> None:
    told = risks(Facts(now=NOW, newest={}, open_tasks=10, blocked_tasks=blocked))

    assert [(one.code, one.severity) for one in told] == (
        [(RiskCode.PLAN_BLOCKED, severity)] if severity else []
    )


def test_an_edition_fits_from_aligned_on() -> None:
    assert _codes(main_edition="guardian_pro", fits=[Point(NOW, 60)]) == []

    risk = _only(main_edition="guardian_pro", fits=[Point(NOW - WEEK, 61), Point(NOW, 24)])

    assert (risk.code, risk.severity) == (RiskCode.EDITION_MISFIT, Severity.HIGH)
    assert risk.evidence["edition_key"] == "guardian_pro"
    assert risk.since == NOW


def test_stale_data_is_told_once_for_all_domains() -> None:
    newest = {Scope.READINESS: NOW - 10 * DAY, Scope.ADOPTION: NOW - 9 * DAY, Scope.EDITIONS: NOW}

    [risk] = risks(Facts(now=NOW, newest=newest))

    assert (risk.code, risk.severity) == (RiskCode.DATA_STALE, Severity.MEDIUM)
    assert risk.evidence == {"readiness_age_days": 10, "adoption_age_days": 9}
    assert risk.since == NOW - 2 * DAY


def test_data_thrice_as_old_as_it_may_be_is_a_high_risk() -> None:
    [risk] = risks(Facts(now=NOW, newest={Scope.READINESS: NOW - 25 * DAY}))

    assert risk.severity is Severity.HIGH


def test_a_report_is_missed_after_five_weeks_or_five_weeks_after_the_first_data() -> None:
    late = risks(Facts(now=NOW, newest={Scope.EXECUTIVE_REPORTS: NOW - 36 * DAY}))
    never = risks(Facts(now=NOW, newest={Scope.READINESS: NOW}, first_seen=NOW - 40 * DAY))
    new = risks(Facts(now=NOW, newest={Scope.READINESS: NOW}, first_seen=NOW - 35 * DAY))

    assert [(one.code, one.since) for one in late] == [(RiskCode.REPORT_MISSING, NOW - DAY)]
    assert [(one.code, one.since) for one in never] == [(RiskCode.REPORT_MISSING, NOW - 5 * DAY)]
    assert never[0].evidence == {"days_since_report": None}
    assert new == []


def test_the_most_severe_comes_first() -> None:
    told = risks(
        Facts(
            now=NOW,
            newest={Scope.READINESS: NOW, Scope.EXECUTIVE_REPORTS: NOW - 36 * DAY},
            readiness=[Point(NOW, 39)],
            open_tasks=2,
            blocked_tasks=1,
        )
    )

    assert [one.severity for one in told] == [Severity.HIGH, Severity.MEDIUM, Severity.LOW]


def _codes(**given: Any) -> list[RiskCode]:
    return [one.code for one in risks(Facts(now=NOW, newest={}, **given))]


def _only(**given: Any) -> Risk:
    [risk] = risks(Facts(now=NOW, newest={}, **given))
    return risk
