"""The catalogue, read once every few seconds instead of once a request."""

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.contracts.words import Dimension
from shared.data import tables
from shared.data.session import AnySession
from shared.domain.catalogue import Capability, Catalogue, Edition, SubDimension

FRESH_FOR = timedelta(seconds=5)
"""An operator's change is heard by every process after this long at the latest."""


class Catalogues:
    """Keeps the newest catalogue that was read."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Take the time from `clock`."""
        self._clock = clock
        self._read_at: datetime | None = None
        self._catalogue = Catalogue({}, {}, {})

    async def newest(self, session: AnySession) -> Catalogue:
        """Answer the catalogue, at most five seconds old."""
        now = self._clock()
        if self._read_at is None or not timedelta() <= now - self._read_at < FRESH_FOR:
            self._catalogue = await _read(session)
            self._read_at = now
        return self._catalogue

    def forget(self) -> None:
        """Read anew next time."""
        self._read_at = None


async def _read(session: AnySession) -> Catalogue:
    capabilities = await tables.Capability.select()
    editions = await tables.Edition.select()
    sub_dimensions = await tables.AdoptionSubDimension.select()
    return Catalogue(
        capabilities={row["key"]: Capability(row["label"], row["weight"]) for row in capabilities},
        editions={row["key"]: Edition(row["label"], row["is_active"]) for row in editions},
        sub_dimensions={
            (Dimension(row["dimension"]), row["sub_dimension"]): SubDimension(
                weight=row["weight"],
                light_from=row["light_from"],
                regular_from=row["regular_from"],
                power_from=row["power_from"],
            )
            for row in sub_dimensions
        },
    )
