"""Client certificates, judged when they are saved: one that could not convince is refused early."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.domain.credentials import ClientCertificate
from shared.errors import FieldError, InvalidError

LONGEST_CHAIN = 8
SHORTEST_RSA_BITS = 2048

_PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Accepted:
    """A certificate that was found good.

    Attributes:
        pair: written anew, so that nothing stands in it but certificates and the key.
        fingerprint: SHA-256 of the client's own certificate, hexadecimal.
        expires_at: of the client's own certificate.
    """

    pair: ClientCertificate
    fingerprint: str
    expires_at: datetime


def accept_certificate(certificate: str, private_key: str, *, now: datetime, path: str) -> Accepted:
    """Read certificate and key, and see that they are valid and belong together.

    Args:
        certificate: PEM, the client's own first.
        private_key: PEM, not encrypted.
        now: a certificate must be valid at this moment.
        path: where both stand in the body.

    Raises:
        InvalidError: names what does not fit, and repeats nothing of it.
    """
    problems: list[FieldError] = []
    chain = _chain(certificate)
    key = _key(private_key)
    if not chain:
        message = f"It is not one to {LONGEST_CHAIN} certificates as PEM."
        problems.append(FieldError(f"{path}.certificate", "malformed", message))
    elif now >= chain[0].not_valid_after_utc:
        message = "The certificate has expired."
        problems.append(FieldError(f"{path}.certificate", "expired", message))
    elif now < chain[0].not_valid_before_utc:
        message = "The certificate is not valid yet."
        problems.append(FieldError(f"{path}.certificate", "not_allowed", message))
    if key is None:
        message = (
            f"It is not a key as PEM without a passphrase: RSA of {SHORTEST_RSA_BITS} bits or "
            "more, an elliptic curve's, or Ed25519."
        )
        problems.append(FieldError(f"{path}.private_key", "malformed", message))
    elif chain and _public(chain[0]) != _spelled(key):
        message = "The key does not belong to the certificate."
        problems.append(FieldError(f"{path}.private_key", "mismatch", message))
    if problems or key is None:
        raise InvalidError(errors=problems)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Accepted(
        ClientCertificate(
            certificate="".join(one.public_bytes(Encoding.PEM).decode() for one in chain),
            private_key=pem.decode(),
        ),
        chain[0].fingerprint(SHA256()).hex(),
        chain[0].not_valid_after_utc,
    )


def _chain(text: str) -> Sequence[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return ()
    return chain if len(chain) <= LONGEST_CHAIN else ()


def _key(text: str) -> _PrivateKey | None:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if isinstance(key, RSAPrivateKey) and key.key_size < SHORTEST_RSA_BITS:
        return None
    return key if isinstance(key, _PrivateKey) else None


def _public(certificate: x509.Certificate) -> bytes | None:
    """The certificate's key as DER; None for one of a kind that is not understood."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _spelled(key: _PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
