"""The catalogue as the rules see it: what may be scored, and how much each entry counts.

Its entries are the only names that may leave in a payload, so a key outside it is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.words import Dimension


@dataclass(frozen=True, slots=True)
class Capability:
    """What readiness is scored by."""

    label: str
    weight: float


@dataclass(frozen=True, slots=True)
class Edition:
    """What fit is computed for; an inactive one is no longer shown."""

    label: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class SubDimension:
    """What adoption is scored by; each status begins at its edge and ends before the next."""

    weight: float
    light_from: float
    regular_from: float
    power_from: float


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every registered key with its entry."""

    capabilities: Mapping[str, Capability]
    editions: Mapping[str, Edition]
    sub_dimensions: Mapping[tuple[Dimension, str], SubDimension]
