"""Standard Webhooks signatures: how a receiver knows that a message is ours, unaltered and fresh.

Two schemes: `v1` is HMAC-SHA256 under a shared `whsec_` secret; `v1a` is ed25519, signed with a
`whsk_` secret key and verified with the `whpk_` public key, so that the receiver holds nothing
worth stealing. What is signed is `<message id>.<timestamp>.<raw body>`, the bytes that travel.
"""

import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SYMMETRIC_PREFIX = "whsec_"
SEED_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"

MAXIMUM_SIGNATURES = 16

_SYMMETRIC_LENGTHS = range(24, 65)
_ED25519_LENGTHS = range(32, 33)
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MESSAGE_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]+")


class SignatureError(ValueError):
    """A message does not prove where it comes from; the sentence says why."""


def new_secret(entropy: bytes) -> str:
    """Make a `whsec_` secret of 32 random bytes.

    Raises:
        ValueError: `entropy` is not 32 bytes.
    """
    return SYMMETRIC_PREFIX + _text_of_32(entropy)


def new_secret_key(entropy: bytes) -> str:
    """Make a `whsk_` ed25519 key from its 32 byte seed.

    Raises:
        ValueError: `entropy` is not 32 bytes.
    """
    return SEED_PREFIX + _text_of_32(entropy)


def public_key(secret_key: str) -> str:
    """Derive the `whpk_` key that verifies what the `whsk_` key signs; it may be shown to anybody.

    Raises:
        ValueError: `secret_key` is not a `whsk_` key.
    """
    private = Ed25519PrivateKey.from_private_bytes(
        _decoded(secret_key, SEED_PREFIX, _ED25519_LENGTHS)
    )
    return PUBLIC_PREFIX + b64encode(private.public_key().public_bytes_raw()).decode()


def sign(
    secrets: Sequence[str], *, message_id: str, sent_at: datetime, body: bytes
) -> dict[str, str]:
    """Sign one attempt with every live secret and return the three headers it must carry.

    Args:
        secrets: `whsec_` secrets and `whsk_` keys; during a rotation the new one and the old one.
        message_id: the same on every attempt, so that the receiver can recognise a duplicate.
        sent_at: the instant of this attempt, truncated to whole seconds.
        body: the bytes of the request; encoding them again afterwards would break the signature.

    Returns:
        `webhook-id`, `webhook-timestamp` (seconds since the epoch) and `webhook-signature`
        (one entry a secret, in their order, separated by spaces).

    Raises:
        ValueError: there is no secret or one is malformed, `sent_at` is naive, or `message_id`
            holds a dot, a space or a control character, with which the signed bytes would be
            ambiguous.
    """
    if sent_at.tzinfo is None:
        raise ValueError("sent_at must be timezone-aware")
    if not secrets:
        raise ValueError("a message is signed with one secret at least")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message id is printable ASCII without dots and spaces")
    timestamp = str(int(sent_at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join([_signer(secret)(signed) for secret in secrets]),
    }


def verify(
    secret: str,
    *,
    message_id: str,
    timestamp: str,
    signature: str,
    body: bytes,
    now: datetime,
    tolerance_s: int = 300,
) -> None:
    """Check what a receiver got, and return quietly when it is genuine and fresh.

    Args:
        secret: a `whsec_` secret, or for `v1a` the `whpk_` public key or its `whsk_` key.
        message_id: the header `webhook-id`, empty when it was missing.
        timestamp: the header `webhook-timestamp`.
        signature: the header `webhook-signature`; one matching entry is enough, entries of unknown
            versions are passed over.
        body: the raw bytes received, before any decoding.
        now: the receiver's clock.
        tolerance_s: how many seconds the timestamp may lie before or after `now`.

    Raises:
        SignatureError: a header is missing or malformed, the message is too old or too new, or no
            signature matches.
        ValueError: `secret` itself is malformed.
    """
    checker = _checker(secret)
    for name, value in (
        ("webhook-id", message_id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signature),
    ):
        if not value:
            raise SignatureError(f"The header {name} is missing.")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise SignatureError("The header webhook-id is malformed.")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError(
            "The header webhook-timestamp is malformed: whole seconds are expected."
        )
    age_s = now.timestamp() - int(timestamp)
    if age_s > tolerance_s:
        raise SignatureError(
            f"The message is too old: {age_s:.0f} s, and {tolerance_s} s are allowed."
        )
    if age_s < -tolerance_s:
        raise SignatureError(
            f"The message is too new: {-age_s:.0f} s ahead of this clock, "
            f"and {tolerance_s} s are allowed."
        )
    signed = f"{message_id}.{timestamp}.".encode() + body
    if not any(checker(signed, value) for value in _entries(signature, _version(secret))):
        raise SignatureError(
            "No signature matches: the secret is another one, or the body was altered on its way."
        )


def _entries(signature: str, version: str) -> list[bytes]:
    entries = signature.split(" ")
    if len(entries) > MAXIMUM_SIGNATURES:
        raise SignatureError("The header webhook-signature is malformed: it has too many entries.")
    found: list[bytes] = []
    for entry in entries:
        name, comma, value = entry.partition(",")
        if not comma:
            raise SignatureError(
                "The header webhook-signature is malformed: entries look like `v1,<base64>`."
            )
        if name != version:
            continue
        try:
            found.append(b64decode(value, validate=True))
        except (Base64Error, ValueError):
            raise SignatureError(
                "The header webhook-signature is malformed: an entry is not base64."
            ) from None
    if not found:
        raise SignatureError(f"The header webhook-signature carries no {version} signature.")
    return found


def _version(secret: str) -> str:
    return "v1" if secret.startswith(SYMMETRIC_PREFIX) else "v1a"


# Decoding a key costs as much as using it, and the same few thousand keys sign for as long as the
# worker lives. A rotated secret is a different text, so an entry can never be stale.
@lru_cache(maxsize=8192)
def _signer(secret: str) -> Callable[[bytes], str]:
    if secret.startswith(SEED_PREFIX):
        seed = _decoded(secret, SEED_PREFIX, _ED25519_LENGTHS)
        ed25519 = Ed25519PrivateKey.from_private_bytes(seed).sign
        return lambda signed: "v1a," + b64encode(ed25519(signed)).decode()
    key = _decoded(secret, SYMMETRIC_PREFIX, _SYMMETRIC_LENGTHS)
    return lambda signed: "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()


@lru_cache(maxsize=64)
def _checker(secret: str) -> Callable[[bytes, bytes], bool]:
    if secret.startswith(SYMMETRIC_PREFIX):
        key = _decoded(secret, SYMMETRIC_PREFIX, _SYMMETRIC_LENGTHS)
        return lambda signed, given: hmac.compare_digest(hmac.digest(key, signed, "sha256"), given)
    text = public_key(secret) if secret.startswith(SEED_PREFIX) else secret
    ed25519 = Ed25519PublicKey.from_public_bytes(_decoded(text, PUBLIC_PREFIX, _ED25519_LENGTHS))

    def is_genuine(signed: bytes, given: bytes) -> bool:
        try:
            ed25519.verify(given, signed)
        except InvalidSignature:
            return False
        return True

    return is_genuine


def _decoded(secret: str, prefix: str, lengths: range) -> bytes:
    try:
        key = b64decode(secret.removeprefix(prefix), validate=True)
    except (Base64Error, ValueError):
        key = b""
    if not secret.startswith(prefix) or len(key) not in lengths:
        raise ValueError(
            f"a {prefix} key is that prefix and the base64 of {lengths[0]} to {lengths[-1]} bytes"
        )
    return key


def _text_of_32(entropy: bytes) -> str:
    if len(entropy) not in _ED25519_LENGTHS:
        raise ValueError("a key is made from 32 random bytes")
    return b64encode(entropy).decode()
