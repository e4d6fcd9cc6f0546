"""GET and PUT /catalog: what may be scored, and how much it counts."""

from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from api.guards import requires
from api.services import catalogue_entries
from api.services.audit import Witness
from shared.contracts.catalogue import (
    CapabilityEntry,
    CatalogueListing,
    EditionEntry,
    NewCapability,
    NewEdition,
    NewSubDimension,
    SubDimensionEntry,
)
from shared.contracts.words import Role
from shared.data.session import operating
from shared.success.catalogue import Catalogues

ACT = {"action": catalogue_entries.ACTION}


class CatalogController(Controller):
    """The same for all tenants; every process hears of a change within five seconds."""

    path = "/catalog"
    tags = ["catalog"]
    guards = [requires(Role.OPERATOR)]

    @get(summary="Tell the whole catalogue")
    async def listing(self) -> CatalogueListing:
        """Capabilities, editions and the sub-dimensions of adoption."""
        async with operating(is_read_only=True) as session:
            return await catalogue_entries.listing(session)

    @put("/capabilities/{key:str}", summary="Register or change a capability", opt=ACT)
    async def capability(
        self,
        key: FromPath[str],
        data: JSONBody[NewCapability],
        witness: NamedDependency[SkipValidation[Witness]],
        catalogues: NamedDependency[Catalogues],
    ) -> CapabilityEntry:
        """A changed weight counts from the next observation on; past scores stay as they are."""
        async with operating() as session:
            entry = await catalogue_entries.put_capability(session, key, data, witness=witness)
        catalogues.forget()
        return entry

    @put("/editions/{key:str}", summary="Register or change an edition", opt=ACT)
    async def edition(
        self,
        key: FromPath[str],
        data: JSONBody[NewEdition],
        witness: NamedDependency[SkipValidation[Witness]],
        catalogues: NamedDependency[Catalogues],
    ) -> EditionEntry:
        """An inactive edition is no longer shown in overviews."""
        async with operating() as session:
            entry = await catalogue_entries.put_edition(session, key, data, witness=witness)
        catalogues.forget()
        return entry

    @put("/dimensions/{key:str}", summary="Register or change a sub-dimension", opt=ACT)
    async def dimension(
        self,
        key: FromPath[str],
        data: JSONBody[NewSubDimension],
        witness: NamedDependency[SkipValidation[Witness]],
        catalogues: NamedDependency[Catalogues],
    ) -> SubDimensionEntry:
        """The key is `<dimension>.<sub_dimension>`; the dimensions are fixed."""
        async with operating() as session:
            entry = await catalogue_entries.put_sub_dimension(session, key, data, witness=witness)
        catalogues.forget()
        return entry
