"""What one attempt brought, and what follows from it; pure, so that every rule can be tested."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus

from worker.delivery.retry import LONGEST_RETRY_AFTER, SCHEDULE, next_due

REJECTING_STATUSES = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
SLOWING_STATUSES = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
TRIES_BEFORE_REJECTED = 3
TRIES_BEFORE_A_CHAT_REJECTED = 1
NOT_ACCEPTED = "not_accepted"
LONGEST_UNASKED_SLOWDOWN = timedelta(minutes=5)


class Fault(StrEnum):
    """Why an attempt has no complete answer; the token is stored with the attempt."""

    ADDRESS_REFUSED = "address_refused"  # the name led to a network Guardian does not send to
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"  # connected, but no answer began in time
    TOO_SLOW = "too_slow"  # an answer began and did not end in time
    RESET = "reset"
    PROTOCOL = "protocol"  # what came is not HTTP
    GRANT_UNANSWERED = "token_unavailable"  # the authorization server did not answer, or not now
    GRANT_REFUSED = "token_refused"  # the authorization server answered, but with no usable token
    GRANT_ADDRESS_REFUSED = "token_address_refused"  # as `address_refused`, of the token's URL
    INTERNAL = "internal"  # ours, not the receiver's


class DiscardReason(StrEnum):
    """Why a delivery was given up after an attempt."""

    GONE = "gone"
    REJECTED = "rejected"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One POST and what came back.

    Attributes:
        started_at: when it was sent.
        duration_ms: until the answer ended or the attempt was given up.
        status_code: of the answer, None when none began.
        fault: None when the answer was read to its end or to the cap.
        retry_after: what the receiver asked for, zero to 24 hours.
        excerpt: at most 256 printable characters of the answer, with what looks personal blotted.
        is_refused: the status is 2xx, but the body is not what this receiver answers when it has
            accepted.
    """

    started_at: datetime
    duration_ms: int
    status_code: int | None = None
    fault: Fault | None = None
    retry_after: timedelta | None = None
    excerpt: str = ""
    is_refused: bool = False

    @property
    def ended_at(self) -> datetime:
        """When the attempt was over; waits are counted from here."""
        return self.started_at + timedelta(milliseconds=self.duration_ms)

    @property
    def token(self) -> str:
        """The outcome in one word: the fault, `not_accepted`, else `http_<status>`."""
        if self.is_refused:
            return NOT_ACCEPTED
        return f"http_{self.status_code}" if self.fault is None else str(self.fault)

    @property
    def is_rejected(self) -> bool:
        """Whether it is this message that is not wanted; the receiver itself is well."""
        return self.is_refused or (self.fault is None and self.status_code in REJECTING_STATUSES)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver answered 2xx, and its body, where it matters, did not say otherwise."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """It failed, and there is a next time.

    Attributes:
        at: when to try again.
        reason: the outcome's token.
        slow_until: when given, nothing else goes to this integration before.
    """

    at: datetime
    reason: str
    slow_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Discard:
    """It failed for good.

    Attributes:
        reason: the token that people see beside the dead letter.
        is_gone: the receiver said goodbye: the integration is to be disabled.
        slow_until: as in `RetryAt`; the last attempt slows the endpoint like any other.
    """

    reason: DiscardReason
    is_gone: bool = False
    slow_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The fault was ours: try again at `at`, and do not count this attempt."""

    at: datetime


Verdict = Delivered | RetryAt | Discard | Again


def judge(
    outcome: Outcome,
    *,
    attempt_number: int,
    spread: float,
    schedule: Sequence[timedelta] = SCHEDULE,
    tries_before_rejected: int = TRIES_BEFORE_REJECTED,
) -> Verdict:
    """Decide what one outcome means.

    Success is a 2xx answer, unless its body refuses the message after all. 410 is goodbye. A
    receiver that rejects the message itself is asked three times, since some reject by mistake
    while they are being deployed. A receiver that says it is overloaded slows its whole endpoint:
    for as long as it asks, else for the wait of the schedule, but no longer than five minutes,
    since one old delivery should not hold up the fresh ones.

    Args:
        outcome: of this attempt.
        attempt_number: 1 for the first attempt.
        spread: random, 0 to 1; see `next_due`.
        schedule: the waits between attempts.
        tries_before_rejected: after which a status that rejects the message is believed.
    """
    if outcome.fault is Fault.INTERNAL:
        at = next_due(1, ended_at=outcome.ended_at, spread=spread)
        return Again(at or outcome.ended_at)
    status = outcome.status_code if outcome.fault is None else None
    if status is not None and HTTPStatus(200) <= status < HTTPStatus(300):
        if not outcome.is_refused:
            return Delivered()
    elif status == HTTPStatus.GONE:
        return Discard(DiscardReason.GONE, is_gone=True)
    tries = TRIES_BEFORE_REJECTED if outcome.is_refused else tries_before_rejected
    if outcome.is_rejected and attempt_number >= tries:
        return Discard(DiscardReason.REJECTED)
    due = next_due(attempt_number, ended_at=outcome.ended_at, spread=spread, schedule=schedule)
    slow_until = _slow_until(outcome, due) if status in SLOWING_STATUSES else None
    if due is None:
        return Discard(DiscardReason.ATTEMPTS_EXHAUSTED, slow_until=slow_until)
    return RetryAt(max(due, _asked_for(outcome)), outcome.token, slow_until)


def _slow_until(outcome: Outcome, due: datetime | None) -> datetime:
    if outcome.retry_after is not None:
        return _asked_for(outcome)
    longest = outcome.ended_at + LONGEST_UNASKED_SLOWDOWN
    return longest if due is None else min(due, longest)


def _asked_for(outcome: Outcome) -> datetime:
    return outcome.ended_at + min(outcome.retry_after or timedelta(0), LONGEST_RETRY_AFTER)
