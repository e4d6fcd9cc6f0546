"""Tenants: whom data belongs to."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from shared.contracts.postures import Instant, Request, Resource


class NewTenant(Request, frozen=True, kw_only=True):
    """A tenant to be made."""

    name: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\S")]


class Tenant(Resource, frozen=True, kw_only=True):
    """A tenant."""

    id: UUID
    name: str
    created_at: Instant
