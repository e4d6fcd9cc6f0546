"""Weekly digests: on Monday morning every chat that asked is told its tenant's week, once.

The event, its deliveries and the note of who was told are written together; from there the engine
delivers a digest like anything else.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts.words import WEEKLY_DIGEST, Granularity
from shared.data.session import working
from shared.domain import overview, periods
from shared.domain.catalogue import Catalogue
from shared.domain.digest import digest_body
from shared.domain.ledger import ledger_of
from shared.domain.overview import Standing
from shared.errors import PayloadRefusedError
from shared.success.catalogue import Catalogues
from shared.success.standings import read_standings

AFTER_MIDNIGHT = timedelta(hours=7)
"""From the beginning of Monday, by UTC, to when a digest is due."""

TENANTS_AT_ONCE = 50

log = logging.getLogger("guardian.digests")


async def send_digests(now: datetime, *, ids: Callable[[], UUID]) -> int:
    """Make the deliveries of the newest Monday that has come, where they are not made yet.

    A tenant of whom nothing is known is not written to about it.

    Args:
        now: in UTC; late is better than never, so all of the week will do.
        ids: of the events and deliveries.

    Returns:
        How many deliveries were made.
    """
    slot = newest_slot(now)
    catalogues = Catalogues(lambda: now)
    made = 0
    after: UUID | None = None
    while True:
        async with working(is_read_only=True) as session:
            rows = await session.connection.fetch(_WANTED, slot, after, TENANTS_AT_ONCE)
            if not rows:
                return made
            tenants: list[UUID] = [row["tenant_id"] for row in rows]
            standings = await read_standings(session, tenants, now=now)
            catalogue = await catalogues.newest(session)
        for standing in standings:
            made += await _tell(standing, catalogue, slot=slot, now=now, ids=ids)
        after = tenants[-1]


def newest_slot(now: datetime) -> datetime:
    """The last Monday, 07:00 UTC, that is not after `now`."""
    slot = periods.floor(now, Granularity.WEEKLY) + AFTER_MIDNIGHT
    return slot if slot <= now else slot - timedelta(weeks=1)


async def _tell(
    standing: Standing,
    catalogue: Catalogue,
    *,
    slot: datetime,
    now: datetime,
    ids: Callable[[], UUID],
) -> int:
    body: bytes | None = None
    ledger = ledger_of(overview.overview(standing, catalogue, now=now))
    if ledger.is_worth_telling:
        try:
            body = digest_body(ledger, slot=slot)
        except PayloadRefusedError:
            log.exception("the digest of tenant %s must not leave", standing.tenant_id)
    async with working() as session:
        claimed: list[UUID] = [
            row["integration_id"]
            for row in await session.connection.fetch(_CLAIM, standing.tenant_id, slot)
        ]
        if body is None or not claimed:
            return 0
        await session.connection.execute(
            _MAKE,
            standing.tenant_id,
            ids(),
            WEEKLY_DIGEST,
            slot,
            body,
            claimed,
            [ids() for _ in claimed],
        )
    return len(claimed)


_WANTED = """
SELECT DISTINCT wanted.tenant_id
FROM integration wanted LEFT JOIN digest
  ON digest.tenant_id = wanted.tenant_id AND digest.integration_id = wanted.id
WHERE wanted.digest <> 'off' AND wanted.is_enabled AND wanted.digest_since < $1
  AND (digest.slot IS NULL OR digest.slot < $1)
  AND ($2::uuid IS NULL OR wanted.tenant_id > $2)
ORDER BY wanted.tenant_id LIMIT $3
"""

# Two workers at once: the second waits for the first's commit, and then claims nothing.
_CLAIM = """
INSERT INTO digest (tenant_id, integration_id, slot)
SELECT tenant_id, id, $2 FROM integration
WHERE tenant_id = $1 AND digest <> 'off' AND is_enabled AND digest_since < $2
ORDER BY id
ON CONFLICT (tenant_id, integration_id) DO UPDATE SET slot = excluded.slot
  WHERE digest.slot < excluded.slot
RETURNING integration_id
"""

_MAKE = """
WITH told AS (
  INSERT INTO event (tenant_id, id, type, occurred_at, body) VALUES ($1, $2, $3, $4, $5)
)
INSERT INTO delivery_due (integration_id, id, tenant_id, event_id)
SELECT one.integration_id, one.id, $1, $2
FROM unnest($6::uuid[], $7::uuid[]) AS one (integration_id, id)
"""
