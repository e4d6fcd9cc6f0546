"""Identifiers that sort by time: UUID version 7, RFC 9562.

The upper 48 bits are milliseconds since the epoch, so that rows written together lie together and
an id alone tells in which partition its row stands.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from uuid import UUID

ENTROPY_BYTES = 10

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_VERSION_AND_VARIANT = 0x7000_8000_0000_0000_0000
_VERSION = 7
_TAIL_BITS = 74
_TAIL_MASK = (1 << _TAIL_BITS) - 1
_LOW_BITS = 62
_LOW_MASK = (1 << _LOW_BITS) - 1


def uuid7(now: datetime, entropy: bytes) -> UUID:
    """Make the id of something that happened at `now`, from 10 random bytes.

    Raises:
        ValueError: `now` is naive or before 1970, or `entropy` is not 10 bytes.
    """
    return _assembled(_milliseconds(now), _tail(entropy))


def floor(now: datetime) -> UUID:
    """Give the smallest id of `now`'s millisecond: a bound for partitions and for `since`.

    Raises:
        ValueError: `now` is naive or before 1970.
    """
    return _assembled(_milliseconds(now), 0)


def instant_of(identifier: UUID) -> datetime:
    """Read back when the id was made, in UTC, to the millisecond.

    Raises:
        ValueError: it is not a version 7 id, or lies beyond the year 9999.
    """
    if identifier.version != _VERSION:
        raise ValueError("only a version 7 id tells its time")
    try:
        return _EPOCH + timedelta(milliseconds=identifier.int >> 80)
    except OverflowError:
        raise ValueError("the id's time lies beyond the year 9999") from None


class Ids:
    """A source of ids that strictly increase in this process, even when the clock steps back."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Take the time from `clock` and `n` random bytes from `entropy(n)`."""
        self._clock = clock
        self._entropy = entropy
        self._lock = Lock()
        self._last = -1

    def __call__(self) -> UUID:
        """Give the next id.

        A millisecond starts at a random place and goes on by one: the order is that of the calls.
        """
        fresh = _milliseconds(self._clock()) << _TAIL_BITS | _tail(self._entropy(ENTROPY_BYTES))
        with self._lock:
            if fresh >> _TAIL_BITS <= self._last >> _TAIL_BITS:
                fresh = self._last + 1
            self._last = fresh
        return _assembled(fresh >> _TAIL_BITS, fresh & _TAIL_MASK)


def _milliseconds(now: datetime) -> int:
    if now.tzinfo is None:
        raise ValueError("an id needs a timezone-aware instant")
    elapsed = (now - _EPOCH) // _MILLISECOND
    if elapsed < 0:
        raise ValueError("an id cannot lie before 1970")
    return elapsed


def _tail(entropy: bytes) -> int:
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"an id needs {ENTROPY_BYTES} random bytes")
    return int.from_bytes(entropy) & _TAIL_MASK


def _assembled(milliseconds: int, tail: int) -> UUID:
    high = tail >> _LOW_BITS
    low = tail & _LOW_MASK
    return UUID(int=milliseconds << 80 | high << 64 | low | _VERSION_AND_VARIANT)
