"""GET /stream: server-sent events, so that nobody has to ask again and again."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation
from litestar.response import Stream

from api.guards import requires
from api.principal import Principal
from api.streams import Streams
from shared.contracts.words import Role


class StreamController(Controller):
    """That something changed, never what."""

    path = "/stream"
    tags = ["stream"]

    @get(
        guards=[requires(Role.READER)],
        summary="Be told what changed",
        opt={"also_answers": ("text/event-stream",)},
    )
    async def listen(
        self,
        request: Request[Principal, Any, State],
        tenant_id: NamedDependency[UUID],
        streams: NamedDependency[SkipValidation[Streams]],
        last_event_id: Annotated[
            str | None,
            HeaderParameter(name="Last-Event-ID", description="Where an earlier stream ended."),
        ] = None,
    ) -> Response[Any]:
        """Events `change` (`{"kind", "id"}`), `reset` and `live`; see docs/stream.md."""
        told = streams.told(tenant_id, request.user.key_id, last_event_id=last_event_id)
        return Stream(told, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
