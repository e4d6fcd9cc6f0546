"""The console by its keys, against a server that speaks the contract."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from shared.contracts.success import (
    AdoptionBlock,
    EditionsBlock,
    ExecutiveBlock,
    LifecycleBlock,
    Overview,
    ReadinessBlock,
    UpliftBlock,
)
from shared.contracts.tenants import Tenant
from shared.contracts.words import DeliveryStatus, Freshness
from tests.unit.tui.loopback import (
    NOW,
    TENANT,
    Loopback,
    Reply,
    a_delivery,
    an_integration,
    refusal,
    serving,
)
from tests.unit.tui.screenful import looking

HOSTILE = "[@click=app.pwn]x[/nope] \x1b[31m\x1b]0;title\x07 \u202eabc"


async def test_the_overview_says_how_the_tenant_stands() -> None:
    async with serving() as server:
        server.integrations = [an_integration()]
        async with looking(server.url) as console:
            await console.shows("72.0", "▲ +3.0", "mature", "◐ polling", "Metadata only.")
            await console.shows("▲ stale 12 d", "○ missing", "6/10 tasks, 2 late", "bi_dashboard")
            await console.shows("✗ high", "score drop 4w", "→ review largest loss")


async def test_what_is_missing_is_never_zero() -> None:
    missing = Freshness.MISSING
    empty = Overview(
        tenant_id=TENANT,
        as_of=NOW,
        readiness=ReadinessBlock(status=missing),
        editions=EditionsBlock(status=missing),
        uplift=UpliftBlock(status=missing),
        adoption=AdoptionBlock(status=missing),
        executive=ExecutiveBlock(status=missing),
        lifecycle=LifecycleBlock(status=missing),
        risks=[],
    )
    async with serving(Loopback(overview=empty)) as server, looking(server.url) as console:
        await console.shows("no data yet", "Risks  ✓ none", "none yet")
        figures = console.lines[3:9]

    assert all("-" in line and "○ missing" in line for line in figures)
    assert not any(character.isdigit() for line in figures for character in line)


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (160, 50)])
async def test_every_screen_fits_its_terminal(size: tuple[int, int]) -> None:
    async with serving() as server:
        one = an_integration("k" * 64, label="L" * 120)
        server.integrations = [one, *(an_integration(f"key_{n}") for n in range(60))]
        server.deliveries = [a_delivery(one) for _ in range(60)]
        async with looking(server.url, size=size) as console:
            await console.shows("72.0", "/61 on")
            for key, sign in (("2", "Last error"), ("3", "readiness_updated"), ("enter", "Body")):
                await console.press(key)
                await console.shows(sign)
                assert len(console.lines) == size[1]
                assert console.lines[0].endswith("Z"), "the link and the clock are never cut"


async def test_a_row_is_switched_at_once_and_stays_so() -> None:
    async with serving() as server:
        server.integrations = [an_integration(), an_integration("crm", is_enabled=False)]
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows(">● on", "crm")
            await console.press("space")
            await console.shows("✓ bi_dashboard is off.", ">○ off")

        assert [one.is_enabled for one in server.integrations] == [False, False]
        patch = next(one for one in server.asked if one.method == "PATCH")
        assert patch.headers["if-match"] == '"3"'


@pytest.mark.parametrize(
    ("status", "code", "detail"),
    [
        (403, "forbidden", "The key's role does not allow this."),
        (404, "not_found", "There is no such thing."),
        (409, "conflict", "It contradicts the present state."),
        (412, "version_mismatch", "It was changed by somebody else."),
        (422, "invalid", "A field was refused."),
        (429, "rate_limited", "Too many requests: wait, then try again."),
        (500, "internal_error", "Something is broken."),
    ],
)
async def test_a_refused_switch_is_taken_back_with_the_reason(
    status: int, code: str, detail: str
) -> None:
    async with serving() as server:
        server.integrations = [an_integration()]
        server.override = lambda asked: (
            refusal(status, code, detail) if asked.method == "PATCH" else None
        )
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("space")
            await console.shows(f"✗ bi_dashboard stays on: {detail}", ">● on ")


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (DeliveryStatus.DELIVERED, "✓ delivered 204 in 12 ms"),
        (DeliveryStatus.FAILED, "↻ failed 500 in 12 ms, next try 12:00:05Z"),
        (DeliveryStatus.DISCARDED, "⊘ discarded: attempts_exhausted in 12 ms"),
    ],
)
async def test_a_test_is_watched_to_its_end(status: DeliveryStatus, says: str) -> None:
    async with serving(Loopback(tested=status)) as server:
        server.integrations = [an_integration()]
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("t")
            await console.shows(f"Test of bi_dashboard: {says}", f"Test       {says}, at ")


async def test_all_are_tested_only_after_a_yes() -> None:
    async with serving() as server:
        server.integrations = [an_integration(), an_integration("crm")]
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("T")
            await console.shows("Send a test event to 2 integrations? y/N")
            await console.press("q")
            await console.shows("Left as it was.")
            assert server.deliveries == []

            await console.press("T")
            await console.shows("y/N")
            await console.press("y")
            await console.shows("✓ delivered 204")
            assert len(server.deliveries) == 2


async def test_deliveries_are_filtered_paged_opened_and_sent_again() -> None:
    async with serving() as server:
        one = an_integration()
        states = [DeliveryStatus.DELIVERED, DeliveryStatus.FAILED]
        server.deliveries = [
            a_delivery(one, status=states[n % 2], made=NOW - timedelta(minutes=n))
            for n in range(240)
        ]
        async with looking(server.url) as console:
            await console.press("3")
            await console.shows("100 shown, and more below", ">", "✓ delivered")
            await console.press("G")
            await console.shows("200 shown, and more below")
            await console.press("G")
            await console.shows("240 shown", "240 shown")

            await console.press("slash", *"fail", "enter")
            await console.shows("↻ failed   100 shown", "esc clears")
            assert "✓ delivered" not in console.text

            await console.press("enter")
            await console.shows("Attempts  1", "✗ 500", '"overall_score": 72', "(no body)")
            await console.press("r")
            await console.shows("Redelivered as", "✓ delivered 204 in 12 ms", "Replays")
            await console.press("q")
            await console.shows("↻ failed   100 shown")
            await console.press("escape")
            await console.shows("every status")

        assert sum(one.method == "POST" for one in server.asked) == 1


async def test_keys_faster_than_the_server_are_held_for_the_rows_and_none_is_lost() -> None:
    async with serving() as server:
        one = an_integration()
        server.deliveries = [a_delivery(one, made=NOW - timedelta(hours=n)) for n in range(3)]
        wanted = server.deliveries[1]
        async with looking(server.url) as console:
            await console.shows("72.0")
            server.delay_s = 0.3
            await console.press_at_once("3", "j", "enter")
            await console.shows("Attempts  1", str(wanted.id))


async def test_what_is_typed_at_once_after_the_filter_opens_goes_into_the_filter() -> None:
    """`r` would redeliver, if it reached the list."""
    async with serving() as server:
        one = an_integration()
        server.deliveries = [a_delivery(one, status=DeliveryStatus.FAILED), a_delivery(one)]
        async with looking(server.url) as console:
            await console.press("3")
            await console.shows("2 shown")
            await console.press_at_once("slash", *"failr", "backspace", "enter", "enter")
            await console.shows("Attempts  1", "✗ 500")

        assert all(asked.method == "GET" for asked in server.asked)


async def test_a_key_right_after_another_acts_where_that_one_led() -> None:
    """The first `q` leaves the delivery, not the console."""
    async with serving() as server:
        server.deliveries = [a_delivery(an_integration())]
        async with looking(server.url) as console:
            await console.press("3")
            await console.shows("1 shown")
            await console.press_at_once("enter", "q", "2", "question_mark", "q", "4")
            await console.shows("Edition fit")


async def test_keys_that_wait_for_rows_are_forgotten_with_the_screen() -> None:
    async with serving() as server:
        server.deliveries = [a_delivery(an_integration())]
        async with looking(server.url) as console:
            await console.shows("72.0")
            server.delay_s = 0.3
            await console.press_at_once("3", "enter", "1")
            await console.shows("Readiness")
            await console.press("3")
            await console.shows("1 shown")
            assert "Attempts" not in console.text


async def test_a_status_that_does_not_exist_is_refused_in_words() -> None:
    async with serving() as server, looking(server.url) as console:
        await console.press("3", "slash", *"nope", "enter")
        await console.shows("✗ No such status. There are pending, failed")


async def test_new_rows_do_not_move_the_cursor_from_its_row() -> None:
    async with serving() as server:
        one = an_integration()
        server.deliveries = [a_delivery(one, made=NOW - timedelta(hours=n)) for n in range(3)]
        chosen = server.deliveries[1]
        async with looking(server.url) as console:
            await console.press("3")
            await console.shows("3 shown")
            await console.press("j")
            await console.shows(str(chosen.id))
            server.deliveries.insert(0, a_delivery(one, made=NOW + timedelta(hours=1)))
            await console.shows("4 shown", str(chosen.id))


async def test_offline_the_last_numbers_stay_and_it_comes_back_by_itself() -> None:
    async with serving() as server:
        broken = False
        server.override = lambda asked: (
            refusal(503, "unavailable", "Guardian cannot reach its database.") if broken else None
        )
        async with looking(server.url) as console:
            await console.shows("72.0", "◐ polling")
            broken = True
            await console.shows("▲ stale", "Guardian cannot reach its database. Shown:", "72.0")
            broken = False
            await console.shows("◐ polling", "72.0")
            assert "cannot reach" not in console.text


async def test_what_was_typed_survives_a_lost_connection_and_is_saved_after_it() -> None:
    async with serving() as server, looking(server.url, size=(100, 30)) as console:
        await console.press("2")
        await console.shows("No integrations yet.")
        await console.press(
            "c", *"crm_sync", "enter", *"CRM", "enter", "enter", *"https://x.example"
        )
        await console.press("tab", "tab", "tab", "tab", "space")
        server.override = lambda asked: Reply(0, b"")
        await console.press("ctrl+s")
        await console.shows("✗ Not saved: The connection to", "crm_sync", "https://x.example")
        server.override = lambda asked: None
        await console.press("ctrl+s")
        await console.shows("Signing secret of crm_sync", "whsec_shown_once")


async def test_a_server_that_is_gone_is_offline_and_keys_still_work() -> None:
    async with serving() as server:
        url = server.url
    async with looking(url) as console:
        await console.shows("✗ offline, retry in", "Nothing answers at", "Readiness       -")
        await console.press("2")
        await console.shows("space on/off")
        await console.press("question_mark")
        await console.shows("Keys valid here", "test all")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (refusal(403, "forbidden", "The key's role does not allow this."), "does not allow this"),
        (refusal(500, "internal_error", "Something is broken."), "Something is broken."),
        (Reply(502, b"<h1>Bad</h1>", "text/html"), "answered 502 with text/html"),
        (Reply(200, b"{}"), "could not be read"),
    ],
)
async def test_a_refusal_is_a_sentence_and_the_figures_stay_dashes(reply: Reply, says: str) -> None:
    async with serving() as server:
        server.override = lambda asked: reply
        async with looking(server.url) as console:
            await console.shows(says, "Readiness       -")


async def test_a_refused_key_leads_to_the_sign_in_screen_which_takes_another(
    tmp_path: Path,
) -> None:
    async with serving() as server, looking(server.url, key="old", home=tmp_path) as console:
        await console.shows("Sign in", "⊘ signed out", "A valid key is needed.", server.url)
        await console.press(*"bad", "enter")
        await console.shows("✗ A valid key is needed.")
        await console.press("ctrl+u", *"k1", "enter")
        await console.shows("72.0", "Save this server?")
        assert "k1" not in console.text
        await console.press("y")
        await console.shows("✓ Saved in")

    key = tmp_path / "guardian" / "console.key"
    assert key.read_text() == "k1\n"
    assert key.stat().st_mode & 0o777 == 0o600


async def test_an_operator_chooses_a_tenant_first() -> None:
    names = ("Acme", "Globex")
    tenants = [Tenant(id=uuid4(), name=name, created_at=NOW) for name in names]
    async with serving(Loopback(tenants=tenants)) as server, looking(server.url) as console:
        await console.shows("This is an operator's key.", ">Acme")
        await console.press("j", "enter")
        await console.shows("Globex  1", "72.0")
        assert server.asked[-1].query["workspaceId"] == str(tenants[1].id)


async def test_strangers_strings_are_shown_and_never_obeyed() -> None:
    async with serving() as server:
        one = an_integration(label=HOSTILE)
        server.integrations = [one]
        server.deliveries = [
            a_delivery(
                one,
                excerpt=HOSTILE + "\n" + "x" * 10_000,
                payload=msgspec.json.encode({"label": HOSTILE}),
            )
        ]
        server.tenants = [Tenant(id=TENANT, name=HOSTILE, created_at=NOW)]
        async with looking(server.url, size=(160, 50)) as console:
            await console.shows("[@click=app.pwn]x[/nope]")
            await console.press("enter")
            await console.shows("72.0")
            await console.press("2")
            await console.shows("[@click=app.pwn]x[/nope] \\x1b[31m\\x1b]0;title\\x07 \\u202eabc")
            await console.press("3", "enter")
            await console.shows("Attempts")
            assert "[@click=app.pwn]x[/nope] \\x1b[31m" in console.text, "in the response"
            assert '"label": "[@click=app.pwn]x[/nope]' in console.text, "in the body"
            assert "x" * 100 in console.text


async def test_too_small_a_terminal_is_told_what_is_needed() -> None:
    async with serving() as server, looking(server.url, size=(48, 12)) as console:
        await console.shows("needs 60x16, has 48x12", "q leaves")
        await console.resize(80, 24)
        await console.shows("72.0")
        await console.press("2")
        await console.shows("space on/off")


async def test_the_keys_are_listed_found_and_run() -> None:
    async with serving() as server, looking(server.url) as console:
        await console.press("colon", *"deliv", "enter")
        await console.shows("every status")
        await console.press("question_mark")
        await console.shows("Keys valid here", "redeliver", "clear the filter")
        await console.press("q")
        await console.shows("every status")


async def test_q_leaves_with_exit_0() -> None:
    async with serving() as server, looking(server.url) as console:
        await console.shows("72.0")
        await console.press("q")
        deadline = time.monotonic() + 10
        while console.console._running:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)

    assert (console.console.return_code or 0) == 0
