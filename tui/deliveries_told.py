"""Deliveries as lines, each told once for every state it comes to."""

from collections import OrderedDict
from uuid import UUID

from shared.client import GuardianClient
from shared.contracts.deliveries import Delivery
from shared.contracts.words import DeliveryStatus
from tui.text import at, visible, words

PAGE = 100
MOST_PAGES = 10
MOST_KNOWN = 5_000


class Tail:
    """What has happened to deliveries since the last look, oldest first."""

    def __init__(
        self, client: GuardianClient, *, status: DeliveryStatus | None = None, first: int = 10
    ) -> None:
        """Look at nothing yet.

        Args:
            client: whom to ask.
            status: tell only of these.
            first: how many of those that were there before are told at the first look.
        """
        self._client = client
        self._status = status
        self._first = first
        self._known: OrderedDict[UUID, tuple[DeliveryStatus, int]] = OrderedDict()
        self._has_looked = False

    async def news(self) -> list[Delivery]:
        """Look.

        Raises:
            GuardianError: the server refuses or is out of reach; nothing is lost, look again.
        """
        seen = await self._pages()
        new = [one for one in seen if self._known.get(one.id) != (one.status, one.attempt_count)]
        for one in reversed(new):
            self._known[one.id] = (one.status, one.attempt_count)
            self._known.move_to_end(one.id)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        if not self._has_looked:
            self._has_looked = True
            new = new[: self._first]
        return new[::-1]

    async def _pages(self) -> list[Delivery]:
        """The newest page, and older ones as far as nothing in them is known."""
        seen: list[Delivery] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._client.deliveries(status=self._status, cursor=cursor, limit=PAGE)
            seen += page.items
            cursor = page.next_cursor
            is_known = any(one.id in self._known for one in page.items)
            if cursor is None or is_known or not self._has_looked:
                break
        return seen


def told(delivery: Delivery) -> str:
    """One line in words: when, what came of it, what it was, to whom, why."""
    why = delivery.reason or delivery.error_class
    parts = [
        at(delivery.finished_at or delivery.created_at),
        str(delivery.status),
        str(delivery.event_type),
        f"to {visible(delivery.integration_key)}",
        str(delivery.status_code or ""),
        words(why) if why else "",
        f"next try {at(delivery.next_attempt_at)}" if delivery.next_attempt_at else "",
        str(delivery.id),
    ]
    return "  ".join(filter(None, parts))
