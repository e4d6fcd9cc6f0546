"""A sealed secret opens in its own place, with its own key, unaltered, and otherwise not at all."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.sealing import KeyRing
from shared.errors import SealBrokenError, SettingError

NEW = b64encode(bytes(range(32))).decode()
OLD = b64encode(bytes(range(32, 64))).decode()
RING = KeyRing.parse(f"k2:{NEW},k1:{OLD}")
OLD_RING = KeyRing.parse(f"k1:{OLD}")
PLACE = "tenant/integration/row/signing_secret"


@given(plain=st.binary(max_size=300), context=st.text(min_size=1, max_size=80))
def test_what_is_sealed_opens_again(plain: bytes, context: str) -> None:
    assert RING.open(RING.seal(plain, context=context), context=context) == plain


def test_a_seal_names_its_key_and_hides_the_rest() -> None:
    sealed = RING.seal(b"whsec_hello", context=PLACE)

    assert sealed.startswith(b"v1.k2.")
    assert sealed.isascii()
    assert b"hello" not in sealed


def test_the_same_secret_never_looks_the_same_twice() -> None:
    assert RING.seal(b"x", context=PLACE) != RING.seal(b"x", context=PLACE)


def test_nonces_come_from_the_given_source() -> None:
    ring = KeyRing.parse(f"k1:{OLD}", entropy=bytes)

    assert ring.seal(b"x", context=PLACE) == ring.seal(b"x", context=PLACE)


@pytest.mark.parametrize("other", ["other/integration/row/signing_secret", PLACE + "x", "x"])
def test_a_secret_moved_to_another_place_does_not_open(other: str) -> None:
    sealed = RING.seal(b"secret", context=PLACE)

    with pytest.raises(SealBrokenError, match="moved"):
        RING.open(sealed, context=other)


@given(place=st.integers(0, 70), change=st.integers(1, 255))
def test_no_altered_byte_goes_unnoticed(place: int, change: int) -> None:
    sealed = bytearray(RING.seal(b"a secret of some length", context=PLACE))
    sealed[place] ^= change

    with pytest.raises(SealBrokenError):
        RING.open(bytes(sealed), context=PLACE)


def test_an_old_key_still_opens_and_asks_to_be_replaced() -> None:
    sealed = OLD_RING.seal(b"secret", context=PLACE)

    assert RING.open(sealed, context=PLACE) == b"secret"
    assert not RING.is_current(sealed)
    assert RING.is_current(RING.seal(b"secret", context=PLACE))


def test_a_key_that_left_the_ring_opens_nothing() -> None:
    sealed = RING.seal(b"secret", context=PLACE)

    with pytest.raises(SealBrokenError, match="no longer in the key ring"):
        OLD_RING.open(sealed, context=PLACE)


def test_another_key_under_the_same_id_opens_nothing() -> None:
    sealed = OLD_RING.seal(b"secret", context=PLACE)

    with pytest.raises(SealBrokenError):
        KeyRing.parse(f"k1:{NEW}").open(sealed, context=PLACE)


@pytest.mark.parametrize(
    "sealed",
    [
        b"",
        b"whsec_plain",
        b"v1.k2.AAAA",
        b"v2.k2.AAAAAAAAAAAAAAAA.AAAA",
        b"v1.k2.AAAA.AAAA",
        b"v1.k2.AAAAAAAAAAAAAAAA.A",
        b"v1.k2.AAAAAAAAAAAAAAAA.AA A",
        b"v1.k2.AAAAAAAAAAAAAAAA.\xff",
        b"v1.\xff.AAAAAAAAAAAAAAAA.AAAA",
        b"v1.k2.AAAAAAAAAAAAAAAA.",
        b"v1.k2.AAAAAAAAAAAAAAAA.AAAA",
    ],
)
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealBrokenError):
        RING.open(sealed, context=PLACE)


def test_a_place_is_never_empty() -> None:
    with pytest.raises(ValueError, match="place"):
        RING.seal(b"secret", context="")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("k1", 1),
        ("k1:", 1),
        (f":{NEW}", 1),
        (f"k 1:{NEW}", 1),
        (f"k.1:{NEW}", 1),
        (NEW, 1),
        (f"k1:{NEW},", 2),
        (f"k1:{NEW},k2:{OLD[:-4]}", 2),
        (f"k1:{NEW},k2:\u00e4", 2),
        (f"k1:{NEW},k1:{OLD}", 2),
    ],
)
def test_a_wrong_ring_stops_the_start_without_telling_its_keys(text: str, position: int) -> None:
    with pytest.raises(
        SettingError, match=f"GUARDIAN_KEY_RING does not fit: entry {position}"
    ) as e:
        KeyRing.parse(text)

    assert NEW not in str(e.value)
    assert OLD[:-4] not in str(e.value)


def test_blanks_around_the_pairs_are_no_mistake() -> None:
    ring = KeyRing.parse(f" k2:{NEW} , k1:{OLD}\n")

    assert ring.open(RING.seal(b"x", context=PLACE), context=PLACE) == b"x"


@pytest.mark.parametrize("keys", [{}, {"k1": b"short"}])
def test_a_ring_without_whole_keys_cannot_be_made(keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeyRing(keys)


def test_a_ring_does_not_print_its_keys() -> None:
    assert NEW not in repr(RING)
