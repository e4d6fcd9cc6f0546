"""Sending once more what was sent, or for the first time what was missed."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from shared.contracts.postures import Instant, Request, Resource
from shared.contracts.words import EventType


class ReplayedStatus(StrEnum):
    """Where a delivery stands that may be replayed; one that was never tried may not."""

    FAILED = "failed"
    DELIVERED = "delivered"
    DISCARDED = "discarded"


class ReplayStatus(StrEnum):
    """Where a replay stands; the last two are final."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class NewReplay(Request, frozen=True, kw_only=True):
    """Which deliveries of an integration to make once more, or with `only_missing`, at last.

    Chosen are deliveries that were created at or after `since` and before `until` (now, where left
    out) and stand at one of `statuses` (`discarded`, where left out); an event goes once, however
    many deliveries of it are chosen. With `only_missing`, chosen are the events of that time which
    the integration's scopes ask for and for which it has no delivery, because it was disabled or
    did not exist yet. `event_types` left out means all of its scopes; a test event goes only where
    it is named. A `dry_run` counts and starts nothing.
    """

    integration_id: UUID
    since: Instant
    until: Instant | None = None
    statuses: Annotated[list[ReplayedStatus], Meta(min_length=1, max_length=3)] | None = None
    event_types: Annotated[list[EventType], Meta(min_length=1, max_length=8)] | None = None
    only_missing: bool = False
    dry_run: bool = False


class ReplayCount(Resource, frozen=True, kw_only=True):
    """What a replay would send; nothing was started."""

    count: int
    dry_run: bool = True


class Replay(Resource, frozen=True, kw_only=True):
    """A replay and how far it is: `sent` deliveries were made, of `count`.

    `skipped` are those whose events were no longer kept when their turn came. `reason` says why
    Guardian itself cancelled it.
    """

    id: UUID
    integration_id: UUID
    integration_key: str
    since: Instant
    until: Instant
    statuses: list[ReplayedStatus]
    event_types: list[EventType]
    only_missing: bool
    status: ReplayStatus
    reason: str | None = None
    count: int
    sent: int = 0
    skipped: int = 0
    created_at: Instant
    finished_at: Instant | None = None
