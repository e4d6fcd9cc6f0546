"""Secrets at rest: AES-256-GCM under a ring of keys that never enters the database.

A sealed secret is bound to its place: moved into another row or another tenant it no longer opens.
It is ASCII, `v1.<key id>.<nonce>.<ciphertext>`, so that one can see which key a row still needs.
"""

import os
import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import SealBrokenError, SettingError

SETTING = "GUARDIAN_KEY_RING"
KEY_BYTES = 32
NONCE_BYTES = 12

_VERSION = b"v1"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class KeyRing:
    """Keys by id: the first seals, all of them open."""

    __slots__ = ("_entropy", "_keys", "_sealing_id")

    def __init__(
        self, keys: Mapping[str, bytes], *, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Hold `keys` of 32 bytes each, in order; `entropy(n)` gives the nonces.

        Raises:
            ValueError: there is no key, or one is not 32 bytes.
        """
        if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError("a key ring holds keys of 32 bytes, one at least")
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._sealing_id = next(iter(keys))
        self._entropy = entropy

    @classmethod
    def parse(cls, text: str, *, entropy: Callable[[int], bytes] = os.urandom) -> "KeyRing":
        """Read the setting: `id:base64` pairs separated by commas.

        Raises:
            SettingError: names the setting and the position of the wrong pair, never its content.
        """
        keys: dict[str, bytes] = {}
        for position, pair in enumerate(text.split(","), start=1):
            key_id, _, encoded = pair.strip().partition(":")
            key = _key(encoded)
            if not _KEY_ID.fullmatch(key_id) or key is None:
                raise SettingError(
                    f"{SETTING} does not fit: entry {position} is not an id, a colon and "
                    f"{KEY_BYTES} bytes in base64."
                )
            if key_id in keys:
                raise SettingError(
                    f"{SETTING} does not fit: entry {position} repeats the id of another."
                )
            keys[key_id] = key
        return cls(keys, entropy=entropy)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its keys, the one that seals first."""
        return tuple(self._keys)

    def draw(self, count: int) -> bytes:
        """So many random bytes, from where its nonces come."""
        return self._entropy(count)

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Seal with the first key.

        Args:
            plain: the secret.
            context: its place, `tenant/table/row/field`; not stored, and needed to open it.

        Raises:
            ValueError: `context` is empty.
        """
        nonce = self._entropy(NONCE_BYTES)
        key_id = self._sealing_id
        ciphertext = self._keys[key_id].encrypt(nonce, plain, _bound(key_id, context))
        return b".".join(
            [_VERSION, key_id.encode(), urlsafe_b64encode(nonce), urlsafe_b64encode(ciphertext)]
        )

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Give back what was sealed at this place.

        Raises:
            SealBrokenError: the ring lacks the key, or the bytes or their place were altered.
            ValueError: `context` is empty.
        """
        parts = _parts(sealed)
        key = self._keys.get(parts.key_id)
        if key is None:
            raise SealBrokenError(
                "A sealed secret does not open: its key is no longer in the key ring."
            )
        try:
            return key.decrypt(parts.nonce, parts.ciphertext, _bound(parts.key_id, context))
        except (InvalidTag, ValueError):
            raise SealBrokenError(
                "A sealed secret does not open: it was altered, or moved from where it was sealed."
            ) from None

    def is_current(self, sealed: bytes) -> bool:
        """Say whether the first key sealed it; if not, a rotation seals it anew.

        Raises:
            SealBrokenError: it is not a sealed secret at all.
        """
        return _parts(sealed).key_id == self._sealing_id


class _Parts(NamedTuple):
    key_id: str
    nonce: bytes
    ciphertext: bytes


def _parts(sealed: bytes) -> _Parts:
    try:
        version, key_id, nonce, ciphertext = sealed.split(b".")
        parts = _Parts(key_id.decode("ascii"), _bytes_of(nonce), _bytes_of(ciphertext))
    except ValueError:
        version, parts = b"", _Parts("", b"", b"")
    if version != _VERSION or len(parts.nonce) != NONCE_BYTES:
        raise SealBrokenError("A sealed secret does not open: its form is not one of Guardian's.")
    return parts


def _bytes_of(encoded: bytes) -> bytes:
    decoded = urlsafe_b64decode(encoded)
    # The decoder passes over foreign characters, and a seal has exactly one spelling.
    if urlsafe_b64encode(decoded) != encoded:
        raise ValueError("not canonical base64")
    return decoded


def _bound(key_id: str, context: str) -> bytes:
    if not context:
        raise ValueError("a secret is sealed to a place")
    return f"v1.{key_id}.{context}".encode()


def _key(encoded: str) -> bytes | None:
    try:
        key = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None
