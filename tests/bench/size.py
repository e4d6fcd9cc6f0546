"""How much a measure does: enough to see that it runs, as usual, or for those who have the time."""

from enum import StrEnum
from typing import TypeVar

Choice = TypeVar("Choice")


class Size(StrEnum):
    """How large the tables and how long the rounds are."""

    TINY = "tiny"
    USUAL = "usual"
    FULL = "full"

    def pick(self, *, tiny: Choice, usual: Choice, full: Choice) -> Choice:
        """The one of three that belongs to this size."""
        return {Size.TINY: tiny, Size.USUAL: usual, Size.FULL: full}[self]
