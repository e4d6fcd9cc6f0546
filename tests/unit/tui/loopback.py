"""A server that speaks the contract on a loopback port, so that the console meets real HTTP.

It stands in for the API, not for any code of ours: its answers are the contract's own structs.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID, uuid4

import msgspec

from shared.contracts.audit import AuditEntry
from shared.contracts.deliveries import Attempt, DeliveredEvent, Delivery, DeliveryDetail
from shared.contracts.integrations import (
    ConfigSummary,
    Integration,
    IntegrationChange,
    NewIntegration,
    Preview,
    QueuedTest,
    RotatedSecret,
    TestsQueued,
    WebhookStats,
)
from shared.contracts.keys import KeyInfo, MadeKey, NewKey
from shared.contracts.narrative import FallbackReason, Narrative, NarrativeSettings, Source
from shared.contracts.pages import Page
from shared.contracts.portfolio import (
    AilingEndpoint,
    BandCount,
    DeliveryHealth,
    Portfolio,
    Quartiles,
    SilentTenant,
    TenantRisk,
    TenantStanding,
)
from shared.contracts.problems import FieldProblem, Problem
from shared.contracts.replays import NewReplay, Replay, ReplayCount, ReplayedStatus, ReplayStatus
from shared.contracts.success import (
    AdoptionBlock,
    EditionItem,
    EditionsBlock,
    ExecutiveBlock,
    History,
    LifecycleBlock,
    Overview,
    Period,
    ReadinessBlock,
    Risk,
    UpliftBlock,
)
from shared.contracts.tenants import Tenant
from shared.contracts.words import (
    ActionCode,
    AdoptionStatus,
    AuthKind,
    Band,
    DeliveryStatus,
    Dimension,
    FitStatus,
    Freshness,
    Granularity,
    MessageType,
    PayloadFormat,
    RiskCode,
    Role,
    Scope,
    Severity,
    Trend,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROOT = "/api/guardian/meta"
TENANT = UUID(int=7)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])


def reply(resource: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status, msgspec.json.encode(resource), headers=headers)


def refusal(status: int, code: str, detail: str, errors: list[FieldProblem] | None = None) -> Reply:
    problem = Problem(
        type=f"urn:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        errors=errors,
    )
    return Reply(status, msgspec.json.encode(problem), "application/problem+json")


@dataclass
class Loopback:
    """What the server answers, changed at will, and what it was asked."""

    url: str = ""
    key: str = "k1"
    asked: list[Asked] = field(default_factory=list[Asked])
    overview: Overview = field(default_factory=lambda: an_overview(NOW))
    integrations: list[Integration] = field(default_factory=list[Integration])
    deliveries: list[DeliveryDetail] = field(default_factory=list[DeliveryDetail])
    tenants: list[Tenant] | None = None
    """A list makes the key an operator's."""
    override: Callable[[Asked], Reply | None] = lambda asked: None
    tested: DeliveryStatus = DeliveryStatus.DELIVERED
    narrative: Narrative = field(
        default_factory=lambda: a_narrative()  # noqa: PLW0108 - it stands below
    )
    is_ai_enabled: bool = False
    portfolio: Portfolio | None = None
    preview: Preview | None = None
    """Instead of an example made for the question."""
    replays: list[Replay] = field(default_factory=list[Replay])
    keys: list[KeyInfo] = field(default_factory=list[KeyInfo])
    audit: list[AuditEntry] = field(default_factory=list[AuditEntry])
    told: asyncio.Queue[tuple[str, str]] | None = None
    """Events and their data for whoever listens to the stream; None: there is no stream."""
    delay_s: float = 0.0
    """How long every answer takes."""

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return self.override(asked) or self._unwelcome(asked) or self._route(asked)

    def _unwelcome(self, asked: Asked) -> Reply | None:
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return refusal(401, "unauthenticated", "A valid key is needed.")
        if asked.path == f"{ROOT}/tenants":
            if self.tenants is None:
                return refusal(403, "forbidden", "The key's role does not allow this.")
        elif self.tenants is not None and "workspaceId" not in asked.query:
            return refusal(422, "invalid", "An operator names the tenant by `workspaceId`.")
        return None

    def _route(self, asked: Asked) -> Reply:  # noqa: C901, PLR0911, PLR0912 - a route a line
        match [asked.method, *asked.path.removeprefix(ROOT).strip("/").split("/")]:
            case ["GET", "success", "overview"]:
                return self._overview(asked.headers.get("if-none-match"))
            case ["GET", "success", "history"]:
                return reply(a_history(asked.query))
            case ["GET", "tenants"]:
                return reply(Page(items=self.tenants or [], next_cursor=None))
            case ["GET", "integrations"]:
                return reply(Page(items=self.integrations, next_cursor=None))
            case ["POST", "integrations", "test"]:
                return self._test(asked.query.get("integrationId"))
            case ["POST", "integrations"]:
                return self._make(asked.body)
            case ["GET", "integrations", integration_id]:
                return reply(
                    next(one for one in self.integrations if str(one.id) == integration_id)
                )
            case ["PATCH", "integrations", integration_id]:
                return self._change(UUID(integration_id), asked.body)
            case ["GET", "deliveries"]:
                return self._list(asked.query)
            case ["GET", "deliveries", delivery_id]:
                return reply(next(one for one in self.deliveries if str(one.id) == delivery_id))
            case ["DELETE", "integrations", integration_id]:
                self.integrations = [
                    one for one in self.integrations if str(one.id) != integration_id
                ]
                return Reply(204, b"")
            case ["POST", "integrations", integration_id, "rotate-secret"]:
                return reply(
                    RotatedSecret(id=UUID(integration_id), version=4, signing_secret="whsec_new")
                )
            case ["GET", "integrations", integration_id, "preview"]:
                event_type = MessageType(asked.query["event_type"])
                return reply(self.preview or a_preview(UUID(integration_id), event_type))
            case ["GET", "success", "narrative"]:
                return reply(self.narrative)
            case ["GET", "success", "narrative", "settings"]:
                return reply(self._narrative_settings())
            case ["PUT", "success", "narrative", "settings"]:
                self.is_ai_enabled = not self.is_ai_enabled
                return reply(self._narrative_settings())
            case ["GET", "success", "portfolio"] if self.portfolio is not None:
                return reply(self.portfolio)
            case ["GET", "replays"]:
                return reply(Page(items=self.replays, next_cursor=None))
            case ["POST", "replays"]:
                return self._replay(msgspec.json.decode(asked.body, type=NewReplay))
            case ["DELETE", "replays", _]:
                ended = msgspec.structs.replace(self.replays[0], status=ReplayStatus.CANCELLED)
                self.replays[0] = ended
                return Reply(204, b"")
            case ["GET", "keys"]:
                return reply(Page(items=self.keys, next_cursor=None))
            case ["POST", "keys"]:
                return self._make_key(msgspec.json.decode(asked.body, type=NewKey))
            case ["DELETE", "keys", key_id]:
                self.keys = [
                    msgspec.structs.replace(one, revoked_at=NOW) if str(one.id) == key_id else one
                    for one in self.keys
                ]
                return Reply(204, b"")
            case ["GET", "audit"]:
                return reply(Page(items=self.audit, next_cursor=None))
            case ["POST", "deliveries", delivery_id, "redeliver"]:
                return self._redeliver(UUID(delivery_id))
            case _:
                return refusal(404, "not_found", "There is no such thing.")

    def _narrative_settings(self) -> NarrativeSettings:
        return NarrativeSettings(
            is_ai_enabled=self.is_ai_enabled,
            changed_at=None,
            calls_this_month=3,
            input_tokens_this_month=900,
            output_tokens_this_month=300,
            cost_usd_this_month=0.02,
        )

    def _replay(self, wanted: NewReplay) -> Reply:
        chosen = [one for one in self.deliveries if one.integration_id == wanted.integration_id]
        if wanted.dry_run:
            return reply(ReplayCount(count=len(chosen)))
        begun = a_replay(self.integrations[0], count=len(chosen))
        self.replays.insert(0, begun)
        return reply(begun, 202)

    def _make_key(self, new: NewKey) -> Reply:
        made = a_key(new.label, role=new.role)
        self.keys.insert(0, made)
        return reply(
            MadeKey(
                id=made.id,
                role=made.role,
                label=made.label,
                prefix=made.prefix,
                created_at=NOW,
                key="gms_live_shown_once",
            ),
            201,
        )

    def _overview(self, known: str | None) -> Reply:
        etag = f'"{hash(msgspec.json.encode(self.overview))}"'
        if known == etag:
            return Reply(304, b"", headers={"etag": etag})
        return reply(self.overview, etag=etag)

    def _change(self, integration_id: UUID, body: bytes) -> Reply:
        change = msgspec.json.decode(body, type=IntegrationChange)
        for place, one in enumerate(self.integrations):
            if one.id == integration_id:
                wanted = {
                    name: getattr(change, name)
                    for name in ("label", "description", "is_enabled", "scopes")
                    if getattr(change, name) is not msgspec.UNSET
                }
                self.integrations[place] = msgspec.structs.replace(
                    one, **wanted, version=one.version + 1
                )
                return reply(self.integrations[place])
        return refusal(404, "not_found", "There is no such thing.")

    def _make(self, body: bytes) -> Reply:
        new = msgspec.json.decode(body, type=NewIntegration)
        made = an_integration(new.integration_key, label=new.label, is_enabled=new.is_enabled)
        self.integrations.insert(0, made)
        return reply(msgspec.structs.replace(made, signing_secret="whsec_shown_once"), 201)

    def _test(self, integration_id: str | None) -> Reply:
        queued: list[QueuedTest] = []
        for one in self.integrations:
            if one.is_enabled and integration_id in {None, str(one.id)}:
                made = a_delivery(one, status=self.tested, event_type=MessageType.TEST)
                self.deliveries.insert(0, made)
                queued.append(
                    QueuedTest(
                        integration_id=one.id,
                        integration_key=one.integration_key,
                        event_id=made.event_id,
                        delivery_id=made.id,
                    )
                )
        if not queued:
            return refusal(409, "conflict", "The integration is switched off.")
        return reply(TestsQueued(test_events_created=len(queued), integrations=queued), 202)

    def _list(self, query: dict[str, str]) -> Reply:
        found = [
            one
            for one in self.deliveries
            if query.get("status") in {None, str(one.status)}
            and query.get("integration_id") in {None, str(one.integration_id)}
            and query.get("event_type") in {None, str(one.event_type)}
            and ("since" not in query or one.created_at >= datetime.fromisoformat(query["since"]))
            and ("until" not in query or one.created_at < datetime.fromisoformat(query["until"]))
        ]
        start, limit = int(query.get("cursor", 0)), int(query.get("limit", 50))
        end = start + limit
        page = [_brief(one) for one in found[start:end]]
        return reply(Page(items=page, next_cursor=str(end) if end < len(found) else None))

    def _redeliver(self, delivery_id: UUID) -> Reply:
        old = next(one for one in self.deliveries if one.id == delivery_id)
        new = msgspec.structs.replace(
            old,
            id=uuid4(),
            replay_of=old.id,
            status=DeliveryStatus.DELIVERED,
            reason=None,
            status_code=204,
            attempts=[Attempt(number=1, started_at=NOW, duration_ms=12, status_code=204)],
        )
        self.deliveries.insert(0, new)
        return reply(_brief(new), 202)


@asynccontextmanager
async def serving(loopback: Loopback | None = None) -> AsyncGenerator[Loopback, None]:
    """The server, listening."""
    double = loopback or Loopback()
    writers: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while (asked := await _read(reader)) is not None:
                await asyncio.sleep(double.delay_s)
                if asked.path == f"{ROOT}/stream" and double.told is not None:
                    double.asked.append(asked)
                    await _tell(double.told, writer)
                    return
                answer = double.answer(asked)
                if not answer.status:
                    return  # gone without a word
                writer.write(_wire(answer, asked.method))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    double.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield double
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


async def _tell(told: asyncio.Queue[tuple[str, str]], writer: asyncio.StreamWriter) -> None:
    """Until an event without a name says that the connection ends."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
    place = 0
    while (event := await told.get())[0]:
        place += 1
        writer.write(f"id: boot-{place}\nevent: {event[0]}\ndata: {event[1]}\n\n".encode())
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (s.partition(":") for s in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    url = urlsplit(target)
    return Asked(method, unquote(url.path), dict(parse_qsl(url.query)), headers, body)


def _wire(answer: Reply, method: str) -> bytes:
    headers = {"content-type": answer.content_type, "content-length": str(len(answer.body))}
    headers |= answer.headers
    head = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return head.encode() + b"\r\n" + answer.body


def _brief(one: DeliveryDetail) -> Delivery:
    names = Delivery.__struct_fields__
    return Delivery(**{name: getattr(one, name) for name in names})


def an_overview(now: datetime = NOW) -> Overview:
    """A tenant with every block filled, one of them stale, and two risks."""
    seen = now - timedelta(hours=3)
    series: list[float | None] = [55, 56, None, 58, 60, 61, 60, 62, 64, 65, 66, 66, 67, 69, 70]
    return Overview(
        tenant_id=TENANT,
        as_of=now,
        readiness=ReadinessBlock(
            status=Freshness.OK,
            as_of=seen,
            age_days=0.1,
            previous=69,
            delta_1w=1.0,
            delta_4w=3.0,
            trend=Trend.UP,
            overall_score=72,
            band=Band.MATURE,
            last_computed_at=seen,
            capability_count=6,
            series=[*series, 71, 71, 72],
        ),
        editions=EditionsBlock(
            status=Freshness.OK,
            as_of=seen,
            age_days=0.1,
            delta_4w=0.2,
            items=[
                EditionItem(
                    key="guardian_pro",
                    label="Guardian Pro",
                    fit_score=78,
                    fit_status=FitStatus.ALIGNED,
                )
            ],
            series=[70, 71, 72, 73, 74, 75, 76, 77, 78],
        ),
        uplift=UpliftBlock(
            status=Freshness.OK,
            as_of=seen,
            age_days=0.1,
            active_plans=1,
            draft_plans=0,
            tasks_done=6,
            tasks_total=10,
            tasks_blocked=1,
            tasks_overdue=2,
            completion_percentage=60,
            expected_percentage=75,
        ),
        adoption=AdoptionBlock(
            status=Freshness.STALE,
            as_of=now - timedelta(days=12),
            age_days=12,
            delta_4w=-6.0,
            overall_status=AdoptionStatus.REGULAR,
            overall_score=61.5,
            worst_dimension=Dimension.QA_CHAOS,
            series=[66, 65, 64, 63, 62, 61.5],
        ),
        executive=ExecutiveBlock(
            status=Freshness.OK,
            as_of=seen,
            reports_last_90d=3,
            last_report_date=seen,
            last_period_end=(now - timedelta(days=23)).date(),
            overall_health_score=72,
            health_trend=Trend.FLAT,
        ),
        lifecycle=LifecycleBlock(status=Freshness.MISSING),
        risks=[
            Risk(
                code=RiskCode.SCORE_DROP_4W,
                severity=Severity.HIGH,
                since=now - timedelta(days=9),
                evidence={"delta_4w": -6.0},
                action_code=ActionCode.REVIEW_LARGEST_LOSS,
            ),
            Risk(
                code=RiskCode.PLAN_STALLED,
                severity=Severity.MEDIUM,
                evidence={"overdue": 2},
                action_code=ActionCode.RESUME_PLAN,
            ),
        ],
    )


def a_history(query: dict[str, str]) -> History:
    """One period a week: every fourth without data, readiness rising by one a week."""
    start, end = (datetime.fromisoformat(query[name]) for name in ("from", "to"))
    count = (end - start).days // 7
    return History(
        granularity=Granularity(query["granularity"]),
        from_=start,
        to=end,
        as_of=NOW,
        periods=[
            Period(
                period_start=start + timedelta(weeks=week),
                period_end=start + timedelta(weeks=week + 1),
                readiness_score=None if week % 4 == 3 else 20.0 + week,
                readiness_band=None if week % 4 == 3 else Band.BASELINE,
                adoption_score=80.0 - week,
                uplift_tasks_done=week,
                uplift_tasks_total=100,
            )
            for week in range(count)
        ],
    )


def a_narrative(headline: str = "Readiness rose by 3 points to 72") -> Narrative:
    return Narrative(
        headline=headline,
        bullets=["Adoption fell by 6 points.", "Two tasks are late."],
        commentary="Readiness moved up while adoption fell back.",
        action=ActionCode.RESUME_PLAN,
        action_text="Resume the stalled plan.",
        source=Source.RULES,
        fallback_reason=FallbackReason.SWITCHED_OFF,
        model=None,
        generated_at=NOW - timedelta(minutes=3),
    )


def a_preview(integration_id: UUID, event_type: MessageType) -> Preview:
    body = f'{{"type":"{event_type}","data":{{"overall_score":72}}}}'
    return Preview(
        integration_id=integration_id,
        event_type=event_type,
        webhook_host="bi.example.com",
        headers={"content-type": "application/json", "webhook-id": "evt_1"},
        body=body,
        body_bytes=len(body),
        dummy_secret="whsec_dummy",
    )


def a_replay(integration: Integration, *, count: int = 4, sent: int = 1) -> Replay:
    return Replay(
        id=uuid4(),
        integration_id=integration.id,
        integration_key=integration.integration_key,
        since=NOW - timedelta(days=1),
        until=NOW,
        statuses=[ReplayedStatus.DISCARDED],
        event_types=[],
        only_missing=False,
        status=ReplayStatus.RUNNING,
        count=count,
        sent=sent,
        created_at=NOW,
    )


def a_key(label: str, *, role: Role = Role.READER) -> KeyInfo:
    return KeyInfo(
        id=uuid4(),
        role=role,
        label=label,
        prefix="gms_live_ab12",
        created_at=NOW - timedelta(days=9),
    )


def an_audit_entry(label: str = "console") -> AuditEntry:
    return AuditEntry(
        id=uuid4(),
        at=NOW,
        actor_kind="key",
        actor_label=label,
        action="integration.update",
        target_kind="integration",
        target_id=str(uuid4()),
        outcome="done",
        before={"is_enabled": True, "label": label},
        after={"is_enabled": False, "label": label},
    )


def a_portfolio(names: Sequence[str] = ("Acme", "Globex"), key: str = "bi_dashboard") -> Portfolio:
    """Each tenant stands in each list once."""
    standings = [
        TenantStanding(
            tenant_id=UUID(int=place),
            tenant_name=name,
            status=Freshness.OK,
            band=Band.MATURE,
            overall_score=70.0 + place,
            delta_1w=2.0,
            delta_4w=-3.0,
            trend=Trend.UP,
            as_of=NOW - timedelta(hours=2),
        )
        for place, name in enumerate(names, start=1)
    ]
    risks = [
        TenantRisk(
            code=RiskCode.PLAN_STALLED,
            severity=Severity.HIGH,
            evidence={"overdue": 2},
            action_code=ActionCode.RESUME_PLAN,
            tenant_id=one.tenant_id,
            tenant_name=one.tenant_name,
            age_days=3,
        )
        for one in standings
    ]
    silent = [
        SilentTenant(
            tenant_id=one.tenant_id, tenant_name=one.tenant_name, stale=[Scope.UPLIFT], age_days=40
        )
        for one in standings
    ]
    ailing = [
        AilingEndpoint(
            tenant_id=one.tenant_id,
            tenant_name=one.tenant_name,
            integration_id=uuid4(),
            integration_key=key,
            delivered=5,
            discarded=2,
            failed=1,
            last_error="http_status",
        )
        for one in standings
    ]
    return Portfolio(
        as_of=NOW,
        bands=[BandCount(band=Band.MATURE, tenants=2, tenants_1w_ago=1)],
        tenants=standings,
        movers_up=standings,
        movers_down=standings,
        at_risk=risks,
        stale=silent,
        completion=Quartiles(p25=10, p50=50, p75=90),
        deliveries=DeliveryHealth(
            endpoints=2,
            delivered=98,
            discarded=2,
            pending=1,
            failed=1,
            success_rate=0.98,
            oldest_waiting_since=NOW - timedelta(minutes=5),
            ailing=ailing,
        ),
    )


def an_integration(
    key: str = "bi_dashboard",
    *,
    label: str = "BI dashboard",
    is_enabled: bool = True,
    stats: WebhookStats | None = None,
) -> Integration:
    return Integration(
        id=uuid4(),
        integration_key=key,
        label=label,
        description="",
        is_enabled=is_enabled,
        scopes=[Scope.READINESS, Scope.ADOPTION],
        version=3,
        created_at=NOW,
        updated_at=NOW,
        config_summary=ConfigSummary(
            webhook_host="bi.example.com",
            url_hint="hook",
            format=PayloadFormat.STANDARD,
            signature="v1",
            header_names=[],
            secret_header_names=[],
            auth_kind=AuthKind.NONE,
            has_secret=True,
        ),
        webhook_stats=stats or WebhookStats(),
    )


def a_delivery(
    integration: Integration,
    *,
    status: DeliveryStatus = DeliveryStatus.DELIVERED,
    event_type: MessageType = MessageType.READINESS_UPDATED,
    made: datetime = NOW,
    payload: bytes = b'{"type":"readiness_updated","data":{"overall_score":72}}',
    excerpt: str | None = None,
) -> DeliveryDetail:
    is_good = status is DeliveryStatus.DELIVERED
    is_tried = status is not DeliveryStatus.PENDING
    code = (204 if is_good else 500) if is_tried else None
    error = None if is_good or not is_tried else "http_status"
    event_id = uuid4()
    return DeliveryDetail(
        id=uuid4(),
        event_id=event_id,
        event_type=event_type,
        integration_id=integration.id,
        integration_key=integration.integration_key,
        status=status,
        attempt_count=int(is_tried),
        created_at=made,
        next_attempt_at=made + timedelta(seconds=5) if status is DeliveryStatus.FAILED else None,
        finished_at=made if is_good else None,
        status_code=code,
        error_class=error,
        reason="attempts_exhausted" if status is DeliveryStatus.DISCARDED else None,
        event=DeliveredEvent(
            id=event_id,
            type=event_type,
            scope=Scope.READINESS,
            occurred_at=made,
            payload=msgspec.Raw(payload),
        ),
        attempts=[
            Attempt(
                number=1,
                started_at=made,
                duration_ms=12,
                status_code=code,
                error_class=error,
                response_excerpt=excerpt,
            )
        ]
        if is_tried
        else [],
    )
