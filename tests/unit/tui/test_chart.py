"""A line that never hides a gap or an extreme."""

import pytest

from tui.glyphs import Glyphs, choose_glyphs, plain
from tui.widgets.chart import AXIS, Values, chart_lines

DATES = ("2026-01-01", "2026-06-01", "2026-11-01")
WIDTH, HEIGHT = 60, 9


def drawn(values: Values, glyphs: Glyphs = Glyphs.ASCII, cursor: int | None = None) -> list[str]:
    lines = chart_lines(values, DATES, cursor, width=WIDTH, height=HEIGHT, glyphs=glyphs)
    return ["".join(span.text for span in line) for line in lines]


@pytest.mark.parametrize("glyphs", list(Glyphs))
def test_a_gap_stays_a_gap(glyphs: Glyphs) -> None:
    whole = (50.0,) * 20
    gap = (*whole, *(None,) * 13, *whole)

    pictures = [row[AXIS:].ljust(WIDTH) for row in drawn(gap, glyphs)[: HEIGHT - 2]]
    blank = [x for x in range(WIDTH - AXIS - 1) if all(row[x] in " ⠀" for row in pictures)]

    assert len(blank) >= 10
    assert blank == list(range(blank[0], blank[-1] + 1)), "one gap, in one piece"


@pytest.mark.parametrize("glyphs", [Glyphs.BRAILLE, Glyphs.ASCII])
def test_an_extreme_is_seen_however_many_values_share_a_column(glyphs: Glyphs) -> None:
    values = [50.0] * 800
    values[401], values[577] = 100.0, 0.0

    rows = drawn(tuple(values), glyphs)

    assert rows[0][AXIS:].strip("│ "), "the highest"
    assert rows[HEIGHT - 3][AXIS:].strip("│ "), "the lowest"


def test_without_a_single_value_it_says_so_and_draws_no_zero() -> None:
    assert drawn((None, None)) == [" No data in this range."]


@pytest.mark.parametrize("values", [(7.0,), (0.0, 0.0), (100.0, 100.0), (12.5, None)])
def test_few_or_equal_values_are_drawn_inside_their_scale(values: Values) -> None:
    rows = drawn(values)

    assert len(rows) == HEIGHT
    assert any("*" in row for row in rows)
    assert 0 <= int(rows[HEIGHT - 3][: AXIS - 2]) < int(rows[0][: AXIS - 2])


@pytest.mark.parametrize("glyphs", list(Glyphs))
def test_every_line_fits(glyphs: Glyphs) -> None:
    rows = drawn(tuple(float(value) for value in range(90)), glyphs, cursor=89)

    assert all(len(row) <= WIDTH for row in rows)
    assert rows[HEIGHT - 2].endswith("▲"), "the cursor stands below the last value"
    assert rows[HEIGHT - 1].split() == list(DATES)


def test_too_little_room_draws_nothing() -> None:
    assert chart_lines((1.0,), DATES, None, width=60, height=2, glyphs=Glyphs.ASCII) == []
    assert chart_lines((1.0,), DATES, None, width=8, height=9, glyphs=Glyphs.ASCII) == []


@pytest.mark.parametrize(
    ("env", "glyphs"),
    [
        ({}, Glyphs.ASCII),
        ({"LANG": "C"}, Glyphs.ASCII),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"}, Glyphs.ASCII),
        ({"LANG": "C.utf8", "TERM": "linux"}, Glyphs.BLOCKS),
        ({"LANG": "C.UTF-8", "TERM": "xterm-kitty"}, Glyphs.BRAILLE),
    ],
)
def test_the_finest_glyphs_that_surely_show_are_chosen(env: dict[str, str], glyphs: Glyphs) -> None:
    assert choose_glyphs(env) is glyphs


def test_ascii_takes_as_many_cells_as_what_it_stands_for() -> None:
    assert plain("✓ delivered … 表é") == "+ delivered . ???"
