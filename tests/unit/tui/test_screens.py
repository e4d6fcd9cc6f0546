"""What an admin does beyond reading: secrets, previews, keys, replays, record, portfolio."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import msgspec

from shared.contracts.replays import NewReplay
from shared.contracts.tenants import Tenant
from shared.contracts.words import DeliveryStatus
from tests.unit.tui.loopback import (
    NOW,
    Loopback,
    a_delivery,
    a_key,
    a_portfolio,
    a_replay,
    an_audit_entry,
    an_integration,
    serving,
)
from tests.unit.tui.screenful import looking


async def test_a_secret_is_rotated_only_once_the_key_is_typed_and_is_shown_once() -> None:
    async with serving() as server:
        server.integrations = [an_integration()]
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("K", *"wrong", "enter")
            await console.shows("Left as it was: that was not the word.")
            assert all(asked.method == "GET" for asked in server.asked)

            await console.press("K", *"bi_dashboard", "enter")
            await console.shows("New signing secret of bi_dashboard", "whsec_new")
            await console.press("q")
            await console.shows("It is never shown again. Did you store it? y/N")
            await console.press("y")
            await console.shows(">● on")
            assert "whsec_new" not in console.text


async def test_an_integration_is_deleted_only_once_its_key_is_typed() -> None:
    async with serving() as server:
        server.integrations = [an_integration(), an_integration("crm")]
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows("crm")
            await console.press("D", "escape")
            await console.press("D", *"bi_dashboard", "enter")
            await console.shows("✓ bi_dashboard is deleted.", ">● on")

        assert [one.integration_key for one in server.integrations] == ["crm"]
        [deleted] = [one for one in server.asked if one.method == "DELETE"]
        assert deleted.headers["if-match"] == '"3"'


async def test_a_preview_shows_the_exact_bytes_of_each_event_type() -> None:
    async with serving() as server:
        server.integrations = [an_integration()]
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("p")
            await console.shows("POST to bi.example.com", '{"type":"readiness_updated"')
            await console.press("right_square_bracket")
            await console.shows('{"type":"uplift_plan_created"', "webhook-id: evt_1")
            await console.press("slash", *"WEBHOOK-ID", "enter")
            await console.press("N", "q")
            await console.shows(">● on")


async def test_a_key_is_made_and_told_once_and_ended_once_its_prefix_is_typed() -> None:
    async with serving() as server:
        server.keys = [a_key("BI team")]
        async with looking(server.url) as console:
            await console.press("6")
            await console.shows(">● valid", "BI team")
            await console.press("c", *"nobody", "enter")
            await console.shows("✗ Not made: say a role and a label")
            await console.press("c", *"ingest Producer", "enter")
            await console.shows("Key of role ingest: Producer", "gms_live_shown_once")
            await console.press("q", "y")
            await console.shows("Producer")
            await console.press("g", "D", *"gms_live_ab12", "enter")
            await console.shows("✓ Producer is revoked.", "⊘ revoked")


async def test_a_replay_is_counted_before_it_starts_and_can_be_ended() -> None:
    async with serving() as server:
        one = an_integration()
        server.integrations = [one]
        server.deliveries = [a_delivery(one, status=DeliveryStatus.DISCARDED) for _ in range(4)]
        async with looking(server.url) as console:
            await console.press("3")
            await console.shows("4 shown")
            await console.press("R")
            await console.shows("int:bi_dashboard")
            await console.press(*" disc since:2h", "enter")
            await console.shows("Send 4 events once more to bi_dashboard? y/N")
            await console.press("y")
            await console.shows("✓ Replaying 4 to bi_dashboard.", "… running", "██········")
            await console.press("D")
            await console.shows("Make no more of the 3 deliveries left to bi_dashboard? y/N")
            await console.press("y")
            await console.shows("⊘ cancelled")

        posted = [one for one in server.asked if one.method == "POST"]
        bodies = [msgspec.json.decode(one.body, type=NewReplay) for one in posted]
        assert [body.dry_run for body in bodies] == [True, False]
        assert bodies[0].since > NOW - timedelta(hours=2)


async def test_progress_of_a_replay_is_drawn_as_it_comes() -> None:
    async with serving() as server:
        server.replays = [a_replay(an_integration(), count=10, sent=0)]
        async with looking(server.url) as console:
            await console.press("5")
            await console.shows("··········")
            server.replays = [msgspec.structs.replace(server.replays[0], sent=7)]
            await console.shows("███████···")


async def test_the_record_says_what_an_act_changed_and_leads_there() -> None:
    async with serving() as server:
        server.audit = [an_audit_entry()]
        async with looking(server.url) as console:
            await console.press("7")
            await console.shows("integration.update", "is_enabled true → false")
            await console.press("enter")
            await console.shows("space on/off")


async def test_the_story_is_told_with_its_source_and_age() -> None:
    async with serving() as server, looking(server.url) as console:
        await console.shows("Readiness rose by 3 points to 72", "rules, 3 min ago")
        await console.press("a")
        await console.shows("· Two tasks are late.", "→ Resume the stalled plan.")
        await console.shows("since the model is: switched off", "overdue 2", "→ resume plan")
        await console.press("m")
        await console.shows("Numbers and keys go to its provider. y/N")
        await console.press("y")
        await console.shows("✓ From now on a model may choose the words.", "0.02 USD this month")


async def test_an_operator_sees_all_tenants_and_looks_at_one() -> None:
    names = ("Acme", "Globex")
    tenants = [Tenant(id=uuid4(), name=name, created_at=NOW) for name in names]
    async with serving(Loopback(tenants=tenants, portfolio=a_portfolio(names))) as server:
        async with looking(server.url) as console:
            await console.shows("This is an operator's key.")
            await console.press("enter")
            await console.shows("72.0")
            await console.press("8")
            await console.shows("mature 2 (+1)", "arrived 98.0 %", "10/50/90 %", ">Acme")
            for sign in ("moved up", "moved down", "✗ high plan stalled", "▲ stale", "⊘ 2 ↻ 1"):
                await console.press("right_square_bracket")
                await console.shows(sign, "Globex")
            await console.press("j", "enter")
            await console.shows("Globex  1", "72.0")

        asked = [one.query.get("workspaceId") for one in server.asked]
        assert asked[-1] == str(a_portfolio(names).tenants[1].tenant_id)


async def test_a_list_is_sorted_by_a_column_and_turned_round() -> None:
    async with serving() as server:
        server.integrations = [an_integration(key) for key in ("b", "c", "a")]
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows(">● on      b")
            await console.press("s", "s")
            await console.shows("Integration ▲")
            assert [line[11] for line in console.lines[3:6]] == ["a", "b", "c"]
            await console.press("S")
            await console.shows("Integration ▼")
            assert [line[11] for line in console.lines[3:6]] == ["c", "b", "a"]


async def test_what_is_shown_is_written_to_a_file(tmp_path: Path) -> None:
    async with serving() as server:
        server.integrations = [an_integration(label="=1+1")]
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("x")
            await console.shows("integrations-2026")
            await console.press("ctrl+u", *str(tmp_path / "all.csv"), "enter")
            await console.shows("✓ 1 rows are in")
            await console.press("x", "ctrl+u", *str(tmp_path / "all.csv"), "enter")
            await console.shows("exists already")
            await console.press("x", "ctrl+u", *str(tmp_path / "all.txt"), "enter")
            await console.shows("must end in .csv, .json or .ndjson")

    written = (tmp_path / "all.csv").read_text()
    assert ",'=1+1," in written


async def test_a_copy_says_which_way_it_went(tmp_path: Path) -> None:
    async with serving() as server:
        one = an_integration()
        server.integrations = [one]
        async with looking(server.url, home=tmp_path) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("y")
            await console.shows("✓ integration id: Copied 36 characters to the terminal")
            await console.press("Y")
            await console.shows("integration as JSON")
            await console.press("j", "enter")
            await console.shows("✓ key: Copied 12 characters")

    assert (tmp_path / "guardian" / "copied.txt").read_text() == "bi_dashboard"
