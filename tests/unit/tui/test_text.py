"""Numbers, instants and strangers' strings, as they stand on the screen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.text import (
    Span,
    age,
    at,
    between,
    change,
    clock_time,
    fit,
    number,
    short_at,
    sparkline,
    visible,
    width_of,
    wrap,
)

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain", "plain"),
        ("grün 漢字 e\u0301", "grün 漢字 e\u0301"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\x00b\x07c\x9bd\x7f", "a\\x00b\\x07c\\x9bd\\x7f"),
        ("two\r\nlines\t", "two\\x0d\\x0alines\\x09"),
        ("abc\u202edef\u2066\u200f", "abc\\u202edef\\u2066\\u200f"),
        ("zero\u200bwidth\ufeff\u2028", "zero\\u200bwidth\\ufeff\\u2028"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("[@click=app.pwn]x[/nope]", "[@click=app.pwn]x[/nope]"),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_written_out(given_text: str, shown: str) -> None:
    assert visible(given_text) == shown


def test_a_very_long_text_is_cut_and_says_how_long_it_is() -> None:
    shown = visible("x" * 10_000, limit=100)

    assert shown == "x" * 100 + "… (10 000 characters)"


@given(st.text(), st.integers(0, 60))
def test_a_cell_is_exactly_as_wide_as_its_place(text: str, width: int) -> None:
    assert cell_len(fit(visible(text), width)) == width
    assert cell_len(fit(visible(text), width, is_number=True)) == width


@given(st.text(), st.integers(2, 40))
def test_wrapping_loses_nothing_and_keeps_the_width(text: str, width: int) -> None:
    shown = visible(text)
    lines = wrap(shown, width)

    assert "".join(lines) == shown
    assert all(cell_len(line) <= width for line in lines)


def test_what_is_cut_ends_in_an_ellipsis_and_numbers_stand_right() -> None:
    assert fit("guardian", 5) == "guar…"
    assert fit("漢字漢字", 4) == "漢 …"
    assert fit("7", 3, is_number=True) == "  7"


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(None, 0, "-"), (0, 0, "0"), (12873, 0, "12 873"), (72, 1, "72.0"), (-1234.56, 1, "-1 234.6")],
)
def test_numbers_are_grouped_and_none_is_a_dash(
    value: float | None, digits: int, shown: str
) -> None:
    assert number(value, digits=digits) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, Span("-", "dim")),
        (3.0, Span("▲ +3.0", "good")),
        (-2.04, Span("▼ -2.0", "warn")),
        (0.4, Span("= +0.4", "dim")),
    ],
)
def test_a_change_says_which_way_by_glyph_and_sign(value: float | None, shown: Span) -> None:
    assert change(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_400, "24 h"),
        (2 * 86_400, "2 d"),
        (86_400 * 2000, "2 000 d"),
    ],
)
def test_an_age_is_told_in_the_unit_that_matters(seconds: int, shown: str) -> None:
    assert age(NOON - timedelta(seconds=seconds), NOON) == shown


def test_never_has_no_age_and_no_time() -> None:
    assert (age(None, NOON), at(None), clock_time(None), short_at(None, NOON)) == ("-",) * 4


def test_instants_are_utc_and_say_so() -> None:
    elsewhere = datetime.fromisoformat("2026-11-01T08:00:00+02:00")

    assert at(elsewhere) == "2026-11-01 06:00:00Z"
    assert short_at(elsewhere, NOON) == "06:00:00Z"
    assert short_at(NOON - timedelta(days=3), NOON) == "10-29 12:00"


def test_a_gap_stays_a_gap_and_nothing_at_all_is_nothing() -> None:
    assert sparkline([0, None, 100], 10) == "▁·█"
    assert sparkline([None, None], 10) == ""
    assert sparkline([], 10) == ""


def test_a_small_wobble_does_not_look_like_a_mountain_range() -> None:
    assert sparkline([70, 71, 70], 10) == "▄▅▄"


@given(st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=40), st.integers(0, 30))
def test_bars_are_never_more_than_there_is_room_for(series: list[float | None], width: int) -> None:
    assert len(sparkline(series, width)) <= width


@given(st.text(max_size=80), st.integers(30, 120))
def test_the_right_edge_is_never_cut(left: str, width: int) -> None:
    right = (Span("✗ offline, retry in 15 s"),)
    line = between((Span(visible(left)),), right, width)

    assert line[-1] == right[0]
    assert width_of(line) == width
