"""The formulas, with numbers, and against a slow plain model."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.words import (
    AdoptionStatus,
    Band,
    CapabilityStatus,
    Dimension,
    FitStatus,
    SubDimensionStatus,
)
from shared.domain import rollups
from shared.domain.catalogue import SubDimension
from shared.domain.rollups import Reading, Weighted

EXAMPLES = 1000
SCORES = st.floats(0, 100).map(lambda value: round(value, 3))
WEIGHTS = st.sampled_from([0.5, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 1.8, 2.0])
READINGS = st.lists(st.builds(Reading, st.sampled_from(Dimension), SCORES, WEIGHTS), max_size=30)


def test_readiness_is_the_mean_by_weight_of_what_was_scored() -> None:
    # (70 x 2.0 + 40 x 1.8 + 85 x 1.5) / 5.3 = 339.5 / 5.3 = 64.06
    scored = [Weighted(70, 2.0), Weighted(40, 1.8), Weighted(85, 1.5)]

    assert rollups.readiness_overall(scored) == 64


def test_halves_go_up() -> None:
    assert rollups.readiness_overall([Weighted(72, 1), Weighted(73, 1)]) == 73
    assert rollups.readiness_overall([Weighted(71, 1), Weighted(72, 1)]) == 72


def test_nothing_scored_has_no_readiness() -> None:
    with pytest.raises(ValueError, match="nothing was scored"):
        rollups.readiness_overall([])


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.builds(Weighted, SCORES, WEIGHTS), min_size=1, max_size=20))
def test_readiness_agrees_with_exact_arithmetic(scored: list[Weighted]) -> None:
    exact = _exact_mean(scored)

    assert abs(rollups.readiness_overall(scored) - exact) <= Fraction(1, 2) + Fraction(1, 10**8)


@pytest.mark.parametrize(
    ("score", "band"),
    [
        (0, Band.BASELINE),
        (39.99, Band.BASELINE),
        (40, Band.OPERATIONAL),
        (59.99, Band.OPERATIONAL),
        (60, Band.MATURE),
        (79.99, Band.MATURE),
        (80, Band.NETWORK_INTELLIGENT),
        (100, Band.NETWORK_INTELLIGENT),
    ],
)
def test_a_band_begins_at_its_edge(score: float, band: Band) -> None:
    assert rollups.band_of(score) is band


@pytest.mark.parametrize(
    ("score", "status"),
    [
        (0, CapabilityStatus.NOT_CONFIGURED),
        (20, CapabilityStatus.PARTIAL),
        (65, CapabilityStatus.PARTIAL),
        (70, CapabilityStatus.READY),
        (85, CapabilityStatus.READY),
        (90, CapabilityStatus.ADVANCED),
    ],
)
def test_a_capability_is_named_as_every_evaluator_names_it(
    score: float, status: CapabilityStatus
) -> None:
    assert rollups.capability_status(score) is status


@pytest.mark.parametrize(
    ("score", "status"),
    [
        (24.99, FitStatus.NOT_STARTED),
        (25, FitStatus.EMERGING),
        (60, FitStatus.ALIGNED),
        (89.99, FitStatus.ALIGNED),
        (90, FitStatus.EXCEEDS),
    ],
)
def test_a_fit_begins_at_its_edge(score: float, status: FitStatus) -> None:
    assert rollups.fit_status(score) is status


@pytest.mark.parametrize(
    ("score", "status"),
    [
        (14.99, SubDimensionStatus.INACTIVE),
        (15, SubDimensionStatus.LIGHT),
        (45, SubDimensionStatus.REGULAR),
        (75, SubDimensionStatus.POWER),
    ],
)
def test_a_sub_dimension_is_judged_by_its_own_edges(
    score: float, status: SubDimensionStatus
) -> None:
    simulation_runs = SubDimension(weight=1, light_from=15, regular_from=45, power_from=75)

    assert rollups.sub_dimension_status(score, simulation_runs) is status


def test_adoption_is_rolled_up_by_weight_for_each_dimension_and_over_all_rows() -> None:
    rollup = rollups.adoption(
        [
            Reading(Dimension.CORE, 75, 1.0),
            Reading(Dimension.CORE, 50, 0.8),
            Reading(Dimension.META, 20, 0.8),
        ]
    )

    core, meta = rollup.dimensions
    assert core == (Dimension.CORE, AdoptionStatus.REGULAR, 63.89)  # 115 / 1.8
    assert meta == (Dimension.META, AdoptionStatus.INACTIVE, 20.0)
    assert rollup.score == 50.38  # (75 + 40 + 16) / 2.6
    assert rollup.status is AdoptionStatus.LIGHT
    assert rollup.worst is Dimension.META


def test_no_rows_are_unknown_and_never_power() -> None:
    assert rollups.adoption([]) == (AdoptionStatus.UNKNOWN, None, None, ())


@settings(max_examples=EXAMPLES, deadline=None)
@given(READINGS)
def test_adoption_agrees_with_exact_arithmetic(readings: list[Reading]) -> None:
    rollup = rollups.adoption(readings)

    assert [one.dimension for one in rollup.dimensions] == [
        dimension for dimension in Dimension if any(row.dimension is dimension for row in readings)
    ]
    for one in rollup.dimensions:
        own = [
            Weighted(row.score, row.weight) for row in readings if row.dimension is one.dimension
        ]
        assert abs(one.score - _exact_mean(own)) <= Fraction(51, 10_000)
        assert one.status is _slow_status(one.score)
    if rollup.score is not None:
        everything = [Weighted(row.score, row.weight) for row in readings]
        assert abs(rollup.score - _exact_mean(everything)) <= Fraction(51, 10_000)
        assert rollup.status is _slow_status(rollup.score)
        lowest = min(one.score for one in rollup.dimensions)
        assert lowest == next(
            one.score for one in rollup.dimensions if one.dimension is rollup.worst
        )


def test_breadth_counts_regular_and_power_of_six() -> None:
    statuses = [AdoptionStatus.POWER, AdoptionStatus.REGULAR, AdoptionStatus.LIGHT]

    assert rollups.breadth(statuses) == 0.3333
    assert rollups.breadth([]) == 0.0


def test_completion_is_whole_percent_and_unknown_without_tasks() -> None:
    assert rollups.completion_percentage(6, 10) == 60
    assert rollups.completion_percentage(1, 8) == 13
    assert rollups.completion_percentage(2, 3) == 67
    assert rollups.completion_percentage(0, 0) is None


def test_a_plan_is_expected_to_grow_evenly_between_its_dates() -> None:
    starts, target = date(2026, 10, 1), date(2026, 10, 11)

    assert rollups.expected_share(starts, target, date(2026, 9, 1)) == 0.0
    assert rollups.expected_share(starts, target, date(2026, 10, 4)) == 0.3
    assert rollups.expected_share(starts, target, date(2026, 10, 11)) == 1.0
    assert rollups.expected_share(starts, starts, starts) == 1.0


def _exact_mean(scored: list[Weighted]) -> Fraction:
    weight = sum(Fraction(one.weight) for one in scored)
    return sum((Fraction(one.score) * Fraction(one.weight) for one in scored), Fraction()) / weight


def _slow_status(score: float) -> AdoptionStatus:
    if score < 25:
        return AdoptionStatus.INACTIVE
    if score < 60:
        return AdoptionStatus.LIGHT
    if score < 85:
        return AdoptionStatus.REGULAR
    return AdoptionStatus.POWER
