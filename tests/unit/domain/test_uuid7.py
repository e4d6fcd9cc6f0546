"""Ids sort by the time they were made, and tell it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.uuid7 import Ids, floor, instant_of, uuid7

NOON = datetime(2026, 11, 1, 12, 0, 0, 123_999, tzinfo=UTC)
INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9999, 12, 31),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(UTC),
)
ENTROPY = st.binary(min_size=10, max_size=10)


def test_the_example_of_rfc_9562_comes_out_bit_by_bit() -> None:
    written = datetime.fromtimestamp(1645557742, tz=UTC)
    tail = (0xCC3 << 62 | 0x18C4DC0C0C07398F).to_bytes(10)

    assert uuid7(written, tail) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


@given(now=INSTANTS, entropy=ENTROPY)
def test_an_id_is_version_7_of_the_rfc_and_tells_its_millisecond(
    now: datetime, entropy: bytes
) -> None:
    made = uuid7(now, entropy)

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert instant_of(made) == now.replace(microsecond=now.microsecond // 1000 * 1000)


@given(now=INSTANTS, entropy=ENTROPY)
def test_the_floor_is_below_every_id_of_its_millisecond_and_above_all_earlier(
    now: datetime, entropy: bytes
) -> None:
    assert floor(now) <= uuid7(now, entropy)
    if now - datetime(1970, 1, 1, tzinfo=UTC) >= timedelta(milliseconds=1):
        assert uuid7(now - timedelta(milliseconds=1), entropy) < floor(now)


@given(steps=st.lists(st.integers(min_value=-5000, max_value=5000), min_size=2, max_size=50))
def test_a_source_strictly_increases_even_when_the_clock_steps_back(steps: list[int]) -> None:
    ticks = iter([NOON + timedelta(milliseconds=step) for step in steps])
    ids = Ids(lambda: next(ticks))

    made = [ids() for _ in steps]

    assert all(earlier < later for earlier, later in pairwise(made))


def test_a_full_millisecond_flows_into_the_next() -> None:
    ids = Ids(lambda: NOON, lambda count: b"\xff" * count)

    first, second = ids(), ids()

    assert first < second
    assert instant_of(second) - instant_of(first) == timedelta(milliseconds=1)
    assert second.version == 7


def test_other_versions_do_not_tell_a_time() -> None:
    with pytest.raises(ValueError, match="version 7"):
        instant_of(uuid4())


def test_an_id_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="9999"):
        instant_of(UUID("ffffffff-ffff-7000-8000-000000000000"))


@pytest.mark.parametrize("now", [NOON.replace(tzinfo=None), datetime(1969, 12, 31, tzinfo=UTC)])
def test_an_instant_that_cannot_be_told_is_refused(now: datetime) -> None:
    with pytest.raises(ValueError, match="an id"):
        uuid7(now, bytes(10))


def test_entropy_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        uuid7(NOON, bytes(16))
