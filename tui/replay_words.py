"""Which events to send once more, said in the words of the deliveries' filter."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.contracts.replays import NewReplay, ReplayedStatus
from shared.contracts.words import DeliveryStatus, EventType, MessageType
from shared.errors import InvalidError
from tui.filters import instant, parse

EXAMPLE = "int:crm discarded since:24h, or missing"
MISSING = "missing"
DEFAULT_SINCE = "24h"


class Wanted(NamedTuple):
    """What was said, before the server is asked."""

    integration: str
    statuses: list[ReplayedStatus] | None
    event_types: list[EventType] | None
    since: str
    until: str | None
    only_missing: bool

    def at(self, now: datetime, integration_id: UUID) -> NewReplay:
        """What to ask the server at `now`."""
        since = instant(self.since, now)
        if since is None:
            raise InvalidError("Say since when: since:24h, or since:2026-11-01.")
        return NewReplay(
            integration_id=integration_id,
            since=since,
            until=instant(self.until, now),
            statuses=self.statuses,
            event_types=self.event_types,
            only_missing=self.only_missing,
        )


def read_replay(text: str) -> Wanted:
    """Read what to replay; without a state, what was discarded, and of the last 24 hours.

    Raises:
        InvalidError: a word is not understood, or the integration is not named.
    """
    kept = [one for one in text.split() if one.lower() != MISSING]
    is_missing = len(kept) < len(text.split())
    said = parse(" ".join(kept))
    if said.integration is None:
        raise InvalidError(f"Say to whom: int: and a key. For example: {EXAMPLE}")
    if said.status is DeliveryStatus.PENDING:
        raise InvalidError("What was never tried cannot be sent once more.")
    if is_missing and said.status is not None:
        raise InvalidError("What is missing has no state: say one or the other.")
    if said.event_type is MessageType.WEEKLY_DIGEST:
        raise InvalidError("A digest tells its own week; it is not sent once more.")
    return Wanted(
        integration=said.integration,
        statuses=None if said.status is None else [ReplayedStatus(said.status)],
        event_types=None if said.event_type is None else [EventType(said.event_type)],
        since=said.since or DEFAULT_SINCE,
        until=said.until,
        only_missing=is_missing,
    )
