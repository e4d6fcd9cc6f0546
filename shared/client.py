"""Guardian's HTTP API as Python: one method per route, contracts in and out, refusals as errors.

The console is built on it, and so may other Python programs be. It follows no redirect, since a
redirect would carry the key to a place nobody named, and it never puts the key into a text.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from types import TracebackType
from typing import NamedTuple, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from shared.contracts.audit import AuditEntry
from shared.contracts.catalogue import (
    CapabilityEntry,
    CatalogueListing,
    EditionEntry,
    NewCapability,
    NewEdition,
    NewSubDimension,
    SubDimensionEntry,
)
from shared.contracts.changes import NOTICES, Live, Notice, Reset
from shared.contracts.deliveries import Delivery, DeliveryDetail
from shared.contracts.event_types import EventTypeInfo
from shared.contracts.exports import ExportPage, Stream
from shared.contracts.integrations import (
    Integration,
    IntegrationChange,
    IntegrationsUpdated,
    IntegrationUpdates,
    NewIntegration,
    Preview,
    RotatedSecret,
    SecretRotation,
    TestsQueued,
)
from shared.contracts.keys import KeyInfo, MadeKey, NewKey
from shared.contracts.narrative import Narrative, NarrativeSettings, NarrativeSettingsChange
from shared.contracts.observations import (
    AdoptionObservation,
    BatchReceipt,
    EditionsObservation,
    ExecutiveReportObservation,
    LifecycleRunObservation,
    ObservationReceipt,
    ReadinessObservation,
    UpliftPlanObservation,
)
from shared.contracts.pages import Page
from shared.contracts.portfolio import Portfolio
from shared.contracts.postures import Request
from shared.contracts.problems import Problem
from shared.contracts.replays import NewReplay, Replay, ReplayCount
from shared.contracts.stats import Stats, Window
from shared.contracts.success import History, Overview
from shared.contracts.tenants import NewTenant, Tenant
from shared.contracts.words import DeliveryStatus, MessageType
from shared.errors import (
    AddressRefusedError,
    ConflictError,
    FieldError,
    ForbiddenError,
    GuardianError,
    InvalidError,
    MalformedError,
    NotFoundError,
    RateLimitedError,
    SealBrokenError,
    SettingError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    VersionMismatchError,
)

T = TypeVar("T")

ROOT = "/api/guardian/meta"
REMEMBERED_ANSWERS = 64
EVENT_STREAM = "text/event-stream"
SILENCE_S = 45.0
"""A stream that lives says so every 15 seconds."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0

Parameter = str | int | bool | datetime | UUID | None


class UnreachableError(UnavailableError):
    """Guardian's API cannot be reached at the moment: try again shortly."""


class Answer(NamedTuple):
    """What came back, before anyone looked at it."""

    status: int
    content_type: str
    etag: str | None
    body: bytes


class _Event(NamedTuple):
    """A server-sent event, as far as its lines were read."""

    name: str = ""
    id: str = ""
    data: str = ""

    def with_line(self, line: str) -> "_Event":
        """The event with one more line; what is no field of it, such as a comment, is nothing."""
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                return self._replace(name=value)
            case "id":
                return self._replace(id=value)
            case "data":
                return self._replace(data=self.data + value)
            case _:
                return self


class GuardianClient:
    """One server, one key. Use it as `async with`, or call `close` when done."""

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        workspace_id: UUID | None = None,
        timeout_s: float = 10.0,
        dice: Callable[[], float] = random.random,
        is_read_only: bool = False,
    ) -> None:
        """Prepare to speak; nothing is sent yet.

        Args:
            base_url: such as `https://guardian.example.com`; a trailing `/api/guardian/meta` is
                accepted and means the same.
            key: a bearer key.
            workspace_id: the tenant to act for; an operator's key must name one.
            timeout_s: seconds for a whole exchange, not for each read.
            dice: uniform in [0, 1); spreads the returns of many clients that lost one server.
            is_read_only: refuse whatever would change something, without asking the server.

        Raises:
            SettingError: `base_url` is not an `http://` or `https://` address, or `key` cannot be
                a header.
        """
        self.base_url = server_address(base_url)
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise SettingError("The key is empty or holds characters that no key has.")
        self.workspace_id = workspace_id
        self._key = key
        self._timeout_s = timeout_s
        self._dice = dice
        self.is_read_only = is_read_only
        self._remembered: OrderedDict[str, tuple[str, object]] = OrderedDict()

    def __repr__(self) -> str:
        """The server and the tenant, never the key."""
        return f"GuardianClient({self.base_url!r}, workspace_id={self.workspace_id})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def acting_for(self, workspace_id: UUID) -> "GuardianClient":
        """A client with the same server and key that names another tenant."""
        return GuardianClient(
            self.base_url,
            self._key,
            workspace_id=workspace_id,
            timeout_s=self._timeout_s,
            dice=self._dice,
            is_read_only=self.is_read_only,
        )

    async def close(self) -> None:
        """Hang up."""
        if "_http" in self.__dict__:
            await self._http.aclose()

    async def overview(self) -> Overview:
        """The six blocks and the risks, now. Unchanged data is the same object again."""
        return await self._get_success(Overview, "/success/overview")

    async def history(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        granularity: str | None = None,
    ) -> History:
        """The buckets of `[start, end)`; by default 90 days, weekly."""
        return await self._get_success(
            History, "/success/history", {"from": start, "to": end, "granularity": granularity}
        )

    async def narrative(self) -> Narrative:
        """How the tenant stands, in words; the rules' until a model's are ready."""
        return await self._get_success(Narrative, "/success/narrative")

    async def narrative_settings(self) -> NarrativeSettings:
        """Whether a model may choose the words, and what it cost this month."""
        return await self._get(NarrativeSettings, "/success/narrative/settings")

    async def change_narrative_settings(self, change: NarrativeSettingsChange) -> NarrativeSettings:
        """Let a model choose the words, or no longer."""
        return await self._send(NarrativeSettings, "PUT", "/success/narrative/settings", change)

    async def stream(self) -> AsyncGenerator[Notice, None]:
        """What changes, as it does, for ever; it connects anew by itself and never misses anything.

        Yields:
            `Live`: whether changes are told at the moment. While they are not, look by yourself.
            `Reset`: something may have been missed, so ask for everything again.
            `Change`: ask again for what is of its kind.

        Raises:
            GuardianError: the server refuses, so that trying again would not help.
        """
        is_live = False
        last_id: str | None = None
        failures = 0
        while True:
            try:
                async with aclosing(self._listen(last_id)) as events:
                    async for event in events:
                        failures = 0
                        last_id = event.id or last_id
                        notice = _notice(event)
                        if isinstance(notice, Live):
                            is_live, was_live = notice.is_live, is_live
                            if is_live == was_live:
                                continue
                        if notice is not None:
                            yield notice
            except (UnavailableError, RateLimitedError):
                failures += 1
            if is_live:
                is_live = False
                yield Live(is_live=False)
            # Many clients lose the same server at once, so no two come back together.
            pause_s = min(FIRST_PAUSE_S * 2 ** max(failures - 1, 0), LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s * (0.8 + 0.4 * self._dice()))

    async def portfolio(self) -> Portfolio:
        """All tenants, now; operators only."""
        return await self._get_success(Portfolio, "/success/portfolio")

    async def export(
        self,
        stream: Stream,
        *,
        updated_since: datetime | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> ExportPage:
        """A page of rows in the order of storing, `updated_since` included."""
        return await self._get(
            ExportPage,
            f"/export/{stream}",
            {"updated_since": updated_since, "cursor": cursor, "limit": limit},
        )

    async def integrations(
        self, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Integration]:
        """A page of integrations with their counts, newest first."""
        return await self._get(
            Page[Integration], "/integrations", {"cursor": cursor, "limit": limit}
        )

    async def integration(self, integration_id: UUID) -> Integration:
        """One integration."""
        return await self._get(Integration, f"/integrations/{integration_id}")

    async def preview_integration(
        self, integration_id: UUID, event_type: MessageType = MessageType.TEST
    ) -> Preview:
        """The bytes and headers it would get, signed with a dummy key."""
        path = f"/integrations/{integration_id}/preview"
        return await self._get(Preview, path, {"event_type": event_type})

    async def create_integration(self, new: NewIntegration) -> Integration:
        """Make one; the answer holds `signing_secret` this once."""
        return await self._send(Integration, "POST", "/integrations", new)

    async def update_integration(
        self, integration_id: UUID, change: IntegrationChange, *, version: int | None = None
    ) -> Integration:
        """Change one. A given `version` must be the present one, else VersionMismatchError."""
        return await self._send(
            Integration, "PATCH", f"/integrations/{integration_id}", change, version=version
        )

    async def update_integrations(self, updates: IntegrationUpdates) -> IntegrationsUpdated:
        """Change many, all together or not at all."""
        return await self._send(IntegrationsUpdated, "PATCH", "/integrations", updates)

    async def delete_integration(self, integration_id: UUID, *, version: int | None = None) -> None:
        """Remove one; the record of what it was sent stays."""
        await self._exchange(
            "DELETE", f"/integrations/{integration_id}", headers=_if_match(version)
        )

    async def test_integrations(self, integration_id: UUID | None = None) -> TestsQueued:
        """Queue a test event for one integration, or for every enabled one."""
        return await self._send(
            TestsQueued, "POST", "/integrations/test", params={"integrationId": integration_id}
        )

    async def rotate_secret(self, integration_id: UUID, rotation: SecretRotation) -> RotatedSecret:
        """Make a new signing secret, shown this once; the old one signs too for a while."""
        return await self._send(
            RotatedSecret, "POST", f"/integrations/{integration_id}/rotate-secret", rotation
        )

    async def deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        integration_id: UUID | None = None,
        event_type: MessageType | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Delivery]:
        """A page of deliveries, newest first."""
        return await self._get(
            Page[Delivery],
            "/deliveries",
            {
                "status": status,
                "integration_id": integration_id,
                "event_type": event_type,
                "since": since,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )

    async def delivery(self, delivery_id: UUID) -> DeliveryDetail:
        """One delivery with its event and all its attempts."""
        return await self._get(DeliveryDetail, f"/deliveries/{delivery_id}")

    async def redeliver(self, delivery_id: UUID) -> Delivery:
        """Send the same event again; the answer is the new delivery."""
        return await self._send(Delivery, "POST", f"/deliveries/{delivery_id}/redeliver")

    async def count_replay(self, wanted: NewReplay) -> ReplayCount:
        """Say how many deliveries a replay would make, without making one."""
        dry = msgspec.structs.replace(wanted, dry_run=True)
        return await self._send(ReplayCount, "POST", "/replays", dry)

    async def start_replay(self, wanted: NewReplay) -> Replay:
        """Have what was chosen sent in the background."""
        wet = msgspec.structs.replace(wanted, dry_run=False)
        return await self._send(Replay, "POST", "/replays", wet)

    async def replays(self, *, cursor: str | None = None, limit: int | None = None) -> Page[Replay]:
        """A page of replays, newest first."""
        return await self._get(Page[Replay], "/replays", {"cursor": cursor, "limit": limit})

    async def replay(self, replay_id: UUID) -> Replay:
        """How far one is."""
        return await self._get(Replay, f"/replays/{replay_id}")

    async def cancel_replay(self, replay_id: UUID) -> None:
        """Make no more deliveries of it."""
        await self._exchange("DELETE", f"/replays/{replay_id}")

    async def stats(self, window: Window = Window.DAY) -> Stats:
        """How well deliveries went, in all and per integration."""
        return await self._get(Stats, "/stats", {"window": window})

    async def event_types(self) -> Page[EventTypeInfo]:
        """The catalogue of events with schemas and examples."""
        return await self._get(Page[EventTypeInfo], "/event-types")

    async def audit(
        self, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[AuditEntry]:
        """A page of what was done by whom, newest first."""
        return await self._get(Page[AuditEntry], "/audit", {"cursor": cursor, "limit": limit})

    async def keys(self, *, cursor: str | None = None, limit: int | None = None) -> Page[KeyInfo]:
        """A page of the tenant's keys."""
        return await self._get(Page[KeyInfo], "/keys", {"cursor": cursor, "limit": limit})

    async def create_key(self, new: NewKey) -> MadeKey:
        """Make one; the answer holds `key` this once."""
        return await self._send(MadeKey, "POST", "/keys", new)

    async def revoke_key(self, key_id: UUID) -> None:
        """End one."""
        await self._exchange("DELETE", f"/keys/{key_id}")

    async def tenants(self, *, cursor: str | None = None, limit: int | None = None) -> Page[Tenant]:
        """A page of tenants; operators only."""
        return await self._get(Page[Tenant], "/tenants", {"cursor": cursor, "limit": limit})

    async def create_tenant(self, new: NewTenant) -> Tenant:
        """Make one; operators only."""
        return await self._send(Tenant, "POST", "/tenants", new)

    async def delete_tenant(self, tenant_id: UUID) -> None:
        """Remove one with all its data; operators only."""
        await self._exchange("DELETE", f"/tenants/{tenant_id}")

    async def catalogue(self) -> CatalogueListing:
        """All that may be scored; operators only."""
        return await self._get(CatalogueListing, "/catalog")

    async def put_capability(self, key: str, new: NewCapability) -> CapabilityEntry:
        """Register or change one; operators only."""
        return await self._send(CapabilityEntry, "PUT", f"/catalog/capabilities/{key}", new)

    async def put_edition(self, key: str, new: NewEdition) -> EditionEntry:
        """Register or change one; operators only."""
        return await self._send(EditionEntry, "PUT", f"/catalog/editions/{key}", new)

    async def put_sub_dimension(self, key: str, new: NewSubDimension) -> SubDimensionEntry:
        """Register or change `<dimension>.<sub_dimension>`; operators only."""
        return await self._send(SubDimensionEntry, "PUT", f"/catalog/dimensions/{key}", new)

    async def observe_readiness(
        self, seen: ReadinessObservation, *, idempotency_key: str | None = None
    ) -> ObservationReceipt:
        """Tell a readiness snapshot."""
        return await self._observe("POST", "readiness", seen, idempotency_key)

    async def observe_adoption(
        self, seen: AdoptionObservation, *, idempotency_key: str | None = None
    ) -> ObservationReceipt:
        """Tell an adoption snapshot."""
        return await self._observe("POST", "adoption", seen, idempotency_key)

    async def observe_editions(
        self, seen: EditionsObservation, *, idempotency_key: str | None = None
    ) -> ObservationReceipt:
        """Tell a computation of edition fit."""
        return await self._observe("POST", "editions", seen, idempotency_key)

    async def observe_uplift_plan(
        self, plan_id: UUID, seen: UpliftPlanObservation, *, idempotency_key: str | None = None
    ) -> ObservationReceipt:
        """Tell a whole uplift plan as it stands now."""
        return await self._observe("PUT", f"uplift-plans/{plan_id}", seen, idempotency_key)

    async def observe_executive_report(
        self, seen: ExecutiveReportObservation, *, idempotency_key: str | None = None
    ) -> ObservationReceipt:
        """Tell an executive report."""
        return await self._observe("POST", "executive-reports", seen, idempotency_key)

    async def observe_lifecycle_run(
        self, seen: LifecycleRunObservation, *, idempotency_key: str | None = None
    ) -> ObservationReceipt:
        """Tell a finished lifecycle run."""
        return await self._observe("POST", "lifecycle-runs", seen, idempotency_key)

    async def observe_batch(
        self, lines: bytes | AsyncIterable[bytes], *, has_events: bool = True
    ) -> BatchReceipt:
        """Tell up to 10,000 observations as NDJSON, streamed, however long it takes.

        Args:
            lines: one `{"domain": …, …}` a line.
            has_events: false for a backfill, which stores and stays silent.
        """
        answer = await self._exchange(
            "POST",
            "/observations/batch",
            params={"events": has_events},
            headers={"content-type": "application/x-ndjson"},
            body=lines,
            is_bounded=False,
        )
        return self._decode(BatchReceipt, answer)

    async def _observe(
        self, method: str, path: str, seen: Request, idempotency_key: str | None
    ) -> ObservationReceipt:
        headers = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        return await self._send(
            ObservationReceipt, method, f"/observations/{path}", seen, headers=headers
        )

    async def _get_success(
        self, kind: type[T], path: str, params: Mapping[str, Parameter] | None = None
    ) -> T:
        """Ask only for what has changed since the last answer to the same question."""
        question = f"{path}?{sorted(_query(params or {}).items())}"
        etag, known = self._remembered.get(question, (None, None))
        headers = {} if etag is None else {"if-none-match": etag}
        answer = await self._exchange("GET", path, params=params, headers=headers)
        if answer.status == HTTPStatus.NOT_MODIFIED and isinstance(known, kind):
            return known
        resource = self._decode(kind, answer)
        if answer.etag is not None:
            self._remembered[question] = (answer.etag, resource)
            self._remembered.move_to_end(question)
            if len(self._remembered) > REMEMBERED_ANSWERS:
                self._remembered.popitem(last=False)
        return resource

    async def _get(
        self, kind: type[T], path: str, params: Mapping[str, Parameter] | None = None
    ) -> T:
        return self._decode(kind, await self._exchange("GET", path, params=params))

    async def _send(
        self,
        kind: type[T],
        method: str,
        path: str,
        content: Request | None = None,
        *,
        params: Mapping[str, Parameter] | None = None,
        headers: Mapping[str, str] | None = None,
        version: int | None = None,
    ) -> T:
        described = {"content-type": "application/json"} if content is not None else {}
        answer = await self._exchange(
            method,
            path,
            params=params,
            headers={**described, **_if_match(version), **(headers or {})},
            body=b"" if content is None else msgspec.json.encode(content),
        )
        return self._decode(kind, answer)

    async def _listen(self, last_id: str | None) -> AsyncGenerator[_Event, None]:
        """The events of one connection, until it ends.

        Raises:
            UnreachableError: there is none, or it broke, or it was silent for too long.
        """
        import httpx  # noqa: PLC0415 - as below

        headers = {"accept": EVENT_STREAM}
        if last_id is not None:
            headers["last-event-id"] = last_id
        request = self._http.build_request(
            "GET",
            f"{ROOT}/stream",
            params=_query({"workspaceId": self.workspace_id}),
            headers=headers,
            timeout=httpx.Timeout(self._timeout_s, read=max(SILENCE_S, self._timeout_s)),
        )
        try:
            response = await self._http.send(request, stream=True)
            try:
                answer = _answer(response.status_code, response.headers)
                if not response.is_success:
                    raise self._refusal(answer._replace(body=await response.aread()))
                if answer.content_type != EVENT_STREAM:
                    raise self._stranger(answer)
                event = _Event()
                async for line in response.aiter_lines():
                    if line:
                        event = event.with_line(line)
                    elif event.name:
                        yield event
                        event = _Event()
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError):
            raise UnreachableError(f"The stream of {self.base_url} broke.") from None

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Parameter] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] = b"",
        is_bounded: bool = True,
    ) -> Answer:
        import httpx  # noqa: PLC0415 - 0.1 s that the console's first frame need not wait for

        if self.is_read_only and method != "GET":
            raise ForbiddenError("This may only read: it was started with --read-only.")
        query = _query({"workspaceId": self.workspace_id, **(params or {})})
        try:
            async with asyncio.timeout(self._timeout_s if is_bounded else None):
                response = await self._http.request(
                    method, ROOT + path, params=query, headers=headers, content=body or None
                )
        except (TimeoutError, httpx.TimeoutException):
            raise UnreachableError(
                f"{self.base_url} did not answer within {self._timeout_s:g} s."
            ) from None
        except httpx.ConnectError:
            raise UnreachableError(f"Nothing answers at {self.base_url}.") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError):
            raise UnreachableError(f"The connection to {self.base_url} broke.") from None
        answer = _answer(response.status_code, response.headers, response.content)
        if response.is_success or answer.status == HTTPStatus.NOT_MODIFIED:
            return answer
        raise self._refusal(answer)

    @cached_property
    def _http(self):  # noqa: ANN202 - naming the type would import it; pyright infers it
        import httpx  # noqa: PLC0415 - as above

        return httpx.AsyncClient(
            base_url=self.base_url,
            headers={"authorization": f"Bearer {self._key}", "accept": "application/json"},
            timeout=None,  # noqa: S113 - `_exchange` bounds the whole, which is stricter
            # Plain HTTP has nothing to verify, and loading the authorities takes 30 ms.
            verify=self.base_url.startswith("https://"),
            follow_redirects=False,
        )

    def _decode(self, kind: type[T], answer: Answer) -> T:
        if answer.content_type != "application/json":
            raise self._stranger(answer)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.DecodeError as error:
            reason = str(error).partition(" - at ")
            where = f" at {reason[2]}" if reason[2] else ""
            raise GuardianError(
                f"The answer of {self.base_url} could not be read{where}: "
                "the server may be of another version."
            ) from None

    def _refusal(self, answer: Answer) -> GuardianError:
        try:
            problem = msgspec.json.decode(answer.body, type=Problem)
        except msgspec.DecodeError:
            return self._stranger(answer)
        kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(answer.status, GuardianError)
        detail = problem.detail or problem.title
        if issubclass(kind, InvalidError):
            return kind(
                detail,
                errors=[
                    FieldError(one.path, one.kind, one.message) for one in problem.errors or []
                ],
            )
        return kind(detail)

    def _stranger(self, answer: Answer) -> GuardianError:
        """Something that is not Guardian spoke: a proxy, a login page, another program."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return UnauthenticatedError()
        kind = answer.content_type or "no content type"
        return GuardianError(
            f"{self.base_url} answered {answer.status} with {kind}, which is not how Guardian "
            "answers: is the address right?"
        )


def _answer(status: int, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    return Answer(
        status=status,
        content_type=headers.get("content-type", "").partition(";")[0].strip(),
        etag=headers.get("etag"),
        body=body,
    )


def _notice(event: _Event) -> Notice | None:
    """What an event says; None where a newer server says what is not known here."""
    kind = NOTICES.get(event.name)
    try:
        return None if kind is None else msgspec.json.decode(event.data, type=kind)
    except msgspec.DecodeError:
        return Reset()


def server_address(url: str) -> str:
    """`url` without what every route adds to it.

    Raises:
        SettingError: it is not an `http://` or `https://` address.
    """
    try:
        parts = urlsplit(url.strip())
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_address = False
        parts = None
    if parts is None or not is_address or parts.username or parts.query or parts.fragment:
        raise SettingError("The address must look like https://guardian.example.com.")
    path = parts.path.rstrip("/").removesuffix(ROOT)
    return f"{parts.scheme}://{parts.netloc}{path}"


def _query(params: Mapping[str, Parameter]) -> dict[str, str]:
    return {name: _text(value) for name, value in params.items() if value is not None}


def _text(value: str | int | bool | datetime | UUID) -> str:  # noqa: FBT001 - any parameter
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _if_match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"if-match": f'"{version}"'}


_KINDS: tuple[type[GuardianError], ...] = (
    MalformedError,
    UnauthenticatedError,
    ForbiddenError,
    NotFoundError,
    ConflictError,
    VersionMismatchError,
    TooLargeError,
    InvalidError,
    RateLimitedError,
    UnavailableError,
    AddressRefusedError,
    SealBrokenError,
)
_BY_CODE = {kind.code: kind for kind in _KINDS}
_BY_STATUS = {kind.status: kind for kind in reversed(_KINDS) if kind.status != GuardianError.status}
