"""The retry schedule, as a tenant would read it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.delivery.retry import SCHEDULE, next_due, retry_after

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def test_the_first_retry_comes_about_five_seconds_after_the_first_failure() -> None:
    assert next_due(1, ended_at=NOON, spread=0.0) == NOON + timedelta(seconds=4)
    assert next_due(1, ended_at=NOON, spread=0.5) == NOON + timedelta(seconds=5)
    assert next_due(1, ended_at=NOON, spread=1.0) == NOON + timedelta(seconds=6)


def test_ten_attempts_span_more_than_three_days() -> None:
    at = NOON
    attempts = 1
    while (due := next_due(attempts, ended_at=at, spread=0.5)) is not None:
        at = due
        attempts += 1

    assert attempts == 10
    assert at - NOON == timedelta(hours=75, minutes=35, seconds=5)


@given(attempt=st.integers(min_value=1, max_value=9), spread=st.floats(0, 1))
def test_a_wait_strays_by_a_fifth_at_the_most(attempt: int, spread: float) -> None:
    due = next_due(attempt, ended_at=NOON, spread=spread)

    assert due is not None
    wait = SCHEDULE[attempt - 1]
    assert wait * 0.8 <= due - NOON <= wait * 1.2


def test_another_schedule_may_be_used() -> None:
    one_second = [timedelta(seconds=1)]

    assert next_due(1, ended_at=NOON, spread=0.5, schedule=one_second) == NOON + one_second[0]
    assert next_due(2, ended_at=NOON, spread=0.5, schedule=one_second) is None


@pytest.mark.parametrize(("attempt", "spread"), [(0, 0.5), (1, -0.1), (1, 1.1), (1, float("nan"))])
def test_a_count_or_a_spread_out_of_range_is_a_mistake(attempt: int, spread: float) -> None:
    with pytest.raises(ValueError, match=r"from 1|0 to 1"):
        next_due(attempt, ended_at=NOON, spread=spread)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("86400", 86400),
        ("86401", 86400),
        ("9" * 60, 86400),
        ("Sun, 01 Nov 2026 12:00:30 GMT", 30),
        ("Sunday, 01-Nov-26 12:00:30 GMT", 30),
        ("Sun Nov  1 12:00:30 2026", 30),
        ("Sun, 01 Nov 2026 12:00:30 -0000", 30),
        ("Sun, 01 Nov 2026 13:00:30 +0100", 30),
        ("Sun, 01 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 01 Nov 2099 12:00:00 GMT", 86400),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(value: str, seconds: int) -> None:
    assert retry_after(value, now=NOON) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    ["", "soon", "-5", "1.5", "1e3", "\u0663", "9" * 65, "Sun, 99 Nov 2026 12:00:30 GMT", "Sun,"],
)
def test_a_retry_after_that_means_nothing_is_ignored(value: str) -> None:
    assert retry_after(value, now=NOON) is None


@given(value=st.text(max_size=70))
def test_no_text_a_receiver_sends_breaks_the_reading(value: str) -> None:
    wait = retry_after(value, now=NOON)

    assert wait is None or timedelta(0) <= wait <= timedelta(hours=24)


@given(date=st.datetimes(timezones=st.just(UTC)), zone=st.sampled_from(["GMT", "+0000", "+9999"]))
def test_no_date_a_receiver_sends_breaks_the_reading(date: datetime, zone: str) -> None:
    retry_after(f"{date:%a, %d %b} {date.year} {date:%H:%M:%S} {zone}", now=NOON)
