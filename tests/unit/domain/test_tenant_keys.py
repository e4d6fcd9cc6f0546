"""What a tenant's key seals opens with it alone, in its own place, and through every key ring."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.sealing import KeyRing
from shared.domain.tenant_keys import TenantKey, new_tenant_key, rewrapped, sealer_of
from shared.errors import SealBrokenError

OLD = KeyRing({"k1": b"1" * 32})
BOTH = KeyRing({"k2": b"2" * 32, "k1": b"1" * 32})
NEW = KeyRing({"k2": b"2" * 32})
TENANT, OTHER = UUID(int=1), UUID(int=2)
PLACE = "tenant/integration/row/secret"
SEALED_KEY = new_tenant_key(OLD, tenant_id=TENANT)
KEY = TenantKey(OLD, SEALED_KEY, tenant_id=TENANT)


@given(plain=st.binary(max_size=300), context=st.text(min_size=1, max_size=80))
def test_what_is_sealed_opens_again_and_nowhere_else(plain: bytes, context: str) -> None:
    sealed = KEY.seal(plain, context=context)

    assert sealed.startswith(b"v2.")
    assert KEY.open(sealed, context=context) == plain
    with pytest.raises(SealBrokenError, match="moved"):
        KEY.open(sealed, context=context + "x")


@given(place=st.integers(0, 60), change=st.integers(1, 255))
def test_no_altered_byte_goes_unnoticed(place: int, change: int) -> None:
    sealed = bytearray(KEY.seal(b"a secret of some length", context=PLACE))
    sealed[place] ^= change

    with pytest.raises(SealBrokenError):
        KEY.open(bytes(sealed), context=PLACE)


@pytest.mark.parametrize("text", [b"", b"v2", b"v2..", b"v2.AAAA.AAAA", b"v3.A.B", b"v2.a.b.c"])
def test_what_is_no_seal_does_not_open(text: bytes) -> None:
    with pytest.raises(SealBrokenError, match="form"):
        KEY.open(text, context=PLACE)


def test_a_new_ring_seals_the_key_anew_and_the_secrets_stay_as_they_are() -> None:
    sealed = KEY.seal(b"secret", context=PLACE)

    anew = rewrapped(BOTH, SEALED_KEY, tenant_id=TENANT)

    assert anew != SEALED_KEY
    assert rewrapped(BOTH, anew, tenant_id=TENANT) is anew
    assert TenantKey(NEW, anew, tenant_id=TENANT).open(sealed, context=PLACE) == b"secret"
    with pytest.raises(SealBrokenError, match="no longer in the key ring"):
        TenantKey(NEW, SEALED_KEY, tenant_id=TENANT)


def test_a_tenants_key_is_of_no_use_to_another_tenant() -> None:
    with pytest.raises(SealBrokenError, match="moved"):
        TenantKey(OLD, SEALED_KEY, tenant_id=OTHER)
    other = TenantKey(OLD, new_tenant_key(OLD, tenant_id=OTHER), tenant_id=OTHER)
    with pytest.raises(SealBrokenError):
        other.open(KEY.seal(b"secret", context=PLACE), context=PLACE)


def test_what_the_ring_sealed_before_still_opens_and_asks_to_be_sealed_anew() -> None:
    sealed = OLD.seal(b"secret", context=PLACE)

    assert KEY.open(sealed, context=PLACE) == b"secret"
    assert not KEY.is_current(sealed)
    assert KEY.is_current(KEY.seal(b"secret", context=PLACE))
    assert sealer_of(OLD, None, tenant_id=TENANT) is OLD


def test_a_secret_without_a_place_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="place"):
        KEY.seal(b"x", context="")
