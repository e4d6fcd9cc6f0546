"""Who is calling, once a key has proved it."""

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.words import Role


@dataclass(frozen=True, slots=True)
class Principal:
    """The key behind a request; `tenant_id` is None for an operator, who belongs to no tenant."""

    key_id: UUID
    role: Role
    tenant_id: UUID | None
    label: str
