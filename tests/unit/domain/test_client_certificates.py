"""Which certificates and keys are taken, and what is said of those that are not."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from shared.domain.client_certificates import Accepted, accept_certificate
from shared.errors import InvalidError

NOW = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
CURVE = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def certificate(
    key: Key = CURVE, *, since: timedelta = timedelta(days=-1), until: timedelta = timedelta(days=1)
) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "guardian")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW + since)
        .not_valid_after(NOW + until)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def pem(
    key: Key = CURVE,
    form: PrivateFormat = PrivateFormat.PKCS8,
    seal: KeySerializationEncryption | None = None,
) -> str:
    return key.private_bytes(Encoding.PEM, form, seal or NoEncryption()).decode()


def accept(chain: str, key: str) -> Accepted:
    return accept_certificate(chain, key, now=NOW, path="$.cert")


@pytest.mark.parametrize(
    ("key", "form"),
    [
        (CURVE, PrivateFormat.PKCS8),
        (CURVE, PrivateFormat.TraditionalOpenSSL),
        (rsa.generate_private_key(65537, 2048), PrivateFormat.TraditionalOpenSSL),
        (ed25519.Ed25519PrivateKey.generate(), PrivateFormat.PKCS8),
    ],
)
def test_the_usual_kinds_of_key_are_taken(key: Key, form: PrivateFormat) -> None:
    found = accept(certificate(key), pem(key, form))

    assert found.expires_at == NOW + timedelta(days=1)
    read = x509.load_pem_x509_certificate(certificate(key).encode())
    assert len(found.fingerprint) == len(read.fingerprint(SHA256())) * 2
    assert found.pair.private_key.endswith("END PRIVATE KEY-----\n")


def test_what_stands_around_the_certificates_is_left_out() -> None:
    chain = f"Bag Attributes: jane@example.com\n{certificate()}{pem()}{certificate(OTHER)}"

    found = accept(chain, f"note\n{pem()}")

    assert found.pair.certificate.count("BEGIN CERTIFICATE") == 2
    assert "PRIVATE" not in found.pair.certificate
    assert "jane" not in found.pair.certificate + found.pair.private_key
    assert "note" not in found.pair.private_key


REFUSED = {
    "another's key": (certificate(), pem(OTHER), "private_key", "mismatch"),
    "expired": (
        certificate(until=timedelta(seconds=0)),
        pem(),
        "certificate",
        "expired",
    ),
    "not yet valid": (
        certificate(since=timedelta(seconds=1)),
        pem(),
        "certificate",
        "not_allowed",
    ),
    "no certificate": ("s3cret", pem(), "certificate", "malformed"),
    "empty": ("", pem(), "certificate", "malformed"),
    "too long a chain": (certificate() * 9, pem(), "certificate", "malformed"),
    "no key": (certificate(), "s3cret", "private_key", "malformed"),
    "a certificate for a key": (certificate(), certificate(), "private_key", "malformed"),
    "a passphrase": (
        certificate(),
        pem(seal=BestAvailableEncryption(b"s3cret")),
        "private_key",
        "malformed",
    ),
    "a short key": (
        certificate(),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - what must be refused
        "private_key",
        "malformed",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_not_convince_is_refused_by_name(case: str) -> None:
    chain, key, field, kind = REFUSED[case]

    with pytest.raises(InvalidError) as refused:
        accept(chain, key)

    told = [(one.path, one.kind) for one in refused.value.errors]
    assert told == [(f"$.cert.{field}", kind)]
    assert "s3cret" not in refused.value.detail
