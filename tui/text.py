"""Numbers, instants and strangers' strings as words that fit a cell; all of it pure.

Nothing here ever writes 0 for a value that is not there: `NONE` says so.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

NONE = "-"
ELLIPSIS = "…"
BARS = "▁▂▃▄▅▆▇█"
GAP = "·"
LEAST_SPAN = 20.0
"""Points that a sparkline spans at least, so that noise does not look like a mountain range."""

LONGEST = 4096
SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
WEIGHED = re.compile(r"(?:[▲▼=] )?(?P<number>[+-]?\d[\d ]*(?:\.\d+)?)(?: ?(?P<unit>s|min|h|d|%))?$")
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Span(NamedTuple):
    """Some text in one tone; the tone is the third channel, after glyph and word."""

    text: str
    tone: str = ""


Line = tuple[Span, ...]


def visible(text: str, *, limit: int = LONGEST) -> str:
    r"""`text` with what a terminal would obey, or hide, written out as `\x1b` or `\u202e`.

    Args:
        text: anything a server or a receiver sent.
        limit: characters kept; the rest is counted, so that nobody takes the part for the whole.
    """
    kept = text[:limit]
    if not kept.isascii() or not kept.isprintable():
        kept = "".join(_seen(character) for character in kept)
    return kept if len(text) <= limit else f"{kept}{ELLIPSIS} ({number(len(text))} characters)"


def fit(text: str, width: int, *, is_number: bool = False) -> str:
    """Exactly `width` cells of `text`; what is cut ends in an ellipsis. Numbers stand right."""
    if width <= 0:
        return ""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + ELLIPSIS
    padding = " " * (width - length)
    return padding + text if is_number else text + padding


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken anywhere, as a payload must be."""
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)] or [""]
    lines: list[str] = []
    line, length = "", 0
    for character in text:
        size = cell_len(character)
        if length + size > width:
            lines.append(line)
            line, length = "", 0
        line += character
        length += size
    return [*lines, line]


def wrap_words(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken between words where that is possible."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        if cell_len(line) > width:
            *whole, line = wrap(line, width)
            lines += whole
    return [*lines, line]


def evidence(value: float | str | None) -> str:
    """A fact that a risk rests on."""
    if isinstance(value, str):
        return words(value)
    return number(value, digits=0 if value is None or float(value).is_integer() else 1)


def weight(cell: str) -> tuple[bool, float, str]:
    """How a cell sorts: what is not there first, numbers and lengths of time by size, then text."""
    text = cell.strip().lower()
    found = WEIGHED.match(text)
    if text in {"", NONE}:
        return (False, 0.0, "")
    if found is None:
        return (True, 0.0, text)
    digits = found["number"].replace(" ", "")
    return (True, float(digits) * SECONDS.get(found["unit"] or "", 1), text)


def number(value: float | None, *, digits: int = 0) -> str:
    """`12 873`, grouped by threes; `-` for none."""
    return NONE if value is None else f"{value:,.{digits}f}".replace(",", " ")


def change(value: float | None, *, dead_band: float = 1.0) -> Span:
    """Which way and by how much: `▲ +3.0`, `▼ -2.0`, `= +0.4`, or `-`."""
    if value is None:
        return Span(NONE, "dim")
    if abs(value) < dead_band:
        return Span(f"= {value:+.1f}", "dim")
    return Span(f"▲ {value:+.1f}", "good") if value > 0 else Span(f"▼ {value:+.1f}", "warn")


def age(since: datetime | None, now: datetime) -> str:
    """How long ago in the one unit that matters: `3 s`, `12 min`, `5 h`, `12 d`; `-` for never."""
    return NONE if since is None else duration(now - since)


def duration(length: timedelta) -> str:
    """A length of time in the one unit that matters; a negative one is none at all."""
    seconds = max(0, int(length.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or (unit != "d" and seconds >= size):
            return f"{number(seconds // size)} {unit}"
    return f"{seconds} s"


def at(instant: datetime | None) -> str:
    """`2026-11-01 06:00:00Z`, always UTC; `-` for none."""
    return NONE if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def clock_time(instant: datetime | None) -> str:
    """`06:00:00Z`; `-` for none."""
    return NONE if instant is None else f"{instant.astimezone(UTC):%H:%M:%S}Z"


def short_at(instant: datetime | None, now: datetime) -> str:
    """The time of today, and of other days the date and the minute."""
    if instant is None:
        return NONE
    then = instant.astimezone(UTC)
    return clock_time(then) if then.date() == now.date() else f"{then:%m-%d %H:%M}"


def sparkline(series: Sequence[float | None], width: int) -> str:
    """The last `width` values as bars over their own range; a gap stays a gap."""
    shown = list(series)[-width:] if width > 0 else []
    values = [value for value in shown if value is not None]
    if not values:
        return ""
    low, high = min(values), max(values)
    slack = max(0.0, LEAST_SPAN - (high - low)) / 2
    low, high = low - slack, high + slack
    top = len(BARS) - 1
    return "".join(
        GAP if value is None else BARS[round((value - low) / (high - low) * top)] for value in shown
    )


def words(token: str) -> str:
    """A token of the contract as a person reads it."""
    return visible(token.replace("_", " "))


def width_of(spans: Iterable[Span]) -> int:
    """How many cells the spans take."""
    return sum(cell_len(span.text) for span in spans)


def between(left: Line, right: Line, width: int) -> Line:
    """`left` at the left edge and `right` at the right; the right one is never cut."""
    room = width - width_of(right)
    kept = _cut(left, room - 1)
    return (*kept, Span(" " * max(0, room - width_of(kept))), *right)


def _cut(spans: Line, width: int) -> Line:
    kept: list[Span] = []
    for span in spans:
        room = width - width_of(kept)
        if room <= 0:
            break
        length = cell_len(span.text)
        kept.append(span if length <= room else Span(fit(span.text, room), span.tone))
    return tuple(kept)


def _seen(character: str) -> str:
    if unicodedata.category(character) not in UNSEEN:
        return character
    point = ord(character)
    if point <= 0xFF:  # noqa: PLR2004 - two hexadecimal digits are enough up to here
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"  # noqa: PLR2004 - as above
