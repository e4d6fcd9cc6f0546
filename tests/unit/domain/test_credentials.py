"""Credentials in their row: what a rotation of the key ring leaves, and what it refuses."""

from uuid import UUID

import pytest

from shared.domain.credentials import (
    Credentials,
    open_credentials,
    open_secret,
    resealed_credentials,
    resealed_secret,
    seal_credentials,
    seal_secret,
)
from shared.domain.sealing import KeyRing
from shared.errors import SealBrokenError

OLD = KeyRing({"k1": b"1" * 32})
BOTH = KeyRing({"k2": b"2" * 32, "k1": b"1" * 32})
NEW = KeyRing({"k2": b"2" * 32})
HERE = {"tenant_id": UUID(int=1), "integration_id": UUID(int=2)}
ELSEWHERE = {"tenant_id": UUID(int=1), "integration_id": UUID(int=3)}
CREDENTIALS = Credentials(url="https://bi.example.com/hook", secret_headers={"x-key": "v"})


def test_after_a_rotation_the_new_key_alone_opens_everything() -> None:
    config = seal_credentials(OLD, CREDENTIALS, **HERE)
    secret = seal_secret(OLD, "whsec_x", **HERE)

    config = resealed_credentials(BOTH, config, **HERE)
    secret = resealed_secret(BOTH, secret, **HERE)

    assert open_credentials(NEW, config, **HERE) == CREDENTIALS
    assert open_secret(NEW, secret, **HERE) == "whsec_x"


def test_a_second_rotation_changes_nothing() -> None:
    config = seal_credentials(BOTH, CREDENTIALS, **HERE)

    assert resealed_credentials(BOTH, config, **HERE) is config


def test_a_rotation_does_not_legalise_what_was_moved_or_lost() -> None:
    config = seal_credentials(OLD, CREDENTIALS, **HERE)

    with pytest.raises(SealBrokenError):
        resealed_credentials(BOTH, config, **ELSEWHERE)
    with pytest.raises(SealBrokenError):
        resealed_secret(BOTH, config, **HERE)
    with pytest.raises(SealBrokenError):
        resealed_credentials(NEW, config, **HERE)
