"""GET /success/narrative, and the switch that lets a model choose its words."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, put
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from api.conditional import private_answer
from api.guards import requires
from api.principal import Principal
from api.services.audit import Witness
from api.services.narratives import (
    Respondent,
    change_settings,
    read_settings,
    tell_narrative,
)
from api.services.success import tell_overview
from shared.announcements import Announcements
from shared.contracts.changes import ChangeKind
from shared.contracts.narrative import Narrative, NarrativeSettings, NarrativeSettingsChange, Source
from shared.contracts.words import Role
from shared.data.session import acting_for
from shared.jobs import Jobs, narrative_job
from shared.success.catalogue import Catalogues


class NarrativeController(Controller):
    """How a tenant stands, in words."""

    path = "/success/narrative"
    tags = ["success"]

    @get(summary="How the tenant stands, in words", guards=[requires(Role.READER)])
    async def narrative(
        self,
        request: Request[Principal, Any, State],
        tenant_id: NamedDependency[UUID],
        catalogues: NamedDependency[Catalogues],
        clock: NamedDependency[Callable[[], datetime]],
        *,
        respondent: NamedDependency[Respondent],
        jobs: NamedDependency[Jobs],
    ) -> Response[Narrative]:
        """At most 200 words and one action; never waits for a model."""
        now = clock()
        async with acting_for(tenant_id) as session:
            catalogue = await catalogues.newest(session)
            overview = await tell_overview(session, catalogue, now=now)
            asked = await tell_narrative(session, overview, respondent=respondent, now=now)
        if asked.key is not None:
            jobs.ask(narrative_job(tenant_id, asked.key))
        told = asked.narrative
        same = (
            told if told.source is Source.AI else msgspec.structs.replace(told, generated_at=_EVER)
        )
        return private_answer(request, told, identity=same)

    @get("/settings", summary="Whether a model may write", guards=[requires(Role.READER)])
    async def settings(
        self, tenant_id: NamedDependency[UUID], clock: NamedDependency[Callable[[], datetime]]
    ) -> NarrativeSettings:
        """The switch, and this month's calls, tokens and price."""
        async with acting_for(tenant_id, is_read_only=True) as session:
            return await read_settings(session, now=clock())

    @put(
        "/settings",
        summary="Let a model write, or no longer",
        guards=[requires(Role.ADMIN)],
        opt={"action": "narrative.settings"},
    )
    async def change(
        self,
        data: JSONBody[NarrativeSettingsChange],
        tenant_id: NamedDependency[UUID],
        witness: NamedDependency[SkipValidation[Witness]],
        announcements: NamedDependency[Announcements],
    ) -> NarrativeSettings:
        """Off by default: switched on, numbers of the overview go to the model's provider."""
        async with acting_for(tenant_id) as session:
            changed = await change_settings(session, data, witness=witness)
        announcements.tell(tenant_id, ChangeKind.NARRATIVE)
        return changed


_EVER = datetime.fromtimestamp(0, UTC)
"""Rules write anew each time, so their instant is no part of the `ETag`."""
