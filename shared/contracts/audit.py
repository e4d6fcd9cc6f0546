"""Who did what, when, and what it changed."""

from typing import Any
from uuid import UUID

from shared.contracts.postures import Instant, Resource


class AuditEntry(Resource, frozen=True, kw_only=True):
    """One recorded act; `before` and `after` name what changed, with every secret redacted."""

    id: UUID
    at: Instant
    actor_kind: str
    actor_id: UUID | None = None
    actor_label: str
    action: str
    target_kind: str
    target_id: str
    outcome: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    request_id: str | None = None
