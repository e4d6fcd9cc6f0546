"""What an observation says once judged: the body that is stored, with all that was derived.

Payloads, overview, history and exports read these. They stay in their own tenant's answers; what
may leave is decided by the mappers.
"""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from shared.contracts.observations import (
    AdoptionObservation,
    EditionsObservation,
    ExecutiveReportObservation,
    LifecycleRunObservation,
    ReadinessObservation,
    UpliftPlanObservation,
    UpliftTask,
)
from shared.contracts.words import (
    AdoptionStatus,
    Band,
    CapabilityStatus,
    Dimension,
    FitStatus,
    PlanStatus,
    ReportType,
    SubDimensionStatus,
    TaskStatus,
)
from shared.domain import rollups
from shared.domain.catalogue import Catalogue


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What every stored body tells beside its domain's facts."""

    is_derived: bool


class ScoredCapability(msgspec.Struct, frozen=True, kw_only=True):
    """One capability's score."""

    key: str
    score: float
    status: CapabilityStatus


class ReadinessSnapshot(Snapshot, frozen=True, kw_only=True):
    """Readiness; derived where the producer left out the overall score or its band."""

    overall_score: float
    band: Band
    capabilities: list[ScoredCapability]


class ScoredSubDimension(msgspec.Struct, frozen=True, kw_only=True):
    """One sub-dimension's score."""

    dimension: Dimension
    sub_dimension: str
    score: float
    status: SubDimensionStatus


class ScoredDimension(msgspec.Struct, frozen=True, kw_only=True):
    """One dimension's roll-up."""

    dimension: Dimension
    status: AdoptionStatus
    score: float


class AdoptionSnapshot(Snapshot, frozen=True, kw_only=True):
    """Adoption, always derived: producers send rows, Guardian rolls them up."""

    overall_score: float
    overall_status: AdoptionStatus
    worst_dimension: Dimension
    breadth: float
    dimensions: list[ScoredDimension]
    scores: list[ScoredSubDimension]


class ScoredEdition(msgspec.Struct, frozen=True, kw_only=True):
    """One edition's fit."""

    edition_key: str
    fit_score: float
    fit_status: FitStatus
    is_primary: bool


class EditionsSnapshot(Snapshot, frozen=True, kw_only=True):
    """One computation of fits, best first; derived where a status was left out."""

    main_key: str
    fits: list[ScoredEdition]


class UpliftPlanSnapshot(Snapshot, frozen=True, kw_only=True):
    """A plan as it stood; the percentage is always derived, and None where there is no task."""

    plan_id: UUID
    title: str
    status: PlanStatus
    starts_on: date | None
    target_on: date | None
    done: int
    in_progress: int
    blocked: int
    total: int
    completion_percentage: int | None
    tasks: list[UpliftTask]


class ExecutiveReportSnapshot(Snapshot, frozen=True, kw_only=True):
    """A report; derived where its health score is the readiness score of its period's end."""

    report_id: UUID
    report_type: ReportType
    title: str | None
    period_start: date
    period_end: date
    overall_health_score: float | None


class LifecycleRunSnapshot(Snapshot, frozen=True, kw_only=True):
    """A lifecycle run; nothing of it is derived."""

    run_at: datetime
    total_compacted: int
    total_deleted: int
    operations_successful: int
    operations_skipped: int
    operations_failed: int


def readiness(observation: ReadinessObservation, catalogue: Catalogue) -> ReadinessSnapshot:
    """Fill in status, overall score and band where the producer left them out.

    Raises:
        KeyError: a capability is not in the catalogue.
    """
    overall = observation.overall_score
    if overall is None:
        overall = rollups.readiness_overall(
            rollups.Weighted(one.score, catalogue.capabilities[one.key].weight)
            for one in observation.capabilities
        )
    return ReadinessSnapshot(
        is_derived=observation.overall_score is None or observation.band is None,
        overall_score=overall,
        band=observation.band or rollups.band_of(overall),
        capabilities=[
            ScoredCapability(
                key=one.key,
                score=one.score,
                status=one.status or rollups.capability_status(one.score),
            )
            for one in observation.capabilities
        ],
    )


def adoption(observation: AdoptionObservation, catalogue: Catalogue) -> AdoptionSnapshot:
    """Roll the rows up by the weights of the catalogue.

    Raises:
        KeyError: a sub-dimension is not in the catalogue.
        ValueError: there are no rows.
    """
    entries = [
        catalogue.sub_dimensions[one.dimension, one.sub_dimension] for one in observation.scores
    ]
    rollup = rollups.adoption(
        rollups.Reading(one.dimension, one.score, entry.weight)
        for one, entry in zip(observation.scores, entries, strict=True)
    )
    if rollup.score is None or rollup.worst is None:
        raise ValueError("an adoption snapshot needs a row")
    return AdoptionSnapshot(
        is_derived=True,
        overall_score=rollup.score,
        overall_status=rollup.status,
        worst_dimension=rollup.worst,
        breadth=rollups.breadth(one.status for one in rollup.dimensions),
        dimensions=[
            ScoredDimension(dimension=one.dimension, status=one.status, score=one.score)
            for one in rollup.dimensions
        ],
        scores=[
            ScoredSubDimension(
                dimension=one.dimension,
                sub_dimension=one.sub_dimension,
                score=one.score,
                status=one.status or rollups.sub_dimension_status(one.score, entry),
            )
            for one, entry in zip(observation.scores, entries, strict=True)
        ],
    )


def editions(observation: EditionsObservation) -> EditionsSnapshot:
    """Fill in each status; the main edition is the primary one, else the one that fits best."""
    fits = sorted(
        (
            ScoredEdition(
                edition_key=one.edition_key,
                fit_score=one.fit_score,
                fit_status=one.fit_status or rollups.fit_status(one.fit_score),
                is_primary=one.is_primary,
            )
            for one in observation.fits
        ),
        key=lambda one: (-one.fit_score, one.edition_key),
    )
    return EditionsSnapshot(
        is_derived=any(one.fit_status is None for one in observation.fits),
        main_key=next((one for one in fits if one.is_primary), fits[0]).edition_key,
        fits=fits,
    )


def uplift_plan(observation: UpliftPlanObservation, plan_id: UUID) -> UpliftPlanSnapshot:
    """Count the tasks by status."""
    done, in_progress, blocked = (
        _count(observation.tasks, status)
        for status in (TaskStatus.DONE, TaskStatus.IN_PROGRESS, TaskStatus.BLOCKED)
    )
    return UpliftPlanSnapshot(
        is_derived=True,
        plan_id=plan_id,
        title=observation.title,
        status=observation.status,
        starts_on=observation.starts_on,
        target_on=observation.target_on,
        done=done,
        in_progress=in_progress,
        blocked=blocked,
        total=len(observation.tasks),
        completion_percentage=rollups.completion_percentage(done, len(observation.tasks)),
        tasks=observation.tasks,
    )


def executive_report(
    observation: ExecutiveReportObservation, report_id: UUID, *, readiness_score: float | None
) -> ExecutiveReportSnapshot:
    """Take the producer's health score, else `readiness_score`, that of the period's end."""
    health = observation.overall_health_score
    return ExecutiveReportSnapshot(
        is_derived=health is None and readiness_score is not None,
        report_id=report_id,
        report_type=observation.report_type,
        title=observation.title,
        period_start=observation.period_start,
        period_end=observation.period_end,
        overall_health_score=readiness_score if health is None else health,
    )


def lifecycle_run(observation: LifecycleRunObservation) -> LifecycleRunSnapshot:
    """Keep what was told."""
    return LifecycleRunSnapshot(
        is_derived=False,
        run_at=observation.run_at,
        total_compacted=observation.total_compacted,
        total_deleted=observation.total_deleted,
        operations_successful=observation.operations_successful,
        operations_skipped=observation.operations_skipped,
        operations_failed=observation.operations_failed,
    )


def _count(tasks: Sequence[UpliftTask], status: TaskStatus) -> int:
    return sum(one.status is status for one in tasks)
