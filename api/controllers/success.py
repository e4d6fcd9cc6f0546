"""GET /success/overview, /success/history and /success/portfolio."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.conditional import CONDITIONAL, private_answer
from api.guards import requires
from api.principal import Principal
from api.services.history import question, tell_history
from api.services.portfolio import tell_portfolio
from api.services.success import tell_overview
from shared.contracts.portfolio import Portfolio
from shared.contracts.success import History, Overview
from shared.contracts.words import Role
from shared.data.session import acting_for, operating
from shared.success.catalogue import Catalogues

Caller = Request[Principal, Any, State]


class SuccessController(Controller):
    """How a tenant stands, and how it came there."""

    path = "/success"
    tags = ["success"]
    guards = [requires(Role.READER)]

    @get("/overview", summary="How the tenant stands", opt={CONDITIONAL: True})
    async def overview(
        self,
        request: Caller,
        tenant_id: NamedDependency[UUID],
        catalogues: NamedDependency[Catalogues],
        clock: NamedDependency[Callable[[], datetime]],
    ) -> Response[Overview]:
        """All six blocks and the risks; within a minute the same facts have the same `ETag`."""
        now = clock()
        async with acting_for(tenant_id, is_read_only=True) as session:
            catalogue = await catalogues.newest(session)
            told = await tell_overview(session, catalogue, now=now)
        same = msgspec.structs.replace(told, as_of=_minute(now))
        return private_answer(request, told, identity=same)

    @get("/history", summary="How the tenant came to stand there", opt={CONDITIONAL: True})
    async def history(
        self,
        request: Caller,
        tenant_id: NamedDependency[UUID],
        clock: NamedDependency[Callable[[], datetime]],
        *,
        from_: Annotated[
            str | None,
            QueryParameter(name="from", description="A date or instant; 90 days before `to`."),
        ] = None,
        to: Annotated[
            str | None, QueryParameter(description="A date or instant, itself not in it; now.")
        ] = None,
        granularity: Annotated[
            str | None, QueryParameter(description="`daily`, `weekly` (default) or `monthly`.")
        ] = None,
    ) -> Response[History]:
        """The last value of each day, ISO week or month in UTC; at most 800 periods."""
        now = clock()
        asked = question(from_, to, granularity, now=now)
        async with acting_for(tenant_id, is_read_only=True) as session:
            told = await tell_history(session, asked, now=now)
        same = msgspec.structs.replace(told, as_of=_minute(now))
        return private_answer(request, told, identity=same)

    @get(
        "/portfolio",
        guards=[requires(Role.OPERATOR)],
        summary="How all tenants stand",
        opt={CONDITIONAL: True},
    )
    async def portfolio(
        self,
        request: Caller,
        catalogues: NamedDependency[Catalogues],
        clock: NamedDependency[Callable[[], datetime]],
    ) -> Response[Portfolio]:
        """Tenants by band, movers, risks, who fell silent, deliveries; for operators alone."""
        now = clock()
        async with operating(is_read_only=True) as session:
            catalogue = await catalogues.newest(session)
            told = await tell_portfolio(session, catalogue, now=now)
        same = msgspec.structs.replace(told, as_of=_minute(now))
        return private_answer(request, told, identity=same)


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)
