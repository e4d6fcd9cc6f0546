"""API keys: their text, the checksum that tells a typing mistake, and the digest that is stored.

`gz7_live_`, 9 characters of key id, 33 of secret (192 bits) and 6 of CRC-32, all base62: one word
to a double click, and recognisable to scanners that look for leaked secrets. A random key of that
size needs no slow hash; the pepper makes a stolen table worthless.
"""

import hmac
import re
import zlib
from dataclasses import dataclass

from shared.errors import UnauthenticatedError

PREFIX = "gz7_live_"
PATTERN = r"gz7_live_[0-9A-Za-z]{48}"
ENTROPY_BYTES = 30

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_BYTES = 6
_ID_LENGTH = 9
_SECRET_LENGTH = 33
_CHECKSUM_LENGTH = 6
_SHAPE = re.compile(PATTERN)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key at the only moment its text is known.

    Attributes:
        key_id: 9 characters, stored and unique, by which the key is looked up.
        text: what its owner sends; shown once, never stored.
    """

    key_id: str
    text: str

    @property
    def prefix(self) -> str:
        """The beginning of the text, by which people recognise the key in a list."""
        return PREFIX + self.key_id

    def __repr__(self) -> str:
        return f"ApiKey({self.prefix}…)"


def new_key(entropy: bytes) -> ApiKey:
    """Make a key from 30 random bytes.

    Raises:
        ValueError: `entropy` is not 30 bytes.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key is made from {ENTROPY_BYTES} random bytes")
    key_id = _base62(int.from_bytes(entropy[:_ID_BYTES]), _ID_LENGTH)
    secret = _base62(int.from_bytes(entropy[_ID_BYTES:]), _SECRET_LENGTH)
    checked = PREFIX + key_id + secret
    return ApiKey(key_id=key_id, text=checked + _checksum(checked))


def parse(text: str) -> str:
    """Read the key id from a key's text, without asking the database about a mistyped one.

    Raises:
        UnauthenticatedError: the shape or the checksum is wrong.
    """
    if not _SHAPE.fullmatch(text):
        raise UnauthenticatedError("This is not a key of Guardian: it begins with `gz7_live_`.")
    if _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        raise UnauthenticatedError("This key has a mistake in it: copy it again, whole.")
    return text[len(PREFIX) : len(PREFIX) + _ID_LENGTH]


def digest(text: str, *, pepper: str) -> bytes:
    """Compute the 32 bytes that are stored instead of the key: HMAC-SHA256 under the pepper."""
    return hmac.digest(pepper.encode(), text.encode(), "sha256")


def matches(text: str, stored: bytes, *, pepper: str) -> bool:
    """Compare a key with a stored digest, in a time that tells nothing."""
    return hmac.compare_digest(digest(text, pepper=pepper), stored)


def _checksum(checked: str) -> str:
    return _base62(zlib.crc32(checked.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, rest = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
