"""The client says what the server said, in the words of the house, and keeps the key to itself."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import msgspec
import pytest

from shared.client import GuardianClient, UnreachableError, server_address
from shared.contracts.integrations import IntegrationChange
from shared.contracts.narrative import (
    FallbackReason,
    Narrative,
    NarrativeSettings,
    NarrativeSettingsChange,
    Source,
)
from shared.contracts.observations import LifecycleRunObservation, ObservationReceipt
from shared.contracts.pages import Page
from shared.contracts.problems import FieldProblem
from shared.contracts.replays import (
    NewReplay,
    Replay,
    ReplayCount,
    ReplayedStatus,
    ReplayStatus,
)
from shared.contracts.words import DeliveryStatus, EventType
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
    SettingError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    VersionMismatchError,
)
from tests.unit.tui.loopback import (
    NOW,
    TENANT,
    Asked,
    Loopback,
    Reply,
    a_delivery,
    an_integration,
    refusal,
    reply,
    serving,
)


async def test_the_key_and_the_tenant_are_sent_with_every_question() -> None:
    async with serving() as server, GuardianClient(server.url, "k1", workspace_id=TENANT) as client:
        await client.overview()

    assert server.asked[0].headers["authorization"] == "Bearer k1"
    assert server.asked[0].query == {"workspaceId": str(TENANT)}


async def test_unchanged_success_data_is_asked_by_its_etag_and_is_the_same_object() -> None:
    async with serving() as server, GuardianClient(server.url, "k1") as client:
        first = await client.overview()
        second = await client.overview()

    assert "if-none-match" not in server.asked[0].headers
    assert "if-none-match" in server.asked[1].headers
    assert second is first


async def test_the_filters_of_a_list_become_its_query() -> None:
    async with serving() as server, GuardianClient(server.url, "k1") as client:
        integration = an_integration()
        server.deliveries = [a_delivery(integration) for _ in range(3)]
        page = await client.deliveries(status=DeliveryStatus.DELIVERED, since=NOW, limit=2)

    assert server.asked[0].query == {
        "status": "delivered",
        "since": "2026-11-23T12:00:00+00:00",
        "limit": "2",
    }
    assert (len(page.items), page.next_cursor) == (2, "2")


async def test_a_change_names_only_what_changes_and_the_version_it_was_read_at() -> None:
    async with serving() as server, GuardianClient(server.url, "k1") as client:
        server.integrations = [an_integration()]
        changed = await client.update_integration(
            server.integrations[0].id, IntegrationChange(is_enabled=False), version=3
        )

    assert server.asked[0].body == b'{"is_enabled":false}'
    assert server.asked[0].headers["if-match"] == '"3"'
    assert (changed.is_enabled, changed.version) == (False, 4)


async def test_an_observation_carries_its_idempotency_key() -> None:
    def accept(asked: Asked) -> Reply:
        answer = ObservationReceipt(observation_id=uuid4(), event_ids=[], delivery_count=0)
        return reply(answer, 202)

    async with serving() as server, GuardianClient(server.url, "k1") as client:
        server.override = accept
        await client.observe_lifecycle_run(
            LifecycleRunObservation(
                run_at=NOW,
                total_compacted=1,
                total_deleted=0,
                operations_successful=1,
                operations_failed=0,
            ),
            idempotency_key="run-1",
        )

    assert server.asked[0].path.endswith("/observations/lifecycle-runs")
    assert server.asked[0].headers["idempotency-key"] == "run-1"


async def test_a_batch_is_streamed_line_by_line() -> None:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(3):
            await asyncio.sleep(0)
            yield b'{"domain":"lifecycle","n":%d}\n' % number

    async with serving() as server, GuardianClient(server.url, "k1") as client:
        server.override = lambda asked: reply({"accepted": 3, "refused": 0, "results": []})
        receipt = await client.observe_batch(lines(), has_events=False)

    assert receipt.accepted == 3
    assert server.asked[0].query == {"events": "false"}
    assert server.asked[0].headers["transfer-encoding"] == "chunked"
    assert server.asked[0].body.count(b"\n") == 3


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "malformed_request", MalformedError),
        (401, "unauthenticated", UnauthenticatedError),
        (403, "forbidden", ForbiddenError),
        (404, "not_found", NotFoundError),
        (409, "conflict", ConflictError),
        (412, "version_mismatch", VersionMismatchError),
        (413, "body_too_large", TooLargeError),
        (422, "invalid", InvalidError),
        (422, "address_refused", AddressRefusedError),
        (429, "rate_limited", RateLimitedError),
        (503, "unavailable", UnavailableError),
        (409, "a_code_of_a_newer_server", ConflictError),
        (418, "a_code_of_a_newer_server", GuardianError),
    ],
)
async def test_every_refusal_is_raised_as_the_error_it_is(
    status: int, code: str, kind: type[GuardianError]
) -> None:
    async with serving() as server, GuardianClient(server.url, "k1") as client:
        server.override = lambda asked: refusal(status, code, "It is so.")
        with pytest.raises(GuardianError) as raised:
            await client.overview()

    assert type(raised.value) is kind
    assert raised.value.detail == "It is so."


async def test_the_refused_fields_come_along() -> None:
    problem = FieldProblem(path="$.scopes", kind="empty", message="Name at least one scope.")
    async with serving() as server, GuardianClient(server.url, "k1") as client:
        server.override = lambda asked: refusal(422, "invalid", "Refused.", [problem])
        with pytest.raises(InvalidError) as raised:
            await client.overview()

    assert raised.value.errors == (FieldError("$.scopes", "empty", "Name at least one scope."),)


@pytest.mark.parametrize(
    "stranger",
    [
        Reply(200, b"<html>Welcome</html>", "text/html; charset=utf-8"),
        Reply(502, b"<html>Bad gateway</html>", "text/html"),
        Reply(500, b"\xff\xfe", "application/octet-stream"),
        Reply(302, b"", "text/html", {"location": "http://127.0.0.1:1/"}),
        Reply(200, b'{"tenant_id": 3}'),
        Reply(200, b"{"),
    ],
)
async def test_what_does_not_answer_like_guardian_is_named_in_a_sentence(stranger: Reply) -> None:
    async with serving() as server, GuardianClient(server.url, "k1") as client:
        server.override = lambda asked: stranger
        with pytest.raises(GuardianError) as raised:
            await client.overview()

    assert server.url in raised.value.detail
    assert "\n" not in raised.value.detail
    assert "html>" not in raised.value.detail
    assert len(server.asked) == 1, "no redirect is followed"


async def test_nobody_listening_is_said_plainly() -> None:
    async with serving() as server:
        url = server.url
    async with GuardianClient(url, "k1") as client:
        with pytest.raises(UnreachableError, match=f"Nothing answers at {url}"):
            await client.overview()


async def test_a_server_that_never_answers_is_left_after_the_time_given() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with GuardianClient(url, "k1", timeout_s=0.1) as client:
        with pytest.raises(UnreachableError, match=r"within 0\.1 s"):
            await client.overview()
    server.close()


def test_the_key_is_in_no_text() -> None:
    client = GuardianClient("http://127.0.0.1:1", "gms_live_secret")

    assert "secret" not in repr(client)
    assert "secret" not in str(client)


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "schlüssel"])
def test_a_key_that_cannot_be_a_header_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(SettingError) as raised:
        GuardianClient("http://127.0.0.1:1", key)

    assert not key or key not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        (" https://guardian.example.com ", "https://guardian.example.com"),
        ("https://example.com/hub/api/guardian/meta", "https://example.com/hub"),
    ],
)
def test_an_address_is_taken_as_people_write_it(given: str, address: str) -> None:
    assert server_address(given) == address


@pytest.mark.parametrize(
    "given", ["", "guardian", "ftp://x", "http://", "http://u:p@x", "http://x:99999", "http://[::"]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(SettingError, match="must look like"):
        server_address(given)


async def test_the_loopback_server_is_the_contract() -> None:
    async with serving(Loopback()) as server, GuardianClient(server.url, "k1") as client:
        server.integrations = [an_integration()]
        queued = await client.test_integrations(server.integrations[0].id)
        seen = await client.delivery(queued.integrations[0].delivery_id)
        again = await client.redeliver(seen.id)

    assert seen.attempts[0].status_code == 204
    assert again.replay_of == seen.id


async def test_replays_are_counted_started_watched_and_cancelled() -> None:
    seen = Replay(
        id=UUID(int=7),
        integration_id=UUID(int=8),
        integration_key="bi",
        since=NOW,
        until=NOW,
        statuses=[ReplayedStatus.DISCARDED],
        event_types=[EventType.READINESS_UPDATED],
        only_missing=False,
        status=ReplayStatus.RUNNING,
        count=3,
        created_at=NOW,
    )
    wanted = NewReplay(integration_id=UUID(int=8), since=NOW)
    async with serving() as server, GuardianClient(server.url, "k1") as client:
        server.override = lambda asked: reply(ReplayCount(count=3))
        assert (await client.count_replay(wanted)).count == 3
        server.override = lambda asked: reply(seen)
        assert await client.start_replay(wanted) == seen
        assert await client.replay(seen.id) == seen
        server.override = lambda asked: reply(Page(items=[seen], next_cursor=None))
        assert (await client.replays(limit=5)).items == [seen]
        server.override = lambda asked: Reply(204, b"")
        await client.cancel_replay(seen.id)

    sent = [(one.method, one.path.rpartition("/meta")[2]) for one in server.asked]
    assert sent == [
        ("POST", "/replays"),
        ("POST", "/replays"),
        ("GET", f"/replays/{seen.id}"),
        ("GET", "/replays"),
        ("DELETE", f"/replays/{seen.id}"),
    ]
    dry, wet = (msgspec.json.decode(one.body, type=NewReplay) for one in server.asked[:2])
    assert (dry.dry_run, wet.dry_run) == (True, False)


async def test_the_narrative_and_its_switch_are_spoken_for() -> None:
    told = Narrative(
        headline="Readiness stands at 70 points",
        bullets=["It stands.", "It waits."],
        commentary="Nothing else.",
        action=None,
        action_text=None,
        source=Source.RULES,
        fallback_reason=FallbackReason.SWITCHED_OFF,
        model=None,
        generated_at=NOW,
    )
    settings = NarrativeSettings(
        is_ai_enabled=True,
        changed_at=NOW,
        calls_this_month=1,
        input_tokens_this_month=2,
        output_tokens_this_month=3,
        cost_usd_this_month=0.5,
    )
    async with serving() as server, GuardianClient(server.url, "k1") as client:
        server.override = lambda asked: reply(
            settings if asked.path.endswith("/settings") else told
        )
        assert await client.narrative() == told
        assert await client.narrative_settings() == settings
        change = NarrativeSettingsChange(is_ai_enabled=True)
        assert await client.change_narrative_settings(change) == settings

    assert [(asked.method, asked.path.rsplit("/", 2)[1:]) for asked in server.asked] == [
        ("GET", ["success", "narrative"]),
        ("GET", ["narrative", "settings"]),
        ("PUT", ["narrative", "settings"]),
    ]
