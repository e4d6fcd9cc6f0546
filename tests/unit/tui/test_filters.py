"""The filter of deliveries, as an admin types it."""

from datetime import datetime, timedelta

import pytest

from shared.contracts.words import DeliveryStatus, MessageType
from shared.errors import InvalidError
from tests.unit.tui.loopback import NOW, a_delivery, an_integration, serving
from tests.unit.tui.test_console import looking
from tui.filters import Filter, instant, parse


def test_every_part_is_read_in_any_order() -> None:
    text = "type:readiness  since:2h int:crm state:FAIL until:2026-11-01"

    assert parse(text) == Filter(
        text="type:readiness since:2h int:crm state:FAIL until:2026-11-01",
        status=DeliveryStatus.FAILED,
        integration="crm",
        event_type=MessageType.READINESS_UPDATED,
        since="2h",
        until="2026-11-01",
    )


@pytest.mark.parametrize(("text", "status"), [("", None), ("disc", DeliveryStatus.DISCARDED)])
def test_a_bare_word_is_a_state_and_nothing_is_everything(
    text: str, status: DeliveryStatus | None
) -> None:
    assert parse(text).status is status


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nope", "No such status. There are pending"),
        ("state:", "No such status."),
        ("type:x", "No such event type. There are readiness_updated"),
        ("colour:red", "colour:red is not understood. For example: state:failed"),
        ("int:", "int: is not understood."),
        ("since:soon", "soon is no time: say 30min"),
        ("until:", "is no time"),
        ("since:999999d", ""),
    ],
)
def test_what_is_not_understood_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(InvalidError) as refused:
        parse(text)

    assert says in refused.value.detail


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("45s", NOW - timedelta(seconds=45)),
        ("30min", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-11-01T06:00+02:00", datetime.fromisoformat("2026-11-01T04:00+00:00")),
        ("2026-11-01", datetime.fromisoformat("2026-11-01T00:00+00:00")),
    ],
)
def test_a_time_is_an_age_or_an_instant_in_utc(text: str, means: datetime) -> None:
    assert instant(text, NOW) == means


async def test_the_server_picks_by_state_integration_type_and_time() -> None:
    async with serving() as server:
        bi, crm = an_integration(), an_integration("crm_sync")
        server.integrations = [bi, crm]
        failed = DeliveryStatus.FAILED
        wanted = a_delivery(crm, status=failed)
        server.deliveries = [
            wanted,
            a_delivery(crm),
            a_delivery(bi, status=failed),
            a_delivery(crm, status=failed, event_type=MessageType.TEST),
            a_delivery(crm, status=failed, made=NOW - timedelta(hours=3)),
        ]
        async with looking(server.url) as console:
            await console.press("3")
            await console.shows("5 shown")
            await console.press("slash", *"fail int:crm type:read since:2h", "enter")
            await console.shows("↻ failed  int:crm type:read since:2h   1 shown", str(wanted.id))

            await console.press("slash", "enter")
            await console.shows("1 shown")
            await console.press("escape")
            await console.shows("every status   5 shown")

        last = next(
            one.query for one in reversed(server.asked) if one.query.get("event_type") is not None
        )
    assert last["status"] == "failed"
    assert last["integration_id"] == str(crm.id)


async def test_an_integration_nobody_has_is_said_and_esc_helps() -> None:
    async with serving() as server:
        server.deliveries = [a_delivery(an_integration())]
        async with looking(server.url) as console:
            await console.press("3", "slash", *"int:nobody", "enter")
            await console.shows("No integration's key begins with nobody.")
            await console.press("escape")
            await console.shows("every status   1 shown")


async def test_who_follows_stays_on_the_newest_row() -> None:
    async with serving() as server:
        one = an_integration()
        server.deliveries = [a_delivery(one, made=NOW - timedelta(hours=n)) for n in range(3)]
        async with looking(server.url) as console:
            await console.press("3")
            await console.shows("3 shown")
            await console.press("j", "F")
            await console.shows("follow on", str(server.deliveries[0].id))
            newest = a_delivery(one, made=NOW + timedelta(hours=1))
            server.deliveries.insert(0, newest)
            await console.shows("4 shown", str(newest.id))
            await console.press("F")
            await console.shows("4 shown")
