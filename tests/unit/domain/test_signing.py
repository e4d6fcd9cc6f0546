"""A receiver that follows Standard Webhooks believes our messages, and nobody else's."""

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from shared.domain.signing import (
    SignatureError,
    new_secret,
    new_secret_key,
    public_key,
    sign,
    verify,
)

NOW = datetime(2026, 11, 1, 6, 0, 0, 900_000, tzinfo=UTC)
SECRET = new_secret(bytes(range(32)))
OLD_SECRET = new_secret(bytes(range(32, 64)))
ED25519 = new_secret_key(bytes(range(64, 96)))
BODY = b'{"type":"readiness.snapshot.created"}'
ID = "019a3dd0-6a00-7000-8000-000000000001"


def _verify(
    secret: str, headers: dict[str, str], *, body: bytes = BODY, now: datetime = NOW
) -> None:
    verify(
        secret,
        message_id=headers["webhook-id"],
        timestamp=headers["webhook-timestamp"],
        signature=headers["webhook-signature"],
        body=body,
        now=now,
    )


def test_a_known_message_has_the_signature_published_with_the_specification() -> None:
    headers = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        sent_at=datetime.fromtimestamp(1614265330, tz=UTC),
        body=b'{"test": 2432232314}',
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_the_reference_library_verifies_with_either_secret_during_a_rotation(secret: str) -> None:
    sent_at = datetime.now(tz=UTC)
    headers = sign([SECRET, ED25519, OLD_SECRET], message_id=ID, sent_at=sent_at, body=BODY)

    assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)


def test_the_reference_library_refuses_a_secret_that_did_not_sign() -> None:
    headers = sign([SECRET], message_id=ID, sent_at=datetime.now(tz=UTC), body=BODY)

    with pytest.raises(WebhookVerificationError):
        Webhook(OLD_SECRET).verify(BODY, headers)


def test_what_the_reference_library_signs_we_verify() -> None:
    signature = Webhook(SECRET).sign(ID, NOW, BODY.decode())

    verify(
        SECRET,
        message_id=ID,
        timestamp=str(int(NOW.timestamp())),
        signature=signature,
        body=BODY,
        now=NOW,
    )


@given(
    body=st.binary(max_size=2000),
    entropy=st.binary(min_size=32, max_size=32),
    is_symmetric=st.booleans(),
)
def test_whatever_is_signed_verifies(*, body: bytes, entropy: bytes, is_symmetric: bool) -> None:
    secret = new_secret(entropy) if is_symmetric else new_secret_key(entropy)
    headers = sign([secret], message_id=ID, sent_at=NOW, body=body)

    _verify(secret, headers, body=body)


@pytest.mark.parametrize("secret", [SECRET, ED25519])
@given(place=st.integers(min_value=0, max_value=len(BODY) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_of_the_body_is_noticed(secret: str, place: int, bit: int) -> None:
    headers = sign([secret], message_id=ID, sent_at=NOW, body=BODY)
    altered = bytearray(BODY)
    altered[place] ^= 1 << bit

    with pytest.raises(SignatureError, match="No signature matches"):
        _verify(secret, headers, body=bytes(altered))


def test_an_ed25519_signature_verifies_with_the_public_key_alone() -> None:
    headers = sign([ED25519], message_id=ID, sent_at=NOW, body=BODY)
    version, _, value = headers["webhook-signature"].partition(",")

    _verify(public_key(ED25519), headers)
    assert version == "v1a"
    Ed25519PublicKey.from_public_bytes(b64decode(public_key(ED25519).removeprefix("whpk_"))).verify(
        b64decode(value), f"{ID}.{int(NOW.timestamp())}.".encode() + BODY
    )


def test_the_ed25519_key_is_the_seed_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    published = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

    assert public_key(new_secret_key(seed)) == "whpk_" + b64encode(published).decode()


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_a_message_within_five_minutes_is_fresh(seconds: int) -> None:
    headers = sign([SECRET], message_id=ID, sent_at=NOW, body=BODY)

    _verify(SECRET, headers, now=NOW + timedelta(seconds=seconds))


def test_an_old_message_is_refused_as_too_old() -> None:
    headers = sign([SECRET], message_id=ID, sent_at=NOW, body=BODY)

    with pytest.raises(SignatureError, match=r"too old: 30\d s"):
        _verify(SECRET, headers, now=NOW + timedelta(seconds=301))


def test_a_message_from_the_future_is_refused_as_too_new() -> None:
    headers = sign([SECRET], message_id=ID, sent_at=NOW, body=BODY)

    with pytest.raises(SignatureError, match="too new"):
        _verify(SECRET, headers, now=NOW - timedelta(seconds=302))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    headers = sign([SECRET], message_id=ID, sent_at=NOW, body=BODY) | {name: ""}

    with pytest.raises(SignatureError, match=f"{name} is missing"):
        _verify(SECRET, headers)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("webhook-timestamp", "soon", "webhook-timestamp is malformed"),
        ("webhook-timestamp", "1.5", "webhook-timestamp is malformed"),
        ("webhook-timestamp", "-5", "webhook-timestamp is malformed"),
        ("webhook-timestamp", "9" * 400, "webhook-timestamp is malformed"),
        ("webhook-timestamp", "\u0661\u0662", "webhook-timestamp is malformed"),
        ("webhook-id", "a.b", "webhook-id is malformed"),
        ("webhook-signature", "nonsense", "entries look like"),
        ("webhook-signature", "v1,%%%", "not base64"),
        ("webhook-signature", "v1,\u00e4", "not base64"),
        ("webhook-signature", "v1a,AAAA", "no v1 signature"),
        ("webhook-signature", "v1,AAAA", "No signature matches"),
        ("webhook-signature", " ".join(["v1,AAAA"] * 17), "too many"),
    ],
)
def test_a_malformed_header_is_explained(name: str, value: str, reason: str) -> None:
    headers = sign([SECRET], message_id=ID, sent_at=NOW, body=BODY) | {name: value}

    with pytest.raises(SignatureError, match=reason):
        _verify(SECRET, headers)


def test_an_ed25519_signature_of_the_wrong_length_does_not_match() -> None:
    headers = sign([ED25519], message_id=ID, sent_at=NOW, body=BODY)

    with pytest.raises(SignatureError, match="No signature matches"):
        _verify(ED25519, headers | {"webhook-signature": "v1a,AAAA"})


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_AAAA", "whsec_%%%", "hello", "whsk_AAAA", "whpk_" + "A" * 43 + "="],
)
def test_a_malformed_secret_never_signs_and_is_never_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="key is that prefix") as caught:
        sign([secret], message_id=ID, sent_at=NOW, body=BODY)

    assert len(secret) <= len("whsec_") or secret not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "whsec_AAAA", "whpk_AAAA", "hello"])
def test_a_malformed_secret_never_verifies(secret: str) -> None:
    headers = sign([SECRET], message_id=ID, sent_at=NOW, body=BODY)

    with pytest.raises(ValueError, match="key is that prefix"):
        _verify(secret, headers)


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "a\nb", "\u00e4"])
def test_an_ambiguous_message_id_is_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="message id"):
        sign([SECRET], message_id=message_id, sent_at=NOW, body=BODY)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        sign([SECRET], message_id=ID, sent_at=NOW.replace(tzinfo=None), body=BODY)


def test_nothing_is_sent_unsigned() -> None:
    with pytest.raises(ValueError, match="one secret"):
        sign([], message_id=ID, sent_at=NOW, body=BODY)


@pytest.mark.parametrize("make", [new_secret, new_secret_key])
def test_a_key_is_made_from_32_bytes_only(make: type) -> None:
    with pytest.raises(ValueError, match="32"):
        make(b"short")
