"""Stop knocking at a door that does not open: a circuit breaker for one integration.

Deliveries it holds back stay due; they cost no attempt. It lives in the memory of the worker that
owns the integration: a new owner starts with a closed one and learns within a few requests.
"""

from collections.abc import Callable
from enum import StrEnum

FAILURES_TO_OPEN = 10
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 900.0


class State(StrEnum):
    """What the breaker lets through."""

    CLOSED = "closed"  # everything
    OPEN = "open"  # nothing until the pause is over
    HALF_OPEN = "half_open"  # one probe is on its way


class Breaker:
    """Opens after a run of failures, then lets one probe through after each, ever longer, pause."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        failures_to_open: int = FAILURES_TO_OPEN,
        first_pause_s: float = FIRST_PAUSE_S,
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        """Start closed.

        Args:
            clock: monotonic seconds, such as the loop's.
            failures_to_open: how many failures in a row open it.
            first_pause_s: until the first probe; longer than an attempt can take, since a probe
                that reported nothing for a whole pause is taken for lost and another one goes.
            longest_pause_s: each failed probe doubles the pause up to this.
        """
        self._clock = clock
        self._failures_to_open = failures_to_open
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._failures = 0
        self._pause_s = first_pause_s
        self._probe_due: float | None = None
        self._is_probing = False

    @property
    def state(self) -> State:
        """What it would do now."""
        if self._probe_due is None:
            return State.CLOSED
        return State.HALF_OPEN if self._is_probing else State.OPEN

    @property
    def probe_due(self) -> float | None:
        """On `clock`, when the next probe may go; None while closed."""
        return self._probe_due

    def admit(self) -> bool:
        """Say whether a request may go now; True while not closed makes that request the probe."""
        if self._probe_due is None:
            return True
        now = self._clock()
        if now < self._probe_due:
            return False
        self._is_probing = True
        self._probe_due = now + self._pause_s
        return True

    def succeeded(self) -> None:
        """Report that the endpoint took a message: whatever was before, the door is open."""
        self._failures = 0
        self._pause_s = self._first_pause_s
        self._probe_due = None
        self._is_probing = False

    def failed(self) -> None:
        """Report a failure; those of requests sent before it opened change nothing."""
        if self._probe_due is None:
            self._failures += 1
            if self._failures >= self._failures_to_open:
                self._probe_due = self._clock() + self._pause_s
        elif self._is_probing:
            self._is_probing = False
            self._pause_s = min(self._pause_s * 2, self._longest_pause_s)
            self._probe_due = self._clock() + self._pause_s

    def abandoned(self) -> None:
        """Report that an admitted request was never sent: the next one may be the probe at once."""
        if self._is_probing:
            self._is_probing = False
            self._probe_due = self._clock()
