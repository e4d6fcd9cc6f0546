"""Bearer keys and their roles."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from shared.contracts.postures import Instant, Label, Request, Resource
from shared.contracts.words import Role


class NewKey(Request, frozen=True, kw_only=True):
    """A key to be made."""

    role: Role
    label: Label
    expires_at: Instant | None = None


class KeyInfo(Resource, frozen=True, kw_only=True):
    """A key, without the key itself."""

    id: UUID
    role: Role
    label: str
    prefix: Annotated[str, Meta(description="Its first characters, to tell keys apart.")]
    created_at: Instant
    last_used_at: Instant | None = None
    expires_at: Instant | None = None
    revoked_at: Instant | None = None


class MadeKey(Resource, frozen=True, kw_only=True):
    """A key that was just made; `key` is shown this once."""

    id: UUID
    role: Role
    label: str
    prefix: str
    created_at: Instant
    expires_at: Instant | None = None
    key: str
