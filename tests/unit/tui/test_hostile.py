"""Whatever a server, a tenant or a receiver says, it changes nothing but its own cell."""

from collections.abc import Sequence
from uuid import uuid4

import msgspec
import pytest

from shared.contracts.tenants import Tenant
from shared.contracts.words import DeliveryStatus
from tests.unit.tui.loopback import (
    NOW,
    Loopback,
    a_delivery,
    a_key,
    a_narrative,
    a_portfolio,
    a_preview,
    a_replay,
    an_audit_entry,
    an_integration,
    refusal,
    serving,
)
from tests.unit.tui.screenful import Screenful, looking

MARKUP = "[@click=app.quit]press[/] [bold red]x[/nope] [[ ]]"
ESCAPES = "\x1b[31m\x1b[2J\x1b]0;title\x07\x1bP+q\x1b\\\x9b5A\r\n\t\x00\x08"
MARKS = (
    "\u202eabc\u2066\u200f\u200b\ufeff e\u0301\u0301\u0301 🏳️‍🌈 漢字 \u0645\u0631\u062d\u0628\u0627"
)
LONG = "x" * 10_000
STRANGE = MARKUP + ESCAPES + MARKS
OBEYED = "\x1b\x9b\x07\x00\x08\r\t\u202e\u2066\u200f\u200b\ufeff"

SCREENS: dict[str, Sequence[str]] = {
    "overview": (),
    "story": ("a",),
    "integrations": ("2",),
    "form": ("2", "e"),
    "preview": ("2", "p"),
    "deliveries": ("3",),
    "delivery": ("3", "enter"),
    "history": ("4",),
    "replays": ("5",),
    "keys": ("6",),
    "audit": ("7",),
    "portfolio": ("8",),
    "at-risk": ("8", "right_square_bracket", "right_square_bracket", "right_square_bracket"),
    "endpoints": ("8", "left_square_bracket"),
    "help": ("question_mark",),
    "copies": ("2", "Y"),
}


def a_stranger(text: str) -> Loopback:
    """A server all of whose strings are `text`."""
    one = msgspec.structs.replace(an_integration(text, label=text), description=text)
    config = msgspec.structs.replace(
        one.config_summary,
        webhook_host=text,
        url_hint=text,
        signature=text,
        header_names=[text],
        secret_header_names=[text],
    )
    stats = msgspec.structs.replace(one.webhook_stats, last_error=text)
    one = msgspec.structs.replace(one, config_summary=config, webhook_stats=stats)
    delivery = a_delivery(
        one,
        status=DeliveryStatus.FAILED,
        excerpt=text,
        payload=msgspec.json.encode({"label": text, text: [text]}),
    )
    delivery = msgspec.structs.replace(delivery, error_class=text, reason=text)
    server = Loopback(
        integrations=[one],
        deliveries=[delivery],
        replays=[msgspec.structs.replace(a_replay(one), reason=text)],
        keys=[msgspec.structs.replace(a_key(text), prefix=text)],
        audit=[
            msgspec.structs.replace(
                an_audit_entry(text),
                actor_kind=text,
                action=text,
                target_kind=text,
                target_id=text,
                outcome=text,
                request_id=text,
                before={text: text},
            )
        ],
        portfolio=a_portfolio((text, "Acme"), text),
        narrative=msgspec.structs.replace(
            a_narrative(text[-90:]),
            bullets=[text, text],
            commentary=text,
            action_text=text,
            model=text,
        ),
    )
    item = msgspec.structs.replace(server.overview.editions.items[0], label=text, key=text)
    editions = msgspec.structs.replace(server.overview.editions, items=[item])
    risk = msgspec.structs.replace(server.overview.risks[0], evidence={text: text})
    server.overview = msgspec.structs.replace(
        server.overview, tenant_name=text, editions=editions, risks=[risk]
    )
    preview = a_preview(one.id, delivery.event_type)
    preview = msgspec.structs.replace(
        preview, webhook_host=text, headers={text: text}, body=text, dummy_secret=text
    )
    server.preview = preview
    return server


def judge(console: Screenful, size: tuple[int, int], name: str) -> None:
    lines = console.lines
    assert console.console._running, name
    assert len(lines) == size[1], name
    assert all(console.width_of(line) <= size[0] for line in lines), name
    assert not [one for line in lines for one in line if one in OBEYED], (name, lines)
    assert lines[1].strip() == "Metadata only. No core or personal data is shown or sent."
    assert "◐ polling" in lines[0] or "▲ stale" in lines[0], name
    assert any(sign in lines[-1] for sign in ("q leave", "q back", "esc back")), name


@pytest.mark.parametrize(
    ("text", "size"),
    [(STRANGE, (160, 50)), (LONG, (80, 24))],
    ids=("strange", "long"),
)
async def test_no_screen_obeys_a_stranger(text: str, size: tuple[int, int]) -> None:
    async with serving(a_stranger(text)) as server, looking(server.url, size=size) as console:
        await console.shows("72.0")
        for name, keys in SCREENS.items():
            await console.press(*keys)
            await console.has_data()
            judge(console, size, name)
            await console.press("escape", "1")
            if console.text.rstrip().endswith("y/N"):
                await console.press("y", "1")


async def test_names_of_tenants_and_refusals_are_not_obeyed_either() -> None:
    text = STRANGE
    tenants = [Tenant(id=uuid4(), name=text, created_at=NOW)]
    async with serving(Loopback(tenants=tenants)) as server, looking(server.url) as console:
        await console.shows("This is an operator's key.", "[@click=app.quit]")
        judge(console, (80, 24), "tenants")
        server.override = lambda asked: refusal(500, "internal_error", text)
        await console.shows("▲")
        judge(console, (80, 24), "tenants")
