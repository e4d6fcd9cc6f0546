"""A chat that asked for it is told its week on Monday, once, whoever else tries; nobody else is."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.contracts.words import Scope
from shared.data.connection import Connection
from tests.conftest import Clock
from tests.receiver import Answer, Receiver
from tests.unit.api.test_ingest import Desk, observations
from tests.unit.worker.conftest import Builder, Made, engine, eventually
from worker.digests import newest_slot, send_digests

MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)
SAYS_OK = Answer(200, body=b"ok")


@pytest.fixture
def monday(clock: Clock) -> datetime:
    """The newest Monday at seven, with the clock an hour after it."""
    slot = newest_slot(clock())
    clock.now = slot + timedelta(hours=1)
    return slot


async def chat(builder: Builder, url: str = "https://chat.example/hook", **changes: Any) -> Made:
    """A Slack integration that asked for its digest a week before the clock's present."""
    made = await builder.integration(url)
    wanted = {
        "format": "'slack'",
        "digest": "'weekly'",
        "digest_since": f"'{builder.clock() - timedelta(days=7)}'",
        **changes,
    }
    await builder.change(made, ", ".join(f"{name} = {value}" for name, value in wanted.items()))
    return made


async def tell_of_everything(builder: Builder, clock: Clock) -> None:
    desk = Desk(builder.tenant_id, clock)
    for told in observations(clock() - timedelta(days=1)):
        await desk.tell(told.observation, told.plan_id, has_events=False)


@pytest.mark.parametrize(
    ("now", "slot"),
    [
        (MONDAY, MONDAY),
        (MONDAY - timedelta(seconds=1), MONDAY - timedelta(weeks=1)),
        (MONDAY + timedelta(days=6, hours=23), MONDAY),
        (datetime(2027, 1, 1, tzinfo=UTC), datetime(2026, 12, 28, 7, tzinfo=UTC)),
    ],
)
def test_a_digest_is_due_on_monday_at_seven(now: datetime, slot: datetime) -> None:
    assert newest_slot(now) == slot


async def test_a_chat_reads_its_week_in_the_words_of_the_rules(
    builder: Builder, clock: Clock, monday: datetime
) -> None:
    await tell_of_everything(builder, clock)
    async with Receiver(otherwise=SAYS_OK) as receiver:
        await chat(builder, receiver.url)
        assert await send_digests(clock(), ids=builder.ids) == 1
        async with engine(builder):
            [received] = await receiver.wait_for(1)
            await eventually(builder.is_settled)

    told = json.loads(received.body)
    assert told["blocks"][0]["text"]["text"].startswith("Your week: Readiness")
    paragraphs = [one["text"]["text"] for one in told["blocks"] if one["type"] == "section"]
    assert 3 <= len(paragraphs) <= 6
    assert any("70" in text for text in [told["text"], *paragraphs])
    assert f"{monday:%Y-%m-%d %H:%M} UTC" in told["blocks"][-1]["elements"][0]["text"]
    [attempt] = await builder.attempts()
    assert (attempt["event_type"], attempt["status"]) == ("weekly_digest", "delivered")


async def test_nobody_is_told_the_same_week_twice_however_many_try(
    builder: Builder, clock: Clock, monday: datetime
) -> None:
    await tell_of_everything(builder, clock)
    await chat(builder)
    await chat(builder, format="'teams'")

    made = await asyncio.gather(*(send_digests(clock(), ids=builder.ids) for _ in range(5)))
    clock.now = monday + timedelta(days=6)
    again = await send_digests(clock(), ids=builder.ids)
    clock.now = monday + timedelta(days=7)
    next_week = await send_digests(clock(), ids=builder.ids)

    assert (sum(made), again, next_week) == (2, 0, 2)
    assert await builder.owner.fetchval("SELECT count(*) FROM event") == 2


@pytest.mark.usefixtures("monday")
async def test_only_those_are_told_who_asked_before_monday_and_are_enabled(
    builder: Builder, clock: Clock
) -> None:
    await tell_of_everything(builder, clock)
    await builder.integration("https://machine.example/hook")
    await chat(builder, digest="'off'", digest_since="NULL")
    await chat(builder, is_enabled="false")
    await chat(builder, digest_since=f"'{clock()}'")

    assert await send_digests(clock(), ids=builder.ids) == 0

    clock.advance(timedelta(days=7))
    assert await send_digests(clock(), ids=builder.ids) == 1


@pytest.mark.usefixtures("monday")
async def test_a_tenant_of_whom_nothing_is_known_is_left_in_peace(
    builder: Builder, clock: Clock
) -> None:
    await chat(builder)

    assert await send_digests(clock(), ids=builder.ids) == 0
    assert await builder.due() == []


@pytest.mark.usefixtures("monday")
async def test_a_label_that_looks_like_a_person_never_leaves(
    builder: Builder, clock: Clock, owner: Connection
) -> None:
    await tell_of_everything(builder, clock)
    await owner.execute("UPDATE capability SET label = 'Ask anna.berg@example.com'")
    await chat(builder)

    await send_digests(clock(), ids=builder.ids)

    bodies = await owner.fetch("SELECT body FROM event")
    assert all(b"anna" not in row["body"] for row in bodies)


@pytest.mark.usefixtures("monday")
async def test_a_digest_does_not_reach_what_is_no_chat_any_more(
    builder: Builder, clock: Clock
) -> None:
    await tell_of_everything(builder, clock)
    async with Receiver() as receiver:
        made = await chat(builder, receiver.url)
        await send_digests(clock(), ids=builder.ids)
        await builder.change(made, "format = 'standard', digest = 'off', digest_since = NULL")
        async with engine(builder):
            await eventually(builder.is_settled)
        assert receiver.received == []

    [attempt] = await builder.attempts()
    assert (attempt["status"], attempt["reason"]) == ("discarded", "out_of_scope")


@pytest.mark.parametrize(("digest", "expected"), [("weekly", 6), ("weekly_only", 0)])
async def test_a_digest_comes_beside_the_events_or_instead_of_them(
    builder: Builder, clock: Clock, digest: str, expected: int
) -> None:
    await chat(builder, digest=f"'{digest}'")
    desk = Desk(builder.tenant_id, clock)

    for told in observations(clock()):
        await desk.tell(told.observation, told.plan_id)

    assert len(await builder.due()) == expected == len(Scope) * (digest == "weekly")
