"""POST and PUT /observations: what producers tell, stored and on its way before the answer."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from litestar import Controller, Request, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from api.guards import requires
from api.logs import note
from api.metrics import Metrics
from api.principal import Principal
from api.services import batches
from api.services.batches import Numbered
from api.services.idempotency import Repeatable, part_of, remember, remembered, repeatable
from api.services.ingest import Intake, Told, ingest
from shared.announcements import Announcements
from shared.contracts.changes import ChangeKind
from shared.contracts.observations import (
    AdoptionObservation,
    BatchReceipt,
    EditionsObservation,
    ExecutiveReportObservation,
    LifecycleRunObservation,
    LineResult,
    ObservationReceipt,
    ReadinessObservation,
    UpliftPlanObservation,
)
from shared.contracts.words import Role, Scope
from shared.data.session import TenantSession, acting_for
from shared.domain.uuid7 import Ids
from shared.errors import ConflictError, TooLargeError
from shared.jobs import WakeUps
from shared.success.catalogue import Catalogues

Caller = Request[Principal, Any, State]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="For 30 days the same key with the same body gets the same answer.",
    ),
]


class Stored(NamedTuple):
    """What was done once: its answer, what changed, who has something due, observations stored."""

    answer: bytes
    domains: frozenset[Scope]
    woken: frozenset[UUID]
    number: int


Store = Callable[[TenantSession, Intake], Awaitable[Stored]]


class Desk:
    """Where observations are handed in: for one tenant, during one request."""

    def __init__(
        self,
        *,
        request: Caller,
        tenant_id: UUID,
        catalogues: Catalogues,
        ids: Ids,
        clock: Callable[[], datetime],
        wake_ups: WakeUps,
        announcements: Announcements,
        metrics: Metrics,
    ) -> None:
        """Take what the application provides."""
        self._request = request
        self._tenant_id = tenant_id
        self._catalogues = catalogues
        self._ids = ids
        self._clock = clock
        self._wake_ups = wake_ups
        self._announcements = announcements
        self._metrics = metrics

    async def accept(self, told: Told, *, key: str | None) -> ObservationReceipt:
        """Store one observation; the receipt is a promise that each delivery will be tried.

        Raises:
            InvalidError, ConflictError, PayloadRefusedError: nothing is stored.
        """

        async def store(session: TenantSession, intake: Intake) -> Stored:
            accepted = await ingest(session, told, intake=intake)
            answer = msgspec.json.encode(accepted.receipt)
            return Stored(answer, frozenset({accepted.domain}), accepted.woken, 1)

        body = await self._request.body() if key is not None else b""
        kept = repeatable(key, route=self._route(), body=body)
        answer = await self._once(kept, store, has_events=True)
        receipt = msgspec.json.decode(answer, type=ObservationReceipt)
        note(
            self._request.scope,
            observation_id=receipt.observation_id,
            event_ids=receipt.event_ids,
            deliveries=receipt.delivery_count,
        )
        return receipt

    async def accept_lines(
        self, lines: list[Numbered], *, number: int, has_events: bool, key: str | None
    ) -> list[LineResult]:
        """Store chunk `number` of a batch."""

        async def store(session: TenantSession, intake: Intake) -> Stored:
            chunk = await batches.store_chunk(session, lines, intake=intake)
            count = sum(one.receipt is not None for one in chunk.results)
            answer = msgspec.json.encode(chunk.results)
            return Stored(answer, chunk.domains, chunk.woken, count)

        content = b"\n".join(one.content for one in lines if isinstance(one.content, bytes))
        route = f"{self._route()} events={has_events}"
        kept = part_of(key, route=route, body=content, number=number)
        answer = await self._once(kept, store, has_events=has_events)
        return msgspec.json.decode(answer, type=list[LineResult])

    async def _once(self, kept: Repeatable | None, store: Store, *, has_events: bool) -> bytes:
        """Do the work and keep its answer, or find the answer given before."""
        now = self._clock()
        stored: Stored | None = None
        try:
            async with acting_for(self._tenant_id) as session:
                answer = await remembered(session, kept, now=now) if kept else None
                if answer is None:
                    catalogue = await self._catalogues.newest(session)
                    intake = Intake(
                        catalogue=catalogue, ids=self._ids, now=now, has_events=has_events
                    )
                    stored = await store(session, intake)
                    answer = stored.answer
                    if kept:
                        await remember(session, kept, answer, now=now)
        except ConflictError as conflict:
            if kept is None:
                raise
            return await self._twin_answer(kept, conflict)
        if stored is not None:
            self._wake_ups.wake(stored.woken)
            self._announce(stored)
            self._metrics.stored(stored.number)
        return answer

    async def _twin_answer(self, kept: Repeatable, conflict: ConflictError) -> bytes:
        """Ask whether the same request was answered meanwhile; else the conflict is a real one."""
        async with acting_for(self._tenant_id, is_read_only=True) as session:
            answer = await remembered(session, kept, now=self._clock())
        if answer is None:
            raise conflict
        return answer

    def _announce(self, stored: Stored) -> None:
        for domain in stored.domains:
            self._announcements.tell(self._tenant_id, ChangeKind(domain))
        if stored.woken:
            self._announcements.tell(self._tenant_id, ChangeKind.DELIVERIES)

    def _route(self) -> str:
        return f"{self._request.method} {self._request.scope['path']}"


def desk(
    *,
    request: Caller,
    tenant_id: NamedDependency[UUID],
    catalogues: NamedDependency[Catalogues],
    ids: NamedDependency[Ids],
    clock: NamedDependency[Callable[[], datetime]],
    wake_ups: NamedDependency[WakeUps],
    announcements: NamedDependency[Announcements],
    metrics: NamedDependency[Metrics],
) -> Desk:
    """Open the desk for one request."""
    return Desk(
        request=request,
        tenant_id=tenant_id,
        catalogues=catalogues,
        ids=ids,
        clock=clock,
        wake_ups=wake_ups,
        announcements=announcements,
        metrics=metrics,
    )


class ObservationController(Controller):
    """What producers have seen."""

    path = "/observations"
    tags = ["observations"]
    guards = [requires(Role.INGEST)]
    dependencies = {"desk": Provide(desk, sync_to_thread=False)}

    @post("/readiness", status_code=HTTP_202_ACCEPTED, summary="Tell a readiness snapshot")
    async def readiness(
        self,
        data: JSONBody[ReadinessObservation],
        desk: NamedDependency[Desk],
        idempotency_key: IdempotencyKey = None,
    ) -> ObservationReceipt:
        """Capability scores; overall score and band are derived where they are left out."""
        return await desk.accept(Told(data), key=idempotency_key)

    @post("/adoption", status_code=HTTP_202_ACCEPTED, summary="Tell an adoption snapshot")
    async def adoption(
        self,
        data: JSONBody[AdoptionObservation],
        desk: NamedDependency[Desk],
        idempotency_key: IdempotencyKey = None,
    ) -> ObservationReceipt:
        """Scores of sub-dimensions; dimensions and the whole are rolled up by weight."""
        return await desk.accept(Told(data), key=idempotency_key)

    @post("/editions", status_code=HTTP_202_ACCEPTED, summary="Tell a computation of edition fit")
    async def editions(
        self,
        data: JSONBody[EditionsObservation],
        desk: NamedDependency[Desk],
        idempotency_key: IdempotencyKey = None,
    ) -> ObservationReceipt:
        """Each fit is told to integrations as an event of its own."""
        return await desk.accept(Told(data), key=idempotency_key)

    @put(
        "/uplift-plans/{plan_id:uuid}",
        status_code=HTTP_202_ACCEPTED,
        summary="Tell how an uplift plan stands",
    )
    async def uplift_plan(
        self,
        plan_id: FromPath[UUID],
        data: JSONBody[UpliftPlanObservation],
        desk: NamedDependency[Desk],
        idempotency_key: IdempotencyKey = None,
    ) -> ObservationReceipt:
        """The whole plan each time: tasks that are left out are removed."""
        return await desk.accept(Told(data, plan_id), key=idempotency_key)

    @post("/executive-reports", status_code=HTTP_202_ACCEPTED, summary="Tell an executive report")
    async def executive_report(
        self,
        data: JSONBody[ExecutiveReportObservation],
        desk: NamedDependency[Desk],
        idempotency_key: IdempotencyKey = None,
    ) -> ObservationReceipt:
        """A left-out health score is the readiness score of the end of the period."""
        return await desk.accept(Told(data), key=idempotency_key)

    @post("/lifecycle-runs", status_code=HTTP_202_ACCEPTED, summary="Tell a finished lifecycle run")
    async def lifecycle_run(
        self,
        data: JSONBody[LifecycleRunObservation],
        desk: NamedDependency[Desk],
        idempotency_key: IdempotencyKey = None,
    ) -> ObservationReceipt:
        """Rows compacted and deleted, operations by outcome."""
        return await desk.accept(Told(data), key=idempotency_key)

    @post(
        "/batch",
        status_code=HTTP_202_ACCEPTED,
        request_max_body_size=None,  # lines and bytes are counted as they come
        summary="Tell many observations, a JSON line each",
        opt={"reads": ("application/x-ndjson",)},
    )
    async def batch(
        self,
        request: Caller,
        desk: NamedDependency[Desk],
        *,
        events: Annotated[
            bool, QueryParameter(description="False stores without telling integrations.")
        ] = True,
        idempotency_key: IdempotencyKey = None,
    ) -> BatchReceipt:
        """Each line is `{"domain": …, …}`, for uplift with `plan_id`; each has its own result."""
        if (request.content_length or 0) > batches.MAXIMUM_BYTES:
            raise TooLargeError
        results: list[LineResult] = []
        number = 0
        async for lines in batches.chunks(request.stream()):
            results += await desk.accept_lines(
                lines, number=number, has_events=events, key=idempotency_key
            )
            number += 1
        accepted = sum(one.receipt is not None for one in results)
        return BatchReceipt(accepted=accepted, refused=len(results) - accepted, results=results)
