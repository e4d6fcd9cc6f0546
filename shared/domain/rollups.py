"""From many scores to one, and from a score to a word.

Every edge begins its status: `[lo, hi)`. A word is judged on the rounded score, so that what is
shown and what is said agree. A change of any rule here raises `FORMULA_VERSION`, which is stored
with each observation, so that a jump of the formula is not read as a jump of the tenant.
"""

import math
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple, TypeVar

from shared.contracts.words import (
    AdoptionStatus,
    Band,
    CapabilityStatus,
    Dimension,
    FitStatus,
    SubDimensionStatus,
)
from shared.domain.catalogue import SubDimension

W = TypeVar("W")

FORMULA_VERSION = 1

ADOPTION_DECIMALS = 2
BREADTH_DECIMALS = 4
FULL_SCORE = 100.0

BANDS = (
    (80.0, Band.NETWORK_INTELLIGENT),
    (60.0, Band.MATURE),
    (40.0, Band.OPERATIONAL),
    (0.0, Band.BASELINE),
)
"""Readiness: from 80, 60, 40 and 0, as the product's readiness model has them."""

CAPABILITY_STATUSES = (
    (90.0, CapabilityStatus.ADVANCED),
    (70.0, CapabilityStatus.READY),
    (math.nextafter(0.0, 1.0), CapabilityStatus.PARTIAL),
    (0.0, CapabilityStatus.NOT_CONFIGURED),
)
"""One capability: the edges with which every evaluator of the product agrees."""

ADOPTION_STATUSES = (
    (85.0, AdoptionStatus.POWER),
    (60.0, AdoptionStatus.REGULAR),
    (25.0, AdoptionStatus.LIGHT),
    (0.0, AdoptionStatus.INACTIVE),
)
"""A dimension and the whole: the adoption model's generic thresholds."""

FIT_STATUSES = (
    (90.0, FitStatus.EXCEEDS),
    (60.0, FitStatus.ALIGNED),
    (25.0, FitStatus.EMERGING),
    (0.0, FitStatus.NOT_STARTED),
)
"""Edition fit: the edges of the edition model."""

USED = frozenset({AdoptionStatus.REGULAR, AdoptionStatus.POWER})
"""What counts towards breadth."""


class Weighted(NamedTuple):
    """A score and how much it counts; the weight is above 0."""

    score: float
    weight: float


class Reading(NamedTuple):
    """One sub-dimension's score, weighted, under its dimension."""

    dimension: Dimension
    score: float
    weight: float


class DimensionRollup(NamedTuple):
    """One dimension's score and status."""

    dimension: Dimension
    status: AdoptionStatus
    score: float


class AdoptionRollup(NamedTuple):
    """Adoption as a whole; `score` and `worst` are None where nothing was measured."""

    status: AdoptionStatus
    score: float | None
    worst: Dimension | None
    dimensions: tuple[DimensionRollup, ...]


def readiness_overall(scored: Iterable[Weighted]) -> float:
    """Σ(score x weight) / Σ weight over the capabilities that were scored, to the nearest integer.

    Halves go up. A capability that was not scored does not count as 0: it does not count.

    Raises:
        ValueError: nothing was scored.
    """
    return float(_half_up(_mean(scored)))


def band_of(score: float) -> Band:
    """Name the band of a readiness score."""
    return _word(score, BANDS)


def capability_status(score: float) -> CapabilityStatus:
    """Say how far a capability of this score is set up."""
    return _word(score, CAPABILITY_STATUSES)


def fit_status(score: float) -> FitStatus:
    """Name an edition's fit."""
    return _word(score, FIT_STATUSES)


def sub_dimension_status(score: float, entry: SubDimension) -> SubDimensionStatus:
    """Name one sub-dimension's use by its own edges in the catalogue."""
    return _word(
        score,
        (
            (entry.power_from, SubDimensionStatus.POWER),
            (entry.regular_from, SubDimensionStatus.REGULAR),
            (entry.light_from, SubDimensionStatus.LIGHT),
            (0.0, SubDimensionStatus.INACTIVE),
        ),
    )


def adoption(readings: Iterable[Reading]) -> AdoptionRollup:
    """Roll the rows of one snapshot up: each dimension, and all rows together, by weight.

    Scores keep two decimals. The worst dimension is the lowest; of equals, the first in the order
    of `Dimension`. Without rows nothing is known, so the status is `unknown`, never `power`.
    """
    rows = list(readings)
    if not rows:
        return AdoptionRollup(AdoptionStatus.UNKNOWN, None, None, ())
    dimensions = tuple(
        DimensionRollup(dimension, _word(score, ADOPTION_STATUSES), score)
        for dimension in Dimension
        if (own := [Weighted(row.score, row.weight) for row in rows if row.dimension is dimension])
        for score in (round(_mean(own), ADOPTION_DECIMALS),)
    )
    overall = round(_mean(Weighted(row.score, row.weight) for row in rows), ADOPTION_DECIMALS)
    worst = min(dimensions, key=lambda one: one.score)
    return AdoptionRollup(_word(overall, ADOPTION_STATUSES), overall, worst.dimension, dimensions)


def breadth(statuses: Iterable[AdoptionStatus]) -> float:
    """Share of all six dimensions that are in regular use or above, 0 to 1."""
    return round(sum(status in USED for status in statuses) / len(Dimension), BREADTH_DECIMALS)


def completion_percentage(done: int, total: int) -> int | None:
    """Done of total in whole percent, halves up; None where there is no task."""
    return _half_up(100 * done / total) if total else None


def expected_share(starts_on: date, target_on: date, today: date) -> float:
    """Where a plan's own dates say it should stand today, 0 to 1, growing evenly by the day."""
    if today >= target_on:
        return 1.0
    if today <= starts_on:
        return 0.0
    return (today - starts_on).days / (target_on - starts_on).days


def _mean(scored: Iterable[Weighted]) -> float:
    rows = list(scored)
    weight = math.fsum(one.weight for one in rows)
    if not weight:
        raise ValueError("nothing was scored")
    mean = math.fsum(one.score * one.weight for one in rows) / weight
    # Division may leave the range of the scores by a rounding error.
    return min(max(mean, 0.0), FULL_SCORE)


def _half_up(value: float) -> int:
    # 72.49999999999999 is 72.5 computed in binary.
    return math.floor(round(value, 9) + 0.5)


def _word(score: float, edges: tuple[tuple[float, W], ...]) -> W:
    return next(word for edge, word in edges if score >= edge)
