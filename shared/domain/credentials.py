"""What of an integration is sealed, and under which context each part is bound to its row."""

from base64 import b64encode
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from shared.contracts.words import AuthKind
from shared.domain.oauth2 import Grant
from shared.domain.tenant_keys import Sealer

SHORTEST_HIDDEN = 4


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown to a receiver that asks for a certificate, both as PEM.

    `certificate` begins with the client's own; `private_key` belongs to it.
    """

    certificate: str
    private_key: str


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach and convince the receiver; the URL counts, since for many it is the secret.

    `username` is of basic auth; `name` and `value` are of header auth; `token` is the bearer's;
    `grant` is what a token of OAuth 2.0 is asked for with.
    """

    url: str
    secret_headers: dict[str, str] = {}
    auth_kind: AuthKind = AuthKind.NONE
    token: str = ""
    username: str = ""
    password: str = ""
    name: str = ""
    value: str = ""
    grant: Grant | None = None
    client_certificate: ClientCertificate | None = None

    def hidden(self) -> tuple[str, ...]:
        """What nobody may see of it, even where a receiver repeats it; the longest first.

        Texts of fewer than `SHORTEST_HIDDEN` characters are left out: they stand in any answer.
        """
        url = urlsplit(self.url)
        found = {self.url, url.path, url.query, self.token, self.password, self.value}
        found.update(self.secret_headers.values())
        if self.auth_kind is AuthKind.BASIC:
            pair = f"{self.username}:{self.password}".encode()
            found.add(b64encode(pair).decode())
        if self.grant is not None:
            found |= {self.grant.client_secret, self.grant.token_url}
        kept = (one for one in found if len(one) >= SHORTEST_HIDDEN)
        return tuple(sorted(kept, key=len, reverse=True))


def seal_credentials(
    sealer: Sealer, credentials: Credentials, *, tenant_id: UUID, integration_id: UUID
) -> bytes:
    """Seal for the column `integration.sealed_config` of this row and no other."""
    context = _context(tenant_id, integration_id, "config")
    return sealer.seal(msgspec.json.encode(credentials), context=context)


def open_credentials(
    sealer: Sealer, sealed: bytes, *, tenant_id: UUID, integration_id: UUID
) -> Credentials:
    """Open what `seal_credentials` sealed.

    Raises:
        SealBrokenError: another row's, altered, or sealed under a key that is not there.
    """
    context = _context(tenant_id, integration_id, "config")
    return msgspec.json.decode(sealer.open(sealed, context=context), type=Credentials)


def seal_secret(sealer: Sealer, secret: str, *, tenant_id: UUID, integration_id: UUID) -> bytes:
    """Seal a signing secret (`whsec_…` or `whsk_…`) for this row and no other."""
    return sealer.seal(secret.encode(), context=_context(tenant_id, integration_id, "secret"))


def open_secret(sealer: Sealer, sealed: bytes, *, tenant_id: UUID, integration_id: UUID) -> str:
    """Open what `seal_secret` sealed.

    Raises:
        SealBrokenError: another row's, altered, or sealed under a key that is not there.
    """
    return sealer.open(sealed, context=_context(tenant_id, integration_id, "secret")).decode()


def resealed_credentials(
    sealer: Sealer, sealed: bytes, *, tenant_id: UUID, integration_id: UUID
) -> bytes:
    """Seal anew as it would be sealed today; what is sealed so already stays as it is.

    Raises:
        SealBrokenError: another row's, altered, or sealed under a key that is not there.
    """
    return _resealed(sealer, sealed, _context(tenant_id, integration_id, "config"))


def resealed_secret(
    sealer: Sealer, sealed: bytes, *, tenant_id: UUID, integration_id: UUID
) -> bytes:
    """Likewise for a signing secret.

    Raises:
        SealBrokenError: another row's, altered, or sealed under a key that is not there.
    """
    return _resealed(sealer, sealed, _context(tenant_id, integration_id, "secret"))


def _resealed(sealer: Sealer, sealed: bytes, context: str) -> bytes:
    if sealer.is_current(sealed):
        return sealed
    return sealer.seal(sealer.open(sealed, context=context), context=context)


def _context(tenant_id: UUID, integration_id: UUID, field: str) -> str:
    return f"{tenant_id}/integration/{integration_id}/{field}"
