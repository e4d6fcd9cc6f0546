"""/replays: send once more, or at last, what a time brought."""

from typing import Any
from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from api.guards import requires
from api.pages import DEFAULT_LIMIT, Limit, page_of, position_of
from api.services import replays
from api.services.audit import Witness
from shared.announcements import Announcements
from shared.contracts.changes import ChangeKind
from shared.contracts.pages import Page
from shared.contracts.replays import NewReplay, Replay, ReplayCount
from shared.contracts.words import Role
from shared.data.session import acting_for


class ReplayController(Controller):
    """Started and cancelled by admins, watched by readers."""

    path = "/replays"
    tags = ["deliveries"]

    @post(
        guards=[requires(Role.ADMIN)],
        status_code=HTTP_202_ACCEPTED,
        summary="Replay what a time brought",
        opt={"action": "replay.create", "answers_too": {HTTP_200_OK: ReplayCount}},
    )
    async def start(
        self,
        tenant_id: NamedDependency[UUID],
        data: JSONBody[NewReplay],
        witness: NamedDependency[SkipValidation[Witness]],
        announcements: NamedDependency[Announcements],
    ) -> Response[Replay]:
        """Choose deliveries and have them sent in the background; with `dry_run`, only count."""
        answer: Response[Any]
        if data.dry_run:
            async with acting_for(tenant_id) as session:
                counted = await replays.count(session, data, now=witness.clock())
            answer = Response(counted, status_code=HTTP_200_OK)
        else:
            async with acting_for(tenant_id) as session:
                started = await replays.start(session, data, witness=witness)
            announcements.tell(tenant_id, ChangeKind.REPLAYS, started.id)
            answer = Response(started, status_code=HTTP_202_ACCEPTED)
        return answer

    @get(guards=[requires(Role.READER)], summary="List replays, newest first")
    async def listing(
        self,
        tenant_id: NamedDependency[UUID],
        cursor: FromQuery[str | None] = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[Replay]:
        """Replays, running and ended ones."""
        before = position_of(cursor)
        async with acting_for(tenant_id, is_read_only=True) as session:
            found = await replays.listed(session, before=before, limit=limit)
        return page_of(found, limit=limit, id_of=lambda replay: replay.id)

    @get("/{replay_id:uuid}", guards=[requires(Role.READER)], summary="One replay")
    async def one(self, tenant_id: NamedDependency[UUID], replay_id: FromPath[UUID]) -> Replay:
        """How far a replay is."""
        async with acting_for(tenant_id, is_read_only=True) as session:
            return await replays.one(session, replay_id)

    @delete(
        "/{replay_id:uuid}",
        guards=[requires(Role.ADMIN)],
        summary="Cancel a replay",
        opt={"action": "replay.cancel"},
    )
    async def cancel(
        self,
        tenant_id: NamedDependency[UUID],
        replay_id: FromPath[UUID],
        witness: NamedDependency[SkipValidation[Witness]],
        announcements: NamedDependency[Announcements],
    ) -> None:
        """Make no more deliveries; up to 1,000 that were made already still go."""
        async with acting_for(tenant_id) as session:
            await replays.cancel(session, replay_id, witness=witness)
        announcements.tell(tenant_id, ChangeKind.REPLAYS, replay_id)
