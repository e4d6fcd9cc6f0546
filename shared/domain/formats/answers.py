"""When an answer counts: 2xx for most, and for some only if its body says so too."""

import re
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from shared.contracts.templates import AcceptedWhen

_PATH = re.compile(r"\$(?:\.[A-Za-z_][\w-]*|\[\d{1,4}\])*")
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]")

Expected = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class AcceptanceRule:
    """What an answer must be, beside 2xx.

    Attributes:
        status: this one; None for any 2xx.
        text: the whole body, spaces around it aside; None for any.
        path: where in a JSON body `equals` must stand; None for nowhere.
    """

    status: int | None = None
    text: str | None = None
    path: tuple[str | int, ...] | None = None
    equals: Expected = None

    @property
    def reads_body(self) -> bool:
        """Whether the body must be kept to judge an answer."""
        return self.text is not None or self.path is not None


ANY_SUCCESS = AcceptanceRule()
SAYS_OK = AcceptanceRule(text="ok")


def is_accepted(rule: AcceptanceRule, *, status_code: int, body: bytes) -> bool:
    """Tell whether an answer counts under `rule`; a body cut off counts as not understood."""
    if not 200 <= status_code < 300:  # noqa: PLR2004 - the success class of HTTP
        return False
    if rule.status is not None and status_code != rule.status:
        return False
    if rule.text is not None and body.strip() != rule.text.encode():
        return False
    return rule.path is None or _says(body, rule.path, rule.equals)


def acceptance_rule(asked: AcceptedWhen) -> AcceptanceRule:
    """Turn what was asked for into a rule.

    Raises:
        ValueError: `path` is not a path.
    """
    path = None if asked.path is None else answer_path(asked.path)
    return AcceptanceRule(status=asked.status, path=path, equals=asked.equals)


def answer_path(text: str) -> tuple[str | int, ...]:
    """Read a path such as `$.results[0].status`.

    Raises:
        ValueError: it is not one.
    """
    if not _PATH.fullmatch(text):
        raise ValueError("a path looks like $.results[0].status")
    return tuple(int(index) if index else name for name, index in _STEP.findall(text))


def _says(body: bytes, path: tuple[str | int, ...], expected: Expected) -> bool:
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    for step in path:
        match found, step:
            case dict(), str() if step in found:
                found = cast("dict[str, Any]", found)[step]
            case list(), int() if step < len(cast("list[Any]", found)):
                found = cast("list[Any]", found)[step]
            case _:
                return False
    # In Python True equals 1, in JSON it does not.
    return isinstance(found, bool) is isinstance(expected, bool) and found == expected
