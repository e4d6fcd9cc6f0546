"""Watching one delivery until it is known how it went."""

import asyncio
from uuid import UUID

from shared.contracts.deliveries import DeliveryDetail
from shared.contracts.words import DeliveryStatus
from tui.desk import Desk
from tui.text import Span, clock_time, number, visible, words

PATIENCE_S = 60.0
"""How long a delivery that nobody tries is watched; a worker that runs needs a second."""


async def follow(desk: Desk, delivery_id: UUID) -> DeliveryDetail | None:
    """Look at a delivery until an attempt has been made; none came in time: None.

    Raises:
        GuardianError: the server refuses or is out of reach.
    """
    asked_at = desk.clock()
    while (desk.clock() - asked_at).total_seconds() < PATIENCE_S:
        seen = await desk.server.delivery(delivery_id)
        if seen.status is not DeliveryStatus.PENDING:
            return seen
        await asyncio.sleep(desk.watch_s)
    return None


def verdict(seen: DeliveryDetail | None) -> Span:
    """What came of it: `✓ delivered 204 in 12 ms`, or why not and what is next."""
    if seen is None:
        return Span(f"… pending: no attempt in {PATIENCE_S:g} s, is a worker running?", "warn")
    attempt = seen.attempts[-1] if seen.attempts else None
    code = seen.status_code or (attempt.status_code if attempt else None)
    came_back = str(code) if code else words(seen.error_class or "no answer")
    took = f" in {number(attempt.duration_ms)} ms" if attempt else ""
    if seen.status is DeliveryStatus.DELIVERED:
        return Span(f"✓ delivered {came_back}{took}", "good")
    if seen.status is DeliveryStatus.DISCARDED:
        reason = visible(seen.reason or came_back, limit=200)
        return Span(f"⊘ discarded: {reason}{took}", "bad")
    again = clock_time(seen.next_attempt_at)
    return Span(f"↻ failed {came_back}{took}, next try {again}", "warn")
