"""Integrations made and changed by keys; nothing typed is lost, no secret is shown twice."""

import msgspec

from shared.contracts.integrations import IntegrationChange, NewIntegration
from shared.contracts.problems import FieldProblem
from shared.contracts.words import AuthKind, PayloadFormat, Scope
from tests.unit.tui.loopback import a_delivery, an_integration, refusal, serving
from tests.unit.tui.test_console import looking

SIZE = (100, 30)


async def test_an_integration_is_made_and_its_secret_shown_until_it_is_stored() -> None:
    async with serving() as server, looking(server.url, size=SIZE) as console:
        await console.press("2")
        await console.shows("No integrations yet. c creates one.")
        await console.press("c", *"crm", "enter", *"CRM", "enter", "enter")
        await console.press(*"https://crm.example.com/h", "enter", *"x-env: prod", "tab", "tab")
        await console.press(*"bearer t0ken", "tab", "space", "ctrl+s")
        await console.shows("Signing secret of crm", "whsec_shown_once", "✓ crm is made.")
        assert "t0ken" not in console.text

        await console.press("q")
        await console.shows("It is never shown again. Did you store it? y/N")
        await console.press("n")
        await console.shows("whsec_shown_once")
        await console.press("1", "y")
        await console.shows("Readiness")
        assert "whsec_shown_once" not in console.text

    body = next(one.body for one in server.asked if one.method == "POST")
    new = msgspec.json.decode(body, type=NewIntegration)
    assert (new.integration_key, new.label, new.scopes) == ("crm", "CRM", [Scope.READINESS])
    assert new.config.headers == {"x-env": "prod"}
    assert new.config.auth is not None
    assert new.config.auth.token == "t0ken"


async def test_each_refusal_stands_below_its_field_and_what_was_typed_stays() -> None:
    problems = [
        FieldProblem(path="$.config.webhook_url", kind="x", message="It must be https."),
        FieldProblem(path="$.scopes", kind="x", message="Name one at least."),
    ]
    async with serving() as server:
        server.override = lambda asked: (
            refusal(422, "invalid", "Some fields are wrong.", problems)
            if asked.method == "POST"
            else None
        )
        async with looking(server.url, size=SIZE) as console:
            await console.press("2", "c", *"crm", "ctrl+s")
            await console.shows("✗ It must be https.", "✗ Name one at least.", "crm")
            below = [line for line in console.lines if "URL" in line or "https." in line]
            assert "It must be https." in below[1]

            await console.press("escape")
            await console.shows("Throw away what was typed? y/N")
            await console.press("n")
            await console.shows("crm")


async def test_what_was_typed_survives_a_lost_connection() -> None:
    async with serving() as server:
        server.integrations = [an_integration()]
        is_broken = False
        server.override = lambda asked: (
            refusal(503, "unavailable", "Guardian cannot reach its database.")
            if is_broken
            else None
        )
        async with looking(server.url, size=SIZE) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("e")
            await console.shows("Edit bi_dashboard", "BI dashboard", "stays bi.example.com/…hook")
            is_broken = True
            await console.press(*" two", "ctrl+s")
            await console.shows("✗ Not saved: Guardian cannot reach", "BI dashboard two")
            is_broken = False
            await console.press("ctrl+s")
            await console.shows("✓ bi_dashboard is saved.", "BI dashboard two")

    sent = [one for one in server.asked if one.method == "PATCH"][-1]
    assert sent.headers["if-match"] == '"3"'
    assert msgspec.json.decode(sent.body) == {"label": "BI dashboard two"}


async def test_a_conflict_shows_theirs_and_keeps_mine() -> None:
    async with serving() as server:
        one = an_integration()
        server.integrations = [one]
        server.override = lambda asked: (
            refusal(412, "version_mismatch", "It was changed by somebody else.")
            if asked.method == "PATCH" and asked.headers["if-match"] == '"3"'
            else None
        )
        async with looking(server.url, size=SIZE) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("e")
            await console.shows("Edit bi_dashboard")
            server.integrations = [msgspec.structs.replace(one, label="Theirs", version=4)]
            await console.press(*"X", "ctrl+s")
            await console.shows("▲ Changed meanwhile", "▲ Theirs: Theirs;", "BI dashboardX")
            await console.press("ctrl+s")
            await console.shows("✓ bi_dashboard is saved.", "BI dashboardX")


async def test_a_config_that_would_drop_what_is_sealed_is_asked_about() -> None:
    async with serving() as server:
        one = an_integration()
        config = msgspec.structs.replace(
            one.config_summary,
            secret_header_names=["x-api-key"],
            auth_kind=AuthKind.BEARER,
            ordered=True,
            rate_per_second=2.5,
            retry_schedule=[5, 60],
        )
        server.integrations = [msgspec.structs.replace(one, config_summary=config)]
        server.deliveries = [a_delivery(one)]
        async with looking(server.url, size=SIZE) as console:
            await console.press("3")
            await console.shows("1 shown")
            await console.press("enter")
            await console.shows("Attempts")
            await console.press("e")
            await console.shows("Edit bi_dashboard")
            await console.press(*"https://new.example.com", "ctrl+s")
            await console.shows("The new config drops x-api-key, its bearer authorisation. Save?")
            await console.press("y")
            await console.shows("✓ bi_dashboard is saved.", "Attempts")

    sent = [one for one in server.asked if one.method == "PATCH"][-1]
    change = msgspec.json.decode(sent.body, type=IntegrationChange)
    assert change.config is not msgspec.UNSET
    assert change.config.webhook_url == "https://new.example.com"
    assert change.config.format is PayloadFormat.STANDARD
    assert (change.config.ordered, change.config.rate_per_second) == (True, 2.5)
    assert change.config.retry_schedule == [5, 60]


async def test_the_last_switch_is_undone_by_a_key() -> None:
    async with serving() as server:
        server.integrations = [an_integration()]
        async with looking(server.url) as console:
            await console.press("2")
            await console.shows(">● on")
            await console.press("space")
            await console.shows("✓ bi_dashboard is off. u undoes it.")
            await console.press("u")
            await console.shows("✓ bi_dashboard is on.", ">● on ")
