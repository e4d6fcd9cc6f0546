"""GET /stats: how well deliveries go."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from api.guards import requires
from api.services import stats
from shared.contracts.stats import Stats, Window
from shared.contracts.words import Role
from shared.data.session import acting_for


class StatsController(Controller):
    """Numbers for a dashboard."""

    path = "/stats"
    tags = ["stats"]

    @get(guards=[requires(Role.READER)], summary="Rates of delivery")
    async def rates(
        self,
        tenant_id: NamedDependency[UUID],
        clock: NamedDependency[Callable[[], datetime]],
        window: FromQuery[Window] = Window.DAY,
    ) -> Stats:
        """Rates per integration and in all, over the window, and what waits now."""
        async with acting_for(tenant_id, is_read_only=True) as session:
            return await stats.rates(session, window, now=clock())
