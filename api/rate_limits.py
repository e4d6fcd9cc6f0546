"""How often a key and an address may ask, counted over all processes together.

A subject has a budget in a window that begins with its first request. The count stands in Redis. A
process takes from it in parts of a hundredth and spends a part without asking again, so that most
requests cost a look into a dictionary; small budgets are taken one by one. What all processes grant
in one window never exceeds the budget. Where a process sits on a part that it does not need, others
are refused by that part too early, which is a hundredth of the budget.

When Redis is away each process counts for itself, up to the whole budget: rather a little too much
than a refusal that is wrong.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Protocol, cast

from litestar.types import Scope
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.errors import RateLimitedError

WINDOW_S = 60.0
PARTS = 100
"""A process takes this part of a budget at a time."""

PATIENCE_S = 0.25
"""How long Redis may take to answer before the process counts for itself."""

REST_S = 2.0
"""How long Redis is then left alone, so that not every request waits for it."""

SUBJECTS = 20_000
"""How many subjects a process remembers; the longest unused is forgotten first."""

SITE_BITS = 64
"""Of an IPv6 address: what one customer is given, and can take addresses from at will."""

_TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = tonumber(ARGV[1]) - used
if left <= 0 then return {0, redis.call('PTTL', KEYS[1])} end
local granted = math.min(tonumber(ARGV[2]), math.max(1, math.floor(left / 10)))
if used == 0 then
  redis.call('SET', KEYS[1], granted, 'PX', ARGV[3])
  return {granted, tonumber(ARGV[3])}
end
redis.call('INCRBY', KEYS[1], granted)
return {granted, redis.call('PTTL', KEYS[1])}
"""

log = logging.getLogger("guardian.api")


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests in a minute; 0 means no limit.

    Attributes:
        per_key: of one key, whatever its role.
        per_address: of one address, whatever its keys.
        failures: of one address with keys that are not good ones.
    """

    per_key: int = 0
    per_address: int = 0
    failures: int = 0


class _Script(Protocol):
    def __call__(self, *, keys: list[str], args: list[int]) -> Awaitable[list[int]]: ...


@dataclass(slots=True)
class _Part:
    """What a process may still grant, and whether it may ask for more before the window ends."""

    left: int
    until: float
    is_last: bool


class Budgets:
    """Budgets of subjects, each in a window of its own."""

    def __init__(
        self, redis: Redis, *, monotonic: Callable[[], float], window_s: float = WINDOW_S
    ) -> None:
        """Count in `redis`, which the owner closes.

        Args:
            redis: where the processes meet.
            monotonic: seconds that never go back.
            window_s: how long a budget lasts.
        """
        self._take = cast("_Script", cast("Any", redis).register_script(_TAKE))
        self._monotonic = monotonic
        self._window_s = window_s
        self._parts: OrderedDict[str, _Part] = OrderedDict()
        self._taking: dict[str, asyncio.Task[None]] = {}
        self._away_until = float("-inf")

    async def spend(self, subject: str, budget: int) -> None:
        """Take one from a subject's budget; a budget of 0 has no end.

        Raises:
            RateLimitedError: nothing is left; it says after how many seconds there is.
        """
        while budget:
            part = self._parts.get(subject)
            now = self._monotonic()
            if part is not None and now < part.until:
                if part.left > 0:
                    part.left -= 1
                    return
                if part.is_last:
                    raise RateLimitedError(wait_s=part.until - now)
            await self._renew(subject, budget)

    def refuse_spent(self, subject: str) -> None:
        """Refuse where this process knows that nothing is left, without taking anything.

        Raises:
            RateLimitedError: nothing is left.
        """
        part = self._parts.get(subject)
        now = self._monotonic()
        if part is not None and part.is_last and not part.left and now < part.until:
            raise RateLimitedError(wait_s=part.until - now)

    async def _renew(self, subject: str, budget: int) -> None:
        """Take the next part, once for all who wait for it."""
        task = self._taking.get(subject)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._take_over(subject, budget))
            self._taking[subject] = task
        await asyncio.shield(task)

    async def _take_over(self, subject: str, budget: int) -> None:
        """Make room for the next one in the same breath: a finished task holds up nobody.

        A callback would run a moment later, and whoever came in between would ask it for ever.
        """
        try:
            await self._ask(subject, budget)
        finally:
            del self._taking[subject]

    async def _ask(self, subject: str, budget: int) -> None:
        now = self._monotonic()
        granted, lasts_s, is_last = budget, self._window_s, True
        if now >= self._away_until:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    granted, lasts_ms = await self._take(
                        keys=[f"guardian:rate:{subject}"],
                        args=[budget, max(1, budget // PARTS), round(self._window_s * 1000)],
                    )
                lasts_s, is_last = max(lasts_ms, 1) / 1000, not granted
            except (RedisError, OSError, TimeoutError) as error:
                self._away_until = now + REST_S
                log.warning("rates are counted by each process alone for now: %s", error)
        # Counted from before Redis was asked, so that no part outlives the window it is of.
        self._parts[subject] = _Part(granted, now + lasts_s, is_last)
        self._parts.move_to_end(subject)
        if len(self._parts) > SUBJECTS:
            self._parts.popitem(last=False)


def site_of(scope: Scope) -> str:
    """Whom the address limits are about: an IPv4 address, or the site of an IPv6 address."""
    client = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return "here"  # a socket file, or a caller in process
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), SITE_BITS), strict=False))
