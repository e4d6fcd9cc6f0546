"""One event on its way to one integration, and every attempt at it."""

from uuid import UUID

import msgspec

from shared.contracts.postures import Instant, Resource
from shared.contracts.words import DeliveryStatus, MessageType, Scope


class Delivery(Resource, frozen=True, kw_only=True):
    """Where one delivery stands."""

    id: UUID
    event_id: UUID
    event_type: MessageType
    integration_id: UUID
    integration_key: str
    status: DeliveryStatus
    attempt_count: int
    created_at: Instant
    next_attempt_at: Instant | None = None
    finished_at: Instant | None = None
    status_code: int | None = None
    error_class: str | None = None
    reason: str | None = None
    replay_of: UUID | None = None


class Attempt(Resource, frozen=True, kw_only=True):
    """One signed POST and what came back."""

    number: int
    started_at: Instant
    duration_ms: int
    status_code: int | None = None
    error_class: str | None = None
    response_excerpt: str | None = None


class DeliveredEvent(Resource, frozen=True, kw_only=True):
    """The event of a delivery, with the body of the `standard` format."""

    id: UUID
    type: MessageType
    scope: Scope | None
    occurred_at: Instant
    payload: msgspec.Raw


class DeliveryDetail(Delivery, frozen=True, kw_only=True):
    """One delivery with its event and all its attempts, oldest first."""

    event: DeliveredEvent
    attempts: list[Attempt]
