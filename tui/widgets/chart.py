"""A line over time. A gap stays a gap, and where columns are few, no extreme is left out."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from textual.strip import Strip
from textual.widget import Widget

from tui.glyphs import Glyphs
from tui.text import BARS, LEAST_SPAN, Line, Span, fit, number
from tui.widgets.lines import strip_of

AXIS = 6
"""Cells for the labels on the left, the axis itself included."""

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of a braille cell, by column and then from the top."""

DOTS_WIDE, DOTS_HIGH = len(DOTS), len(DOTS[0])
EMPTY_BRAILLE = 0x2800
MOST_POINTS = 100.0

Values = tuple[float | None, ...]
Dates = tuple[str, str, str]


class Extent(NamedTuple):
    """The least and the most that one column shows."""

    low: float
    high: float


class Scale(NamedTuple):
    """What the chart spans from its lowest row to its highest."""

    low: float
    high: float

    def step(self, value: float, steps: int) -> int:
        """Where a value stands, from 0 at the bottom to `steps - 1` at the top."""
        share = (value - self.low) / (self.high - self.low)
        return max(0, min(steps - 1, round(share * (steps - 1))))


class Chart(Widget):
    """One series, three labels on each axis, and a mark below the value that is read."""

    def __init__(self, glyphs: Glyphs, *, id: str) -> None:
        """Start empty."""
        super().__init__(id=id)
        self._glyphs = glyphs
        self._values: Values = ()
        self._dates: Dates = ("", "", "")
        self._cursor: int | None = None

    def plot(self, values: Sequence[float | None], dates: Dates, cursor: int | None) -> None:
        """Draw `values`, oldest first; `cursor` is the place of the one that is read."""
        new = (tuple(values), dates, cursor)
        if new != (self._values, self._dates, self._cursor):
            self._values, self._dates, self._cursor = new
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """A row of the picture, the axis, or the dates."""
        lines = chart_lines(
            self._values,
            self._dates,
            self._cursor,
            width=self.size.width,
            height=self.size.height,
            glyphs=self._glyphs,
        )
        return strip_of(lines[y] if y < len(lines) else (), self.size.width, self.rich_style)


@lru_cache(8)
def chart_lines(
    values: Values, dates: Dates, cursor: int | None, *, width: int, height: int, glyphs: Glyphs
) -> list[Line]:
    """The whole chart, from its highest row to its dates."""
    rows, across = height - 2, width - AXIS - 1
    if rows < 1 or across < len(dates):
        return []
    known = [value for value in values if value is not None]
    if not known:
        return [(Span(" No data in this range.", "dim"),)]
    scale = _scale_of(known)
    labels = {rows // 2: number((scale.low + scale.high) / 2)}
    labels |= {0: number(scale.high), rows - 1: number(scale.low)}
    lines: list[Line] = [
        (
            Span(fit(labels.get(row, ""), AXIS - 2, is_number=True), "dim"),
            Span(" │", "dim"),
            Span(text, "accent"),
        )
        for row, text in enumerate(_DRAW[glyphs](values, scale, across, rows))
    ]
    return [*lines, _axis(len(values), cursor, across), _date_line(dates, across)]


def _scale_of(known: Sequence[float]) -> Scale:
    """The values' own range in whole numbers, so wide that noise is no mountain."""
    low, high = min(known), max(known)
    slack = max(0.0, LEAST_SPAN - (high - low)) / 2
    low, high = low - slack, high + slack
    if high > MOST_POINTS >= max(known):
        low, high = low - (high - MOST_POINTS), MOST_POINTS
    if low < 0 <= min(known):
        low, high = 0.0, high - low
    return Scale(float(low // 1), float(-(-high // 1)))


def _columns(values: Values, count: int) -> Iterator[Extent | None]:
    """The values on `count` columns; between two neighbours that are known, a straight line."""
    last = len(values) - 1
    for column in range(count):
        if len(values) > count:
            start, end = column * len(values) // count, (column + 1) * len(values) // count
            known = [value for value in values[start:end] if value is not None]
            yield Extent(min(known), max(known)) if known else None
            continue
        place = column * last / max(1, count - 1)
        before = int(place)
        left, right = values[before], values[min(before + 1, last)]
        if left is not None and right is not None:
            between = left + (right - left) * (place - before)
            yield Extent(between, between)
            continue
        near = values[round(place)]
        is_nearest = abs(place - round(place)) * (count - 1) <= last / 2
        yield Extent(near, near) if near is not None and is_nearest else None


def _braille(values: Values, scale: Scale, across: int, rows: int) -> list[str]:
    cells = [[EMPTY_BRAILLE] * across for _ in range(rows)]
    steps = rows * DOTS_HIGH
    before: Extent | None = None
    for column, seen in enumerate(_columns(values, across * DOTS_WIDE)):
        if seen is not None:
            low = seen.low if before is None else min(seen.low, before.high)
            high = seen.high if before is None else max(seen.high, before.low)
            for step in range(scale.step(low, steps), scale.step(high, steps) + 1):
                row, dot = divmod(steps - 1 - step, DOTS_HIGH)
                cells[row][column // DOTS_WIDE] |= DOTS[column % DOTS_WIDE][dot]
        before = seen
    return ["".join(" " if one == EMPTY_BRAILLE else chr(one) for one in row) for row in cells]


def _blocks(values: Values, scale: Scale, across: int, rows: int) -> list[str]:
    eighths = len(BARS)
    tops = [
        0 if seen is None else 1 + scale.step(seen.high, rows * eighths)
        for seen in _columns(values, across)
    ]
    return ["".join(_bar(top - (rows - 1 - row) * eighths) for top in tops) for row in range(rows)]


def _bar(eighths: int) -> str:
    return " " if eighths <= 0 else BARS[min(eighths, len(BARS)) - 1]


def _ascii(values: Values, scale: Scale, across: int, rows: int) -> list[str]:
    cells = [[" "] * across for _ in range(rows)]
    for column, seen in enumerate(_columns(values, across)):
        if seen is not None:
            for step in range(scale.step(seen.low, rows), scale.step(seen.high, rows) + 1):
                cells[rows - 1 - step][column] = "*"
    return ["".join(row) for row in cells]


_DRAW = {Glyphs.BRAILLE: _braille, Glyphs.BLOCKS: _blocks, Glyphs.ASCII: _ascii}


def _axis(count: int, cursor: int | None, across: int) -> Line:
    line = ["─"] * across
    if cursor is not None and count:
        line[round(cursor * (across - 1) / max(1, count - 1))] = "▲"
    return (Span(" " * (AXIS - 1) + "└" + "".join(line), "dim"),)


def _date_line(dates: Dates, across: int) -> Line:
    first, middle, last = dates
    text = first + middle.center(max(0, across - len(first) - len(last))) + last
    return (Span(" " * AXIS + text[:across], "dim"),)
