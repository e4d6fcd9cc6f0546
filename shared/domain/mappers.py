"""What leaves the house: one mapper per kind of event, and the seal that lets nothing else pass.

A mapper takes what was judged and keeps what the event's `data` has a field for. Titles and labels
of tenants never pass: a neutral title is generated, a label is the catalogue's.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Any, cast
from uuid import UUID

import msgspec

from shared.contracts.payloads import (
    DATA_OF,
    SCHEMA_VERSION,
    TEST_MESSAGE,
    AdoptionData,
    CapabilitySummary,
    DimensionScore,
    EditionFitData,
    Envelope,
    ExecutiveReportData,
    LifecycleData,
    Payload,
    ReadinessData,
    TaskCounts,
    TestData,
    UpliftPlanData,
)
from shared.contracts.words import SCOPE_OF, EventType
from shared.domain import pii
from shared.domain.catalogue import Catalogue
from shared.domain.snapshots import (
    AdoptionSnapshot,
    ExecutiveReportSnapshot,
    LifecycleRunSnapshot,
    ReadinessSnapshot,
    ScoredEdition,
    UpliftPlanSnapshot,
)
from shared.errors import PayloadRefusedError

TITLE_DIGITS = 4
WITHHELD = b""
"""The body of an event whose payload was refused: there is nothing that could leave."""


def readiness_data(snapshot: ReadinessSnapshot, catalogue: Catalogue) -> ReadinessData:
    """`readiness_updated`: statuses of single capabilities stay here."""
    return ReadinessData(
        overall_score=_plain(snapshot.overall_score),
        band=snapshot.band,
        capability_count=len(snapshot.capabilities),
        capabilities_summary=[
            CapabilitySummary(
                key=one.key,
                label=catalogue.capabilities[one.key].label,
                score=_plain(one.score),
            )
            for one in snapshot.capabilities
        ],
    )


def uplift_plan_data(snapshot: UpliftPlanSnapshot) -> UpliftPlanData:
    """`uplift_plan_created` and `_updated`: single tasks and the plan's title stay here."""
    return UpliftPlanData(
        plan_id=snapshot.plan_id,
        plan_title=f"Uplift plan {snapshot.plan_id.hex[:TITLE_DIGITS]}",
        plan_status=snapshot.status,
        tasks=TaskCounts(
            total=snapshot.total,
            completed=snapshot.done,
            in_progress=snapshot.in_progress,
            blocked=snapshot.blocked,
            completion_percentage=snapshot.completion_percentage or 0,
        ),
    )


def edition_fit_data(fit: ScoredEdition, catalogue: Catalogue) -> EditionFitData:
    """`edition_fit_computed`, one per edition."""
    return EditionFitData(
        edition_key=fit.edition_key,
        edition_label=catalogue.editions[fit.edition_key].label,
        fit_score=_plain(fit.fit_score),
        fit_status=fit.fit_status,
    )


def executive_report_data(snapshot: ExecutiveReportSnapshot) -> ExecutiveReportData:
    """`executive_report_created`: the report's kind and its title stay here."""
    health = snapshot.overall_health_score
    return ExecutiveReportData(
        report_id=snapshot.report_id,
        report_title=f"Executive report {_month(snapshot.period_end)}",
        overall_health_score=None if health is None else _plain(health),
        period_start=snapshot.period_start,
        period_end=snapshot.period_end,
    )


def adoption_data(snapshot: AdoptionSnapshot) -> AdoptionData:
    """`adoption_scores_computed`: sub-dimensions stay here."""
    return AdoptionData(
        dimensions=[
            DimensionScore(dimension=one.dimension, status=one.status, score=_plain(one.score))
            for one in snapshot.dimensions
        ],
        overall_adoption_status=snapshot.overall_status,
    )


def lifecycle_data(snapshot: LifecycleRunSnapshot) -> LifecycleData:
    """`meta_lifecycle_run_completed`: what was skipped stays here."""
    return LifecycleData(
        total_compacted=snapshot.total_compacted,
        total_deleted=snapshot.total_deleted,
        operations_successful=snapshot.operations_successful,
        operations_failed=snapshot.operations_failed,
    )


def data_of_test() -> TestData:
    """`test`: a fixed sentence."""
    return TestData(message=TEST_MESSAGE)


def seal(data: Payload) -> bytes:
    """Encode `data` as the bytes that will be sent, or refuse.

    A struct built in Python is not validated, so it is encoded and read back strictly; then every
    string in it is searched for what tells of a person.

    Raises:
        PayloadRefusedError: a value does not fit its field, or a string looks like personal data.
    """
    encoded = msgspec.json.encode(data)
    try:
        read_back = _decoder(type(data)).decode(encoded)
    except msgspec.ValidationError as error:
        raise PayloadRefusedError from error
    if any(_looks_personal(text) for text in _texts(read_back)):
        raise PayloadRefusedError
    return encoded


def envelope(event_type: EventType, timestamp: datetime, data: Payload) -> bytes:
    """Encode the whole body of the `standard` format; its scope follows from its type.

    Args:
        event_type: what happened; it decides which payload `data` must be.
        timestamp: when it happened; sent in UTC, to the second.
        data: the sealed part.

    Raises:
        PayloadRefusedError: `data` is not what the type calls for, or must not leave.
    """
    if type(data) is not DATA_OF[event_type]:
        raise PayloadRefusedError
    return msgspec.json.encode(
        Envelope(
            type=event_type,
            timestamp=timestamp.astimezone(UTC).replace(microsecond=0),
            scope=SCOPE_OF[event_type],
            schema_version=SCHEMA_VERSION,
            data=msgspec.Raw(seal(data)),
        )
    )


@cache
def _decoder(kind: type[Payload]) -> msgspec.json.Decoder[Payload]:
    return msgspec.json.Decoder(kind)


@lru_cache(maxsize=4096)
def _looks_personal(text: str) -> bool:
    """Keys and labels are the catalogue's, so the same few are asked about again and again."""
    return pii.find(text) is not None


def _texts(value: object) -> Iterator[str]:
    """Every string that is not bound to be one of ours: enums, ids and dates cannot tell of anyone.

    Raises:
        PayloadRefusedError: there is something that no payload should hold, such as a mapping.
    """
    match value:
        case Enum() | UUID() | date() | int() | float() | None:
            return
        case str():
            yield value
        case msgspec.Struct():
            for name in value.__struct_fields__:
                yield from _texts(getattr(value, name))
        case list() | tuple():
            for one in cast("Iterable[Any]", value):
                yield from _texts(one)
        case _:
            raise PayloadRefusedError


def _plain(score: float) -> float:
    """72.0 is written 72, as the catalogue of event types shows it."""
    return int(score) if float(score).is_integer() else score


def _month(day: date) -> str:
    return f"{day.year:04}-{day.month:02}"
