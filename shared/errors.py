"""Every refusal Guardian can answer, as one tree of sentences.

Each class carries the `code` and the HTTP `status` under which the API answers it; the command line
prints the same `detail` on stderr. An unhappy receiver is not an error: that is an `Outcome` of the
engine.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class FieldError(NamedTuple):
    """One field that was refused.

    Attributes:
        path: where it stands, `$.capabilities[0].score` in a body, the bare name in a query.
        kind: a token a program can act on, such as `unknown_field` or `out_of_range`.
        message: a sentence for a person; it never repeats the refused value.
    """

    path: str
    kind: str
    message: str


class GuardianError(Exception):
    """Guardian could not do what was asked."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str = "") -> None:
        """Explain the refusal in one sentence; the class docstring is the default."""
        self.detail = detail or (type(self).__doc__ or "").splitlines()[0]
        super().__init__(self.detail)


class MalformedError(GuardianError):
    """The request could not be read."""

    code = "malformed_request"
    status = 400


class UnauthenticatedError(GuardianError):
    """A valid key is needed: send `Authorization: Bearer <key>`."""

    code = "unauthenticated"
    status = 401


class ForbiddenError(GuardianError):
    """The key's role does not allow this."""

    code = "forbidden"
    status = 403


class NotFoundError(GuardianError):
    """There is no such thing, or it belongs to another tenant."""

    code = "not_found"
    status = 404


class ConflictError(GuardianError):
    """The request is well formed but contradicts the present state."""

    code = "conflict"
    status = 409


class VersionMismatchError(GuardianError):
    """It was changed by somebody else since it was read: read it again, then repeat the change."""

    code = "version_mismatch"
    status = 412


class TooLargeError(GuardianError):
    """The request body is larger than Guardian reads."""

    code = "body_too_large"
    status = 413


class HeadTooLargeError(GuardianError):
    """The request's first line and headers are larger than Guardian reads."""

    code = "head_too_large"
    status = 431


class UnsupportedMediaError(GuardianError):
    """The body is not in a format that Guardian reads here."""

    code = "unsupported_media_type"
    status = 415


class InvalidError(GuardianError):
    """The request was understood but a field was refused."""

    code = "invalid"
    status = 422

    def __init__(self, detail: str = "", *, errors: Sequence[FieldError] = ()) -> None:
        """Name the refused fields; nothing of such a request is stored."""
        super().__init__(detail or "; ".join(f"{one.path}: {one.message}" for one in errors))
        self.errors = tuple(errors)


class RateLimitedError(GuardianError):
    """Too many requests: wait, then try again."""

    code = "rate_limited"
    status = 429

    def __init__(self, detail: str = "", *, wait_s: float = 1.0) -> None:
        """Say after how many seconds a request has a chance again."""
        super().__init__(detail)
        self.wait_s = wait_s


class UnavailableError(GuardianError):
    """Guardian cannot reach its database at the moment: try again shortly."""

    code = "unavailable"
    status = 503


class StartError(GuardianError):
    """Guardian cannot start as it is configured."""

    code = "cannot_start"


class SettingError(StartError):
    """A setting is missing or wrong."""

    code = "bad_setting"


class SealBrokenError(GuardianError):
    """A sealed secret does not open: the key ring lacks its key, or the row was altered."""

    code = "seal_broken"


class AddressRefusedError(GuardianError):
    """The address is not one Guardian may send to."""

    code = "address_refused"
    status = 422


class PayloadRefusedError(GuardianError):
    """A payload held what may not leave, so it was not made."""

    code = "payload_refused"
