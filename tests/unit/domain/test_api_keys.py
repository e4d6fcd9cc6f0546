"""A key is one word, tells its own typing mistakes, and is stored only as a digest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.api_keys import PATTERN, digest, matches, new_key, parse
from shared.errors import UnauthenticatedError

KEY = new_key(bytes(range(30)))
PEPPER = "a pepper of some length"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@given(entropy=st.binary(min_size=30, max_size=30))
def test_every_key_has_the_published_shape_and_tells_its_id(entropy: bytes) -> None:
    key = new_key(entropy)

    assert re.fullmatch(PATTERN, key.text)
    assert len(key.text) == 57
    assert parse(key.text) == key.key_id
    assert key.text.startswith(key.prefix)
    assert len(key.prefix) == 18


@given(one=st.binary(min_size=30, max_size=30), two=st.binary(min_size=30, max_size=30))
def test_different_entropy_gives_different_keys(one: bytes, two: bytes) -> None:
    assert (new_key(one) == new_key(two)) == (one == two)


@pytest.mark.parametrize("place", range(57))
def test_one_wrong_character_is_noticed_wherever_it_is(place: int) -> None:
    for sign in ALPHABET:
        if sign == KEY.text[place]:
            continue
        with pytest.raises(UnauthenticatedError):
            parse(KEY.text[:place] + sign + KEY.text[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gz7_live_",
        KEY.text[:-1],
        KEY.text + "0",
        " " + KEY.text,
        KEY.text + "\n",
        KEY.text.replace("gz7", "ghp"),
        KEY.text[:20] + "\u00e4" + KEY.text[21:],
        "x" * 100_000,
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        parse(text)

    assert len(text) < 10 or text not in caught.value.detail


def test_a_digest_matches_its_own_key_under_its_own_pepper_alone() -> None:
    stored = digest(KEY.text, pepper=PEPPER)

    assert len(stored) == 32
    assert matches(KEY.text, stored, pepper=PEPPER)
    assert not matches(KEY.text, stored, pepper=PEPPER + "x")
    assert not matches(new_key(bytes(30)).text, stored, pepper=PEPPER)


def test_a_key_does_not_print_itself() -> None:
    assert KEY.text not in repr(KEY)
    assert KEY.prefix in repr(KEY)


def test_a_key_needs_all_of_its_entropy() -> None:
    with pytest.raises(ValueError, match="30"):
        new_key(bytes(16))
