"""Reads JSON bodies strictly, and says what is wrong with one without repeating any of it."""

import re
from functools import cache
from typing import Any, Generic, TypeVar, cast

import msgspec
from litestar import Request as LitestarRequest

from shared.errors import FieldError, InvalidError, MalformedError, UnsupportedMediaError

MAXIMUM_BYTES = 1024 * 1024
"""Of a JSON body; a route that streams sets its own `request_max_body_size`."""

T = TypeVar("T")
User = TypeVar("User")

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")

_PLACE = re.compile(r" - at (?:`key` in )?`(?P<path>[^`]*)`\Z")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`\Z", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`\Z", re.DOTALL)
_WRONG_TYPE = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<given>[^`]+)`\Z")
_BOUND = re.compile(r"Expected `(?:int|float)` (?P<bound>[<>]=? ?-?[0-9.e+]+)\Z")
_LENGTH = re.compile(
    r"Expected `(?P<what>str|array|object|bytes)` of length (?P<bound>[<>=]+ [0-9]+)\Z"
)
_FIXED = {
    "Invalid enum value": ("not_allowed", "It is not one of the allowed values."),
    "Expected `str` matching regex": ("malformed", "It does not have the expected form."),
    "Invalid UUID": ("malformed", "A UUID is expected."),
    "Invalid RFC3339 encoded datetime": ("malformed", "An RFC 3339 instant is expected."),
    "Invalid RFC3339 encoded date": ("malformed", "A date such as 2026-11-01 is expected."),
    "Expected `datetime` with a timezone component": (
        "malformed",
        "An instant needs its offset from UTC, such as `Z`.",
    ),
    "Number out of range": ("out_of_range", "The number is too large."),
    "Integer value out of range": ("out_of_range", "The number is too large."),
}
_NAMES = {"array": "list", "str": "text", "int": "whole number", "float": "number"}
_UNITS = {"str": "characters", "array": "items", "object": "entries", "bytes": "bytes"}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "==": "exactly"}


class JsonRequest(LitestarRequest[User, Any, Any], Generic[User]):
    """A request whose JSON body is decoded once, strictly, into what its handler asks for.

    Litestar itself would turn the text `"70"` into the number 70, and answer 400 to all refusals.
    """

    async def body(self) -> bytes:
        """Read the body, after looking at what it claims to be.

        Raises:
            UnsupportedMediaError: it does not claim to be JSON where JSON is expected.
            MalformedError: it is empty where one is needed.
            TooLargeError: it exceeds the route's limit.
        """
        field = self.route_handler.parsed_data_field
        if field is None:
            return await super().body()
        content = await super().body()
        if not content:
            if field.is_optional or field.has_default:
                return content
            raise MalformedError("A JSON body is expected.")
        if self.content_type[0].lower() != "application/json":
            raise UnsupportedMediaError("Send `Content-Type: application/json`.")
        return content

    async def json(self) -> Any:
        """Decode the body into the type of the handler's `data`.

        Raises:
            MalformedError: it is not JSON.
            InvalidError: it is JSON, but a field was refused.
        """
        field = self.route_handler.parsed_data_field
        return decode(await self.body(), field.annotation if field else Any)


def decode(body: bytes, kind: type[T]) -> T:
    """Decode one JSON document into `kind`, without coercing anything.

    Raises:
        MalformedError: it is not JSON in UTF-8, or nested deeper than Guardian reads.
        InvalidError: a field was refused; its message never repeats the refused value.
    """
    try:
        decoded = _decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        _read(body)  # a document that is broken further on is broken, whatever its first field says
        raise InvalidError(errors=[field_error(str(error))]) from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise MalformedError("The body is not JSON.") from None
    if rb"\u0000" in body:
        _refuse_nul(_read(body), "$")
    return decoded


def field_error(message: str, *, path: str = "$") -> FieldError:
    """Turn a sentence of msgspec into one that names the field and repeats no value.

    Args:
        message: as msgspec raised it.
        path: where the value as a whole stands: `$` for a body, a parameter's name in a query.
    """
    place = _PLACE.search(message)
    reason = message[: place.start()] if place else message
    if place:
        path += place["path"].removeprefix("$")
    if match := _UNKNOWN.fullmatch(reason):
        return FieldError(
            f"{path}.{_short(match['name'])}", "unknown_field", "There is no such field."
        )
    if match := _MISSING.fullmatch(reason):
        return FieldError(f"{path}.{match['name']}", "missing", "The field is needed.")
    return FieldError(path, *_judged(reason))


def _judged(reason: str) -> tuple[str, str]:
    for beginning, judgement in _FIXED.items():
        if reason.startswith(beginning):
            return judgement
    if match := _WRONG_TYPE.fullmatch(reason):
        wanted = " or ".join(_NAMES.get(one, one) for one in match["wanted"].split(" | "))
        given = _NAMES.get(match["given"], match["given"])
        return "wrong_type", f"A {wanted} is expected, not a {given}."
    if match := _LENGTH.fullmatch(reason):
        sign, count = match["bound"].split(" ")
        unit = _UNITS[match["what"]]
        return "out_of_range", f"It must have {_BOUNDS[sign]} {count} {unit}."
    if match := _BOUND.fullmatch(reason):
        sign = match["bound"].rstrip("-.e+0123456789 ")
        return "out_of_range", f"It must be {_BOUNDS[sign]} {match['bound'][len(sign) :].strip()}."
    return "invalid", "It does not fit."


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _read(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:
        return None  # JSON, with a number beyond what a float holds
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise MalformedError("The body is not JSON.") from None


def _refuse_nul(value: object, path: str) -> None:
    """PostgreSQL's text has no NUL, so no text of ours has one."""
    match value:
        case str() if "\0" in value:
            problem = FieldError(path, "not_allowed", "A text must not contain the character NUL.")
            raise InvalidError(errors=[problem])
        case list():
            for index, one in enumerate(cast("list[object]", value)):
                _refuse_nul(one, f"{path}[{index}]")
        case dict():
            for name, one in cast("dict[str, object]", value).items():
                _refuse_nul(name, path)
                _refuse_nul(one, f"{path}.{name}")
        case _:
            pass


def _short(name: str) -> str:
    """A name such as fields have; anything else is the caller's text, and is not repeated."""
    return name if _FIELD.fullmatch(name) else "…"
