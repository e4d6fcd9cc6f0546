"""How well deliveries went, lately."""

from enum import StrEnum
from uuid import UUID

from shared.contracts.postures import Instant, Resource


class Window(StrEnum):
    """How far back to look, in whole hours up to now."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


class Rates(Resource, frozen=True, kw_only=True):
    """Deliveries that were created within the window, and what waits now whenever it was created.

    `success_rate` is delivered / (delivered + discarded), null where nothing ended. `p50_seconds`
    and `p95_seconds` are from creation to arrival, over the newest 10,000 arrivals.
    """

    delivered: int = 0
    discarded: int = 0
    failed_attempts: int = 0
    pending: int = 0
    failed: int = 0
    success_rate: float | None = None
    delivered_per_hour: float = 0.0
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    oldest_waiting_since: Instant | None = None


class IntegrationRates(Rates, frozen=True, kw_only=True):
    """The rates of one integration."""

    integration_id: UUID
    integration_key: str


class Stats(Resource, frozen=True, kw_only=True):
    """The rates of a tenant, in all and per integration."""

    window: Window
    as_of: Instant
    total: Rates
    integrations: list[IntegrationRates]
