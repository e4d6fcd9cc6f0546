"""Who works on what: integrations hash onto 64 shards, and a worker leases shards.

PostgreSQL's clock judges every lease. A worker reckons its own deadlines from the moment before it
asked, so it always stops before PostgreSQL would hand the shard to somebody else. Each change of
owner raises the shard's epoch, and settling demands owner and epoch, so that a worker that slept
past its lease cannot settle over its successor.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from shared.data.session import working

SHARDS = 64
SAFETY = 0.1
"""The part of a lease at its end in which nothing new is begun."""


def shard_of(integration_id: UUID) -> int:
    """The shard of an integration, as the column `integration.shard` computes it."""
    return integration_id.int % 256 % SHARDS


@dataclass(frozen=True, slots=True)
class Identity:
    """One worker process, as `worker_heartbeat` shows it."""

    owner: UUID
    host: str
    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A shard held, and until when by this process's own clock."""

    epoch: int
    until: float


class Leases:
    """The shards of one worker."""

    def __init__(
        self, identity: Identity, *, duration_s: float, monotonic: Callable[[], float]
    ) -> None:
        """Hold nothing yet.

        Args:
            identity: of this worker.
            duration_s: how long a silent worker keeps its shards.
            monotonic: seconds, such as the loop's.
        """
        self._identity = identity
        self._duration_s = duration_s
        self._monotonic = monotonic
        self._held: dict[int, Lease] = {}
        self._leaving: set[int] = set()
        self._share = 0

    @property
    def owner(self) -> UUID:
        """Who settles."""
        return self._identity.owner

    @property
    def leaving(self) -> frozenset[int]:
        """Shards beyond the fair share: to be released once nothing of them is under way."""
        return frozenset(self._leaving)

    @property
    def is_short(self) -> bool:
        """Whether other workers' shards, once free, are wanted."""
        return len(self._held) - len(self._leaving) < self._share

    def working_shards(self) -> list[int]:
        """The shards for which something may be begun now."""
        return [shard for shard in self._held if self.epoch_of(shard) is not None]

    def epoch_of(self, shard: int) -> int | None:
        """The epoch under which something may be begun for `shard` now; None when nothing may."""
        lease = self._held.get(shard)
        if lease is None or shard in self._leaving or self._monotonic() >= lease.until:
            return None
        return lease.epoch

    async def renew(self) -> None:
        """Say that this worker lives, renew its shards and take what is free of its fair share.

        Shards that another worker has taken meanwhile are gone afterwards.
        """
        asked_at = self._monotonic()
        me, duration = self._identity, self._duration_s
        async with working() as session:
            sql = session.connection
            others = await sql.fetchval(_BEAT, me.owner, me.host, me.pid, me.version, duration)
            share = -(-SHARDS // (1 + others))
            held = await sql.fetch(_RENEW, me.owner, duration)
            if len(held) < share:
                held += await sql.fetch(_TAKE, me.owner, duration, share - len(held))
        # Only what is committed counts.
        until = asked_at + duration * (1 - SAFETY)
        self._held = {row["shard"]: Lease(row["epoch"], until) for row in held}
        self._share = share
        self._choose_leaving()

    async def release(self, shards: Collection[int]) -> None:
        """Hand `shards` back, so that others need not wait for the leases to expire."""
        for shard in shards:
            self._held.pop(shard, None)
            self._leaving.discard(shard)
        async with working() as session:
            await session.connection.execute(_RELEASE, self.owner, list(shards))

    async def leave(self) -> None:
        """Hand everything back and be counted no longer."""
        self._held.clear()
        self._leaving.clear()
        async with working() as session:
            await session.connection.execute(_RELEASE, self.owner, list(range(SHARDS)))
            await session.connection.execute(_UNBEAT, self.owner)

    def _choose_leaving(self) -> None:
        surplus = len(self._held) - self._share
        candidates = sorted(self._held, key=lambda shard: (shard not in self._leaving, -shard))
        self._leaving = set(candidates[: max(0, surplus)])


_BEAT = """
WITH me AS (
  INSERT INTO worker_heartbeat (owner, host, pid, version, started_at, seen_at)
  VALUES ($1, $2, $3, $4, clock_timestamp(), clock_timestamp())
  ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at
  RETURNING owner
)
SELECT count(*) FROM worker_heartbeat
WHERE owner <> $1 AND seen_at > now() - make_interval(secs => $5)
"""

_RENEW = """
UPDATE shard_lease SET until = clock_timestamp() + make_interval(secs => $2)
WHERE owner = $1 RETURNING shard, epoch
"""

_TAKE = """
UPDATE shard_lease SET owner = $1, epoch = epoch + 1,
  until = clock_timestamp() + make_interval(secs => $2)
WHERE shard IN (
  SELECT shard FROM shard_lease WHERE owner IS NULL OR until < now()
  ORDER BY shard LIMIT $3 FOR UPDATE SKIP LOCKED
)
RETURNING shard, epoch
"""

_RELEASE = """
UPDATE shard_lease SET owner = NULL, until = '-infinity'
WHERE owner = $1 AND shard = ANY($2::smallint[])
"""

_UNBEAT = "DELETE FROM worker_heartbeat WHERE owner = $1"
