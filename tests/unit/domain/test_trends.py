"""Arrows, comparisons, freshness; and periods that follow the calendar."""

import calendar
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.words import Freshness, Granularity, Scope, Trend
from shared.domain import periods, trends
from shared.domain.periods import Bucket
from shared.domain.trends import Point

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
INSTANTS = st.datetimes(
    datetime(1999, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    datetime(2031, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    ("points", "arrow"),
    [
        (None, Trend.UNKNOWN),
        (0.0, Trend.FLAT),
        (0.99, Trend.FLAT),
        (-0.99, Trend.FLAT),
        (1.0, Trend.UP),
        (-1.0, Trend.DOWN),
    ],
)
def test_a_change_of_a_point_turns_the_arrow(points: float | None, arrow: Trend) -> None:
    assert trends.trend(points) is arrow


def test_five_points_are_material_in_both_directions() -> None:
    assert trends.is_material(5.0)
    assert trends.is_material(-5.0)
    assert not trends.is_material(4.99)
    assert not trends.is_material(None)


def test_a_change_forgets_what_binary_fractions_add() -> None:
    assert trends.change(71.1, 70.1) == 1.0
    assert trends.trend(trends.change(71.1, 70.1)) is Trend.UP


def test_a_change_needs_both_ends() -> None:
    assert trends.change(1.0, None) is None
    assert trends.change(None, 1.0) is None


def test_a_weekly_snapshot_is_compared_with_the_one_a_week_before_though_it_ran_later() -> None:
    reach = trends.reach(trends.ONE_WEEK)

    assert timedelta(days=6) < reach < timedelta(days=7) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("domain", "days"),
    [(Scope.READINESS, 8), (Scope.ADOPTION, 8), (Scope.EXECUTIVE_REPORTS, 35)],
)
def test_data_is_stale_when_older_than_its_cadence(domain: Scope, days: int) -> None:
    edge = MONDAY - timedelta(days=days)

    assert trends.freshness(domain, edge, MONDAY) is Freshness.OK
    assert trends.freshness(domain, edge - timedelta(seconds=1), MONDAY) is Freshness.STALE
    assert trends.freshness(domain, None, MONDAY) is Freshness.MISSING


def test_an_observation_from_a_clock_ahead_is_of_age_zero() -> None:
    assert trends.age_days(MONDAY + timedelta(hours=1), MONDAY) == 0.0
    assert trends.age_days(MONDAY - timedelta(hours=36), MONDAY) == 1.5


def test_a_run_below_an_edge_begins_after_the_last_value_that_was_not() -> None:
    weeks = [MONDAY + timedelta(weeks=number) for number in range(4)]
    falling = [Point(at, value) for at, value in zip(weeks, [30, 41, 39, 38], strict=True)]

    assert trends.held_since(falling, 40) == weeks[2]
    assert trends.held_since(falling, 38) is None
    assert trends.held_since([], 40) is None


def test_weeks_begin_on_monday_and_are_clipped_to_what_was_asked() -> None:
    start, end = datetime(2026, 11, 19, 7, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)

    assert periods.buckets(start, end, Granularity.WEEKLY) == [
        Bucket(start, MONDAY),
        Bucket(MONDAY, MONDAY + timedelta(weeks=1)),
        Bucket(MONDAY + timedelta(weeks=1), end),
    ]


def test_months_begin_on_the_first_whatever_their_length() -> None:
    made = periods.buckets(
        datetime(2026, 1, 31, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC), Granularity.MONTHLY
    )

    assert [one.start.month for one in made] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1]
    assert all(one.start.day == 1 for one in made[1:])


def test_periods_are_of_utc_whatever_the_offset_of_the_question() -> None:
    new_york = timezone(timedelta(hours=-5))
    start = datetime(2026, 11, 22, 20, tzinfo=new_york)

    [only] = periods.buckets(start, start + timedelta(hours=1), Granularity.WEEKLY)

    assert only == Bucket(MONDAY + timedelta(hours=1), MONDAY + timedelta(hours=2))


def test_too_many_periods_are_refused_before_they_are_made() -> None:
    end = MONDAY + timedelta(days=periods.MAX_PERIODS)

    assert len(periods.buckets(MONDAY, end, Granularity.DAILY)) == 800
    with pytest.raises(ValueError, match="more than 800"):
        periods.buckets(MONDAY, end + timedelta(seconds=1), Granularity.DAILY)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (MONDAY, MONDAY),
        (MONDAY, MONDAY - timedelta(days=1)),
        (MONDAY.replace(year=1), MONDAY),
        (MONDAY, datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_an_empty_or_boundless_range_is_refused(start: datetime, end: datetime) -> None:
    with pytest.raises(ValueError, match="the range"):
        periods.buckets(start, end, Granularity.MONTHLY)


@given(
    INSTANTS, st.timedeltas(timedelta(seconds=1), timedelta(days=795)), st.sampled_from(Granularity)
)
def test_buckets_agree_with_walking_day_by_day(
    start: datetime, span: timedelta, granularity: Granularity
) -> None:
    end = start + span

    made = periods.buckets(start, end, granularity)

    edges = [start, *_slow_edges(start, end, granularity), end]
    assert made == [Bucket(one, other) for one, other in pairwise(edges)]


@given(INSTANTS)
def test_the_last_weeks_end_with_the_one_that_holds_now(now: datetime) -> None:
    weeks = periods.weeks_until(now, 18)

    assert len(weeks) == 18
    assert weeks[-1].start <= now < weeks[-1].end
    assert all(one.start.weekday() == calendar.MONDAY for one in weeks)
    assert all(one.end == other.start for one, other in pairwise(weeks))


def _slow_edges(start: datetime, end: datetime, granularity: Granularity) -> list[datetime]:
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight + timedelta(days=number) for number in range((end - midnight).days + 2)]
    return [day for day in days if start < day < end and _begins(day, granularity)]


def _begins(day: datetime, granularity: Granularity) -> bool:
    if granularity is Granularity.WEEKLY:
        return day.isoweekday() == 1
    return granularity is Granularity.DAILY or day.day == 1
