"""What `GET /stream` tells: that something changed, never what it is now."""

from enum import StrEnum
from uuid import UUID

from shared.contracts.postures import Resource


class ChangeKind(StrEnum):
    """What is worth asking for again: a block of the overview, or a list."""

    READINESS = "readiness"
    UPLIFT = "uplift"
    EDITIONS = "editions"
    EXECUTIVE_REPORTS = "executive_reports"
    ADOPTION = "adoption"
    LIFECYCLE = "lifecycle"
    DELIVERIES = "deliveries"
    INTEGRATIONS = "integrations"
    REPLAYS = "replays"
    NARRATIVE = "narrative"


class Change(Resource, frozen=True, kw_only=True):
    """Something of this kind changed: the one with this id or, where there is none, any of them."""

    kind: ChangeKind
    id: UUID | None = None


class Reset(Resource, frozen=True, kw_only=True):
    """Changes may have been missed: ask for everything again."""


class Live(Resource, frozen=True, kw_only=True):
    """Whether changes are told from now on; while they are not, look by yourself."""

    is_live: bool


Notice = Change | Reset | Live

NOTICES: dict[str, type[Change] | type[Reset] | type[Live]] = {
    "change": Change,
    "reset": Reset,
    "live": Live,
}
"""Each kind of notice by the name of its event on the wire."""
