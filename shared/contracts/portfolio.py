"""How all tenants stand beside one another: an operator's answer, never a tenant's."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from shared.contracts.postures import Instant, Resource
from shared.contracts.success import Risk
from shared.contracts.words import Band, Freshness, Scope, Trend


class BandCount(Resource, frozen=True, kw_only=True):
    """How many tenants stand in a band, now and a week ago."""

    band: Annotated[Band | None, Meta(description="Null: readiness was not known.")]
    tenants: int
    tenants_1w_ago: int


class TenantStanding(Resource, frozen=True, kw_only=True):
    """Where one tenant's readiness stands; the same as its own overview says."""

    tenant_id: UUID
    tenant_name: str
    status: Freshness
    band: Band | None
    overall_score: float | None
    delta_1w: float | None
    delta_4w: float | None
    trend: Trend
    as_of: Instant | None


class TenantRisk(Risk, frozen=True, kw_only=True):
    """One risk of one tenant."""

    tenant_id: UUID
    tenant_name: str
    age_days: Annotated[float | None, Meta(description="Since it is known to hold.")]


class SilentTenant(Resource, frozen=True, kw_only=True):
    """A tenant of whom something is older than it should be, or nothing was ever told."""

    tenant_id: UUID
    tenant_name: str
    stale: Annotated[list[Scope], Meta(description="Empty: nothing was ever told.")]
    age_days: Annotated[float | None, Meta(description="Of the oldest of them.")]


class Quartiles(Resource, frozen=True, kw_only=True):
    """Completion of the active plans over the tenants that have any, in percent."""

    p25: float | None
    p50: float | None
    p75: float | None


class AilingEndpoint(Resource, frozen=True, kw_only=True):
    """An integration that lost deliveries in the last 24 hours or is trying again."""

    tenant_id: UUID
    tenant_name: str
    integration_id: UUID
    integration_key: str
    delivered: int
    discarded: int
    failed: int
    last_error: str | None


class DeliveryHealth(Resource, frozen=True, kw_only=True):
    """All tenants' deliveries: what ended in the last 24 hours, and what waits now."""

    endpoints: int
    delivered: int
    discarded: int
    pending: int
    failed: int
    success_rate: Annotated[
        float | None, Meta(description="Delivered among the ended, 0 to 1; null: none ended.")
    ]
    oldest_waiting_since: Instant | None
    ailing: list[AilingEndpoint]


class Portfolio(Resource, frozen=True, kw_only=True):
    """All tenants at a glance; each list names its most urgent first."""

    as_of: Instant
    bands: list[BandCount]
    tenants: list[TenantStanding]
    movers_up: list[TenantStanding]
    movers_down: list[TenantStanding]
    at_risk: list[TenantRisk]
    stale: list[SilentTenant]
    completion: Quartiles
    deliveries: DeliveryHealth
