"""One line of a batch: an observation that says its own domain, and for a plan its id."""

from uuid import UUID

from shared.contracts.observations import (
    AdoptionObservation,
    EditionsObservation,
    ExecutiveReportObservation,
    LifecycleRunObservation,
    ReadinessObservation,
    UpliftPlanObservation,
)


class ReadinessLine(
    ReadinessObservation, frozen=True, kw_only=True, tag_field="domain", tag="readiness"
):
    """`{"domain": "readiness", …}`."""


class AdoptionLine(
    AdoptionObservation, frozen=True, kw_only=True, tag_field="domain", tag="adoption"
):
    """`{"domain": "adoption", …}`."""


class EditionsLine(
    EditionsObservation, frozen=True, kw_only=True, tag_field="domain", tag="editions"
):
    """`{"domain": "editions", …}`."""


class UpliftPlanLine(
    UpliftPlanObservation, frozen=True, kw_only=True, tag_field="domain", tag="uplift"
):
    """`{"domain": "uplift", "plan_id": …, …}`."""

    plan_id: UUID


class ExecutiveReportLine(
    ExecutiveReportObservation,
    frozen=True,
    kw_only=True,
    tag_field="domain",
    tag="executive_reports",
):
    """`{"domain": "executive_reports", …}`."""


class LifecycleRunLine(
    LifecycleRunObservation, frozen=True, kw_only=True, tag_field="domain", tag="lifecycle"
):
    """`{"domain": "lifecycle", …}`."""


Line = (
    ReadinessLine
    | AdoptionLine
    | EditionsLine
    | UpliftPlanLine
    | ExecutiveReportLine
    | LifecycleRunLine
)
