"""What types cannot refuse: unknown keys, doubles, impossible dates, and people in titles.

Every check names the field and repeats nothing of its value.
"""

import unicodedata
from collections.abc import Hashable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from shared.contracts.observations import (
    AdoptionObservation,
    EditionsObservation,
    ExecutiveReportObservation,
    LifecycleRunObservation,
    ReadinessObservation,
    UpliftPlanObservation,
)
from shared.contracts.words import TaskStatus
from shared.domain import pii
from shared.domain.catalogue import Catalogue
from shared.errors import FieldError, InvalidError

Observation = (
    ReadinessObservation
    | AdoptionObservation
    | EditionsObservation
    | UpliftPlanObservation
    | ExecutiveReportObservation
    | LifecycleRunObservation
)

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_GRACE = timedelta(days=1)
"""A producer's clock may run ahead by this much."""

LONGEST_AHEAD = timedelta(days=366)
"""A report may be about a period that is still running, not about one that is far away."""


def check(observation: Observation, catalogue: Catalogue, *, now: datetime) -> None:
    """Let a sound observation pass.

    Raises:
        InvalidError: naming every field that is refused.
    """
    errors = list(_problems(observation, catalogue, now))
    if errors:
        raise InvalidError(errors=errors)


def _problems(
    observation: Observation, catalogue: Catalogue, now: datetime
) -> Iterator[FieldError]:
    match observation:
        case ReadinessObservation():
            yield from _instant("$.computed_at", observation.computed_at, now)
            keys = [one.key for one in observation.capabilities]
            yield from _registered("$.capabilities[{}].key", keys, catalogue.capabilities)
        case AdoptionObservation():
            yield from _instant("$.computed_at", observation.computed_at, now)
            pairs = [(one.dimension, one.sub_dimension) for one in observation.scores]
            yield from _registered("$.scores[{}].sub_dimension", pairs, catalogue.sub_dimensions)
        case EditionsObservation():
            yield from _instant("$.computed_at", observation.computed_at, now)
            keys = [one.edition_key for one in observation.fits]
            yield from _registered("$.fits[{}].edition_key", keys, catalogue.editions)
            yield from _one_primary(observation)
        case UpliftPlanObservation():
            yield from _plan(observation, now)
        case ExecutiveReportObservation():
            yield from _report(observation, now)
        case LifecycleRunObservation():
            yield from _instant("$.run_at", observation.run_at, now)


def _plan(plan: UpliftPlanObservation, now: datetime) -> Iterator[FieldError]:
    yield from _instant("$.changed_at", plan.changed_at, now)
    yield from _title(plan.title)
    if plan.starts_on and plan.target_on and plan.target_on < plan.starts_on:
        yield FieldError("$.target_on", "out_of_order", "It must not lie before starts_on.")
    yield from _unique("$.tasks[{}].task_id", [one.task_id for one in plan.tasks])
    for index, task in enumerate(plan.tasks):
        path = f"$.tasks[{index}].completed_at"
        yield from _instant(path, task.completed_at, now)
        if task.completed_at and task.status is not TaskStatus.DONE:
            yield FieldError(path, "contradiction", "Only a task that is done was completed.")


def _report(report: ExecutiveReportObservation, now: datetime) -> Iterator[FieldError]:
    yield from _instant("$.created_at", report.created_at, now)
    if report.title is not None:
        yield from _title(report.title)
    yield from _day("$.period_start", report.period_start, now)
    yield from _day("$.period_end", report.period_end, now)
    if report.period_end < report.period_start:
        yield FieldError("$.period_end", "out_of_order", "It must not lie before period_start.")


def _one_primary(observation: EditionsObservation) -> Iterator[FieldError]:
    primary = [index for index, one in enumerate(observation.fits) if one.is_primary]
    for index in primary[1:]:
        yield FieldError(
            f"$.fits[{index}].is_primary", "duplicate", "At most one edition is primary."
        )


def _registered(
    path: str, keys: Iterable[Hashable], known: Iterable[Hashable]
) -> Iterator[FieldError]:
    """Only what an operator registered may be named: a pattern cannot tell a key from a person."""
    keys, registered = list(keys), set(known)
    for index, key in enumerate(keys):
        if key not in registered:
            yield FieldError(path.format(index), "unknown_key", "The catalogue has no such key.")
    yield from _unique(path, keys)


def _unique(path: str, keys: Iterable[Hashable]) -> Iterator[FieldError]:
    seen: set[Hashable] = set()
    for index, key in enumerate(keys):
        if key in seen:
            yield FieldError(path.format(index), "duplicate", "It is already in this list.")
        seen.add(key)


def _instant(path: str, at: datetime | None, now: datetime) -> Iterator[FieldError]:
    if at is None:
        return
    if at < EARLIEST:
        yield FieldError(path, "out_of_range", "It must not lie before the year 2000.")
    elif at > now + CLOCK_GRACE:
        yield FieldError(path, "out_of_range", "It must not lie more than a day in the future.")


def _day(path: str, day: date, now: datetime) -> Iterator[FieldError]:
    if day < EARLIEST.date():
        yield FieldError(path, "out_of_range", "It must not lie before the year 2000.")
    elif day > (now + LONGEST_AHEAD).date():
        yield FieldError(path, "out_of_range", "It must not lie more than a year in the future.")


def _title(title: str) -> Iterator[FieldError]:
    if not title.strip():
        yield FieldError("$.title", "blank", "It must not be blank.")
    if any(unicodedata.category(sign) == "Cc" for sign in title):
        yield FieldError("$.title", "not_allowed", "It must not contain control characters.")
    if kind := pii.find(title):
        message = f"It looks as if it held personal or secret data ({kind}): leave that out."
        yield FieldError("$.title", "personal_data", message)
