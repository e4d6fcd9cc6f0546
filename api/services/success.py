"""The overview of one tenant."""

from datetime import datetime

from shared.contracts.success import Overview
from shared.data.session import TenantSession
from shared.domain import overview
from shared.domain.catalogue import Catalogue
from shared.errors import NotFoundError
from shared.success.standings import read_standings


async def tell_overview(session: TenantSession, catalogue: Catalogue, *, now: datetime) -> Overview:
    """Tell how the tenant stands; a tenant nobody told of gets six missing blocks.

    Raises:
        NotFoundError: the tenant was deleted a moment ago.
    """
    for standing in await read_standings(session, [session.tenant_id], now=now):
        return overview.overview(standing, catalogue, now=now)
    raise NotFoundError
