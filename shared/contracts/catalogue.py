"""The catalogue: what may be scored. Its labels are the only words that payloads carry."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from shared.contracts.payloads import CatalogueLabel
from shared.contracts.postures import Key, Request, Resource, Score
from shared.contracts.words import Category, Dimension

Weight = Annotated[float, Meta(gt=0, le=100, description="How much it counts beside the others.")]


class Tier(StrEnum):
    """How far up an edition stands."""

    CORE = "core"
    PRO = "pro"
    ELITE = "elite"
    CUSTOM = "custom"


class NewCapability(Request, frozen=True, kw_only=True):
    """A capability as it is to be; what was is replaced."""

    label: CatalogueLabel
    category: Category
    weight: Weight = 1.0
    is_experimental: bool = False


class CapabilityEntry(Resource, frozen=True, kw_only=True):
    """What readiness is scored by."""

    key: Key
    label: str
    category: Category
    weight: float
    is_experimental: bool


class NewEdition(Request, frozen=True, kw_only=True):
    """An edition as it is to be; an inactive one is no longer shown."""

    label: CatalogueLabel
    tier: Tier
    min_overall_score: Score
    recommended_overall_score: Score
    is_active: bool = True


class EditionEntry(Resource, frozen=True, kw_only=True):
    """What fit is computed for."""

    key: Key
    label: str
    tier: Tier
    min_overall_score: float
    recommended_overall_score: float
    is_active: bool


class NewSubDimension(Request, frozen=True, kw_only=True):
    """A sub-dimension as it is to be; each status begins at its edge and ends before the next."""

    weight: Weight = 1.0
    light_from: Score
    regular_from: Score
    power_from: Score


class SubDimensionEntry(Resource, frozen=True, kw_only=True):
    """What adoption is scored by; its key is `<dimension>.<sub_dimension>`."""

    key: str
    dimension: Dimension
    sub_dimension: str
    weight: float
    light_from: float
    regular_from: float
    power_from: float


class CatalogueListing(Resource, frozen=True, kw_only=True):
    """The whole catalogue, by key."""

    capabilities: list[CapabilityEntry]
    editions: list[EditionEntry]
    dimensions: list[SubDimensionEntry]
