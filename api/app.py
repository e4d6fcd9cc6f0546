"""The application: controllers, what they are given, and how they refuse."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from importlib.metadata import version
from time import monotonic
from typing import Any
from uuid import UUID

from litestar import Litestar, Request, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.types import ControllerRouterHandler
from redis.asyncio import Redis

from api.answer_headers import complete_headers
from api.authentication import Authentication, Authenticator, EndedKeys
from api.bodies import MAXIMUM_BYTES, JsonRequest
from api.controllers.audit import AuditController
from api.controllers.catalog import CatalogController
from api.controllers.deliveries import DeliveryController
from api.controllers.documentation import DocumentationController
from api.controllers.event_types import EventTypeController
from api.controllers.exports import ExportController
from api.controllers.health import HealthController
from api.controllers.integrations import IntegrationController
from api.controllers.keys import KeyController
from api.controllers.metrics import MetricsController
from api.controllers.narratives import NarrativeController
from api.controllers.observations import ObservationController
from api.controllers.replays import ReplayController
from api.controllers.stats import StatsController
from api.controllers.streams import StreamController
from api.controllers.success import SuccessController
from api.controllers.tenants import TenantController
from api.guards import tenant_of
from api.metrics import Metrics
from api.openapi import ROOT
from api.principal import Principal
from api.problems import refuse
from api.rate_limits import Budgets, Limits
from api.refusals import RefusalRecorder, witness_of
from api.services.audit import Witness
from api.services.integrations import Workshop
from api.services.narratives import Respondent
from api.streams import Streams
from shared.announcements import Announcements, overhear
from shared.domain.addresses import EgressRules
from shared.domain.sealing import KeyRing
from shared.domain.uuid7 import Ids
from shared.jobs import Jobs, WakeUps
from shared.success.catalogue import Catalogues

DISTRIBUTION = "guardian-z07"
METRICS = "metrics"
"""Under this name the application's state holds its `Metrics`."""

STREAMS = "streams"
"""Under this name it holds its `Streams`, which whoever stops the server must end first."""

CONTROLLERS: Sequence[ControllerRouterHandler] = (
    AuditController,
    CatalogController,
    DeliveryController,
    EventTypeController,
    IntegrationController,
    KeyController,
    NarrativeController,
    ReplayController,
    StatsController,
    StreamController,
    ExportController,
    ObservationController,
    SuccessController,
    TenantController,
)
"""What stands under `ROOT` and asks for a key."""

OPEN_CONTROLLERS: Sequence[ControllerRouterHandler] = (DocumentationController, HealthController)
"""What stands both at the root and under `ROOT`, and asks for no key."""


def create_app(
    *,
    redis: Redis,
    wake_ups: WakeUps,
    ring: KeyRing,
    pepper: str,
    egress: EgressRules,
    clock: Callable[[], datetime],
    ids: Ids,
    entropy: Callable[[int], bytes],
    respondent: Respondent,
    limits: Limits,
) -> Litestar:
    """Put the application together; the pool is the caller's to open before and close after.

    Args:
        redis: asked for its health, carries jobs to the worker and tells streams what changed; the
            owner closes it.
        wake_ups: tells the workers that something is due.
        ring: seals credentials and signing secrets.
        pepper: keys are digested under it.
        egress: where webhooks may go.
        clock: the present instant, aware, in UTC.
        ids: makes ids that sort by time.
        entropy: gives n random bytes, for secrets.
        respondent: the model that may choose a narrative's words.
        limits: how often a key and an address may ask.
    """
    authenticator = Authenticator(pepper=pepper, clock=clock)
    budgets = Budgets(redis, monotonic=monotonic)
    jobs = Jobs(redis)
    metrics = Metrics()
    announcements = Announcements(redis)
    streams = Streams(
        overhear=partial(overhear, redis),
        clock=clock,
        entropy=entropy,
        forget_key=authenticator.forget,
    )

    def witness(request: Request[Principal, Any, State]) -> Witness:
        return witness_of(request.scope, request.user, clock=clock, ids=ids)

    def tenant_id(request: Request[Principal, Any, State]) -> UUID:
        return tenant_of(request)

    def workshop(request: Request[Principal, Any, State]) -> Workshop:
        return Workshop(ring=ring, egress=egress, entropy=entropy, witness=witness(request))

    given: dict[str, object] = {
        "announcements": announcements,
        "authenticator": authenticator,
        "catalogues": Catalogues(clock),
        "clock": clock,
        "egress": egress,
        "entropy": entropy,
        "ids": ids,
        "jobs": jobs,
        "metrics": metrics,
        "pepper": pepper,
        "redis": redis,
        "respondent": respondent,
        "ring": ring,
        "streams": streams,
        "wake_ups": wake_ups,
    }

    async def rest() -> None:
        await streams.aclose()
        await authenticator.aclose()
        await announcements.aclose()
        await wake_ups.aclose()
        await jobs.aclose()

    return Litestar(
        [
            Router(ROOT, route_handlers=[*CONTROLLERS, *OPEN_CONTROLLERS]),
            *OPEN_CONTROLLERS,
            MetricsController,
        ],
        dependencies={
            **{name: _always(value) for name, value in given.items()},
            "tenant_id": Provide(tenant_id, sync_to_thread=False),
            "witness": Provide(witness, sync_to_thread=False),
            "workshop": Provide(workshop, sync_to_thread=False),
        },
        middleware=[
            DefineMiddleware(
                Authentication,
                authenticator=authenticator,
                budgets=budgets,
                limits=limits,
                recorder=EndedKeys(
                    Budgets(redis, monotonic=monotonic, window_s=3600), clock=clock, ids=ids
                ),
            )
        ],
        exception_handlers={Exception: refuse, HTTPException: refuse},
        after_exception=[RefusalRecorder(clock=clock, ids=ids, budgets=budgets)],
        before_send=[complete_headers],
        on_shutdown=[rest],
        request_class=JsonRequest,
        request_max_body_size=MAXIMUM_BYTES,
        openapi_config=None,
        state=State({"version": version(DISTRIBUTION), METRICS: metrics, STREAMS: streams}),
        logging_config=None,
    )


def _always(value: object) -> Provide:
    def give() -> Any:
        return value

    return Provide(give, sync_to_thread=False)
