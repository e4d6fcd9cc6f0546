"""How the console stands with the server: one word, always visible, never better than the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from shared.client import UnreachableError
from shared.errors import (
    AddressRefusedError,
    ConflictError,
    ForbiddenError,
    GuardianError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
    VersionMismatchError,
)
from tui.text import Span, duration

BACK_OFF_S = (1.0, 2.0, 4.0)
"""Never longer than four seconds, so that whoever waits for the server sees it come back."""

SLOWED_S = 30.0
"""Where the server asked for less, or will not change its mind by itself."""

SAFETY_S = 60.0
"""While changes are told, one still looks now and then."""
JITTER = 0.2
STALE_AFTER_INTERVALS = 3
ANSWERED = (
    AddressRefusedError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    VersionMismatchError,
)
"""Refusals that prove the server well: they are about the question, not about the link."""


class State(Enum):
    """What the last exchange taught."""

    CONNECTING = auto()
    POLLING = auto()
    STALE = auto()
    OFFLINE = auto()
    SIGNED_OUT = auto()


@dataclass
class Link:
    """The last good answer, the last failure, and when the next try is due.

    Attributes:
        interval_s: seconds between two questions while all is well.
        is_told: whether the server tells at once what changes.
        dice: uniform in [0, 1); spreads the retries of many consoles.
    """

    interval_s: float
    dice: Callable[[], float]
    state: State = State.CONNECTING
    last_good_at: datetime | None = None
    next_try_at: datetime | None = None
    failures: int = 0
    is_told: bool = False

    def answered(self, now: datetime) -> float:
        """Note a good answer; returns the seconds to rest."""
        self.state = State.POLLING
        self.last_good_at = now
        self.failures = 0
        self.next_try_at = now + timedelta(seconds=self.interval_s)
        return self.interval_s

    def failed(self, error: GuardianError, now: datetime) -> float:
        """Note a failure; returns the seconds to rest, more after each in a row."""
        if isinstance(error, ANSWERED):
            return self.answered(now)
        if isinstance(error, UnauthenticatedError):
            self.state = State.SIGNED_OUT
        elif isinstance(error, UnreachableError):
            self.state = State.OFFLINE
        else:
            self.state = State.STALE
        wait_s = BACK_OFF_S[min(self.failures, len(BACK_OFF_S) - 1)]
        if self.state is State.SIGNED_OUT or isinstance(error, RateLimitedError):
            wait_s = SLOWED_S
        wait_s *= 1 + JITTER * (2 * self.dice() - 1)
        self.failures += 1
        self.next_try_at = now + timedelta(seconds=wait_s)
        return wait_s

    def reset(self) -> None:
        """Another server or tenant is asked from now on: nothing is known of it."""
        self.state = State.CONNECTING
        self.last_good_at = None
        self.next_try_at = None
        self.failures = 0
        self.is_told = False

    def is_stale(self, now: datetime) -> bool:
        """Whether what is on screen may no longer be so."""
        return self.state not in {State.CONNECTING, State.POLLING} or self._is_late(now)

    def word(self, now: datetime) -> Span:
        """What the corner of the screen says."""
        if self.state is State.CONNECTING:
            return Span("… connecting", "dim")
        if self.state is State.SIGNED_OUT:
            return Span("⊘ signed out", "bad")
        if self.state is State.OFFLINE:
            wait = timedelta() if self.next_try_at is None else self.next_try_at - now
            return Span(f"✗ offline, retry in {duration(wait)}", "bad")
        if self.state is State.STALE or self._is_late(now):
            if self.last_good_at is None:
                return Span("▲ no data yet", "warn")
            return Span(f"▲ stale {duration(now - self.last_good_at)}", "warn")
        return Span("● live" if self.is_told else f"◐ polling {self.interval_s:g} s", "good")

    def _is_late(self, now: datetime) -> bool:
        if self.is_told:
            return False  # no news is that nothing changed
        limit = timedelta(seconds=STALE_AFTER_INTERVALS * self.interval_s)
        return self.last_good_at is not None and now - self.last_good_at > limit
