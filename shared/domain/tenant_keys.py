"""A key of each tenant's own: the ring seals the key, the key seals the tenant's secrets.

So a new key ring means sealing one small row per tenant anew, and a tenant whose row is deleted has
no secret left that anybody could open. What is sealed is ASCII, `v2.<nonce>.<ciphertext>`, bound to
its place like a seal of the ring; seals of the ring itself, from before, still open.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.sealing import KEY_BYTES, NONCE_BYTES, KeyRing
from shared.errors import SealBrokenError

_VERSION = b"v2"
_OF_THE_RING = b"v1."


class Sealer(Protocol):
    """Something that seals secrets to their place."""

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Seal `plain` so that it opens with this context alone."""
        ...

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Give back what was sealed; raises `SealBrokenError`."""
        ...

    def is_current(self, sealed: bytes) -> bool:
        """Say whether it would be sealed the same way today."""
        ...


class TenantKey:
    """One tenant's key, open; it also opens what the ring sealed for the tenant before."""

    __slots__ = ("_key", "_ring")

    def __init__(self, ring: KeyRing, sealed_key: bytes, *, tenant_id: UUID) -> None:
        """Open the tenant's key.

        Raises:
            SealBrokenError: another tenant's, altered, or sealed under a key the ring lacks.
        """
        self._ring = ring
        self._key = AESGCM(ring.open(sealed_key, context=_place(tenant_id)))

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Seal with the tenant's key.

        Args:
            plain: the secret.
            context: its place, `tenant/table/row/field`; not stored, and needed to open it.

        Raises:
            ValueError: `context` is empty.
        """
        nonce = self._ring.draw(NONCE_BYTES)
        ciphertext = self._key.encrypt(nonce, plain, _bound(context))
        return b".".join([_VERSION, urlsafe_b64encode(nonce), urlsafe_b64encode(ciphertext)])

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Give back what was sealed at this place, by this key or by the ring.

        Raises:
            SealBrokenError: the bytes or their place were altered.
            ValueError: `context` is empty.
        """
        if sealed.startswith(_OF_THE_RING):
            return self._ring.open(sealed, context=context)
        nonce, ciphertext = _parts(sealed)
        try:
            return self._key.decrypt(nonce, ciphertext, _bound(context))
        except (InvalidTag, ValueError):
            raise SealBrokenError(
                "A sealed secret does not open: it was altered, or moved from where it was sealed."
            ) from None

    def is_current(self, sealed: bytes) -> bool:
        """Say whether the tenant's key sealed it; if not, a rotation seals it anew."""
        return not sealed.startswith(_OF_THE_RING)


def new_tenant_key(ring: KeyRing, *, tenant_id: UUID) -> bytes:
    """A fresh key, sealed by the ring for this tenant and no other."""
    return ring.seal(ring.draw(KEY_BYTES), context=_place(tenant_id))


def rewrapped(ring: KeyRing, sealed_key: bytes, *, tenant_id: UUID) -> bytes:
    """Seal the same key anew under the ring's first; as it is where that sealed it already.

    Raises:
        SealBrokenError: another tenant's, altered, or sealed under a key the ring lacks.
    """
    if ring.is_current(sealed_key):
        return sealed_key
    place = _place(tenant_id)
    return ring.seal(ring.open(sealed_key, context=place), context=place)


def sealer_of(ring: KeyRing, sealed_key: bytes | None, *, tenant_id: UUID) -> Sealer:
    """What opens a tenant's secrets: its key, or the ring where it has none yet.

    Raises:
        SealBrokenError: the key does not open.
    """
    if sealed_key is None:
        return ring
    return TenantKey(ring, sealed_key, tenant_id=tenant_id)


def _parts(sealed: bytes) -> tuple[bytes, bytes]:
    try:
        version, nonce, ciphertext = sealed.split(b".")
        parts = urlsafe_b64decode(nonce), urlsafe_b64decode(ciphertext)
    except ValueError:
        raise _misshapen() from None
    # The decoder passes over foreign characters, and a seal has exactly one spelling.
    spelled = b".".join([_VERSION, *map(urlsafe_b64encode, parts)])
    if version != _VERSION or spelled != sealed or len(parts[0]) != NONCE_BYTES:
        raise _misshapen()
    return parts


def _misshapen() -> SealBrokenError:
    return SealBrokenError("A sealed secret does not open: its form is not one of Guardian's.")


def _bound(context: str) -> bytes:
    if not context:
        raise ValueError("a secret is sealed to a place")
    return f"v2.{context}".encode()


def _place(tenant_id: UUID) -> str:
    return f"{tenant_id}/tenant_key"
