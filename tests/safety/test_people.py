"""No person in a payload: what the guard finds, what it misses, and that it fails closed."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, cast
from uuid import UUID

import httpx
import msgspec
import pytest

from shared.contracts.payloads import DATA_OF, Payload
from shared.contracts.words import EventType, Role
from shared.data.connection import Connection
from shared.domain import mappers, pii
from shared.errors import PayloadRefusedError
from shared.runtime import story
from tests.receiver import Receiver
from tests.safety.pii_corpus import HARMLESS, MISSED, PERSONAL
from tests.unit.api.conftest import Api
from tests.unit.api.test_observations import bodies
from tests.unit.domain.example_events import EXAMPLES
from tests.unit.domain.test_pii import FOUND, KNOWN_MISSES, LEFT_ALONE
from tests.unit.worker.conftest import Builder, engine, eventually

POISON = "jane.doe@example.com"
Figure = Callable[[str], None]


def test_what_the_guard_finds_and_what_it_misses(figure: Figure) -> None:
    personal = [*PERSONAL, *(text for text, _ in FOUND), *KNOWN_MISSES]
    harmless = [*HARMLESS, *LEFT_ALONE]

    missed = [text for text in personal if pii.find(text) is None]
    alarms = {text: pii.find(text) for text in harmless if pii.find(text) is not None}

    assert set(missed) == {*MISSED, *KNOWN_MISSES}
    assert alarms == {}
    found = len(personal) - len(missed)
    figure(
        f"personal data: {found} of {len(personal)} texts found ({found / len(personal):.0%}), "
        f"{len(alarms)} false alarms in {len(harmless)}"
    )
    figure(f"  missed, by kind: {', '.join(sorted(set(MISSED.values())))}")


async def test_nothing_of_the_demo_is_taken_for_a_person(owner: Connection, figure: Figure) -> None:
    told = [story.tell(tale, today=date(2026, 11, 23)) for tale in story.TALES]
    tables = ("capability", "edition", "adoption_sub_dimension")
    rows = [list(row) for table in tables for row in await owner.fetch(f"SELECT * FROM {table}")]
    texts = set(_texts([told, rows, [tale.name for tale in story.TALES]]))

    assert len(texts) > 50
    assert {text: pii.find(text) for text in texts if pii.find(text)} == {}
    figure(f"personal data: 0 false alarms in {len(texts)} texts of the demo")


@pytest.mark.parametrize("kind", list(EventType))
def test_poison_in_any_text_of_any_payload_is_refused(kind: EventType) -> None:
    poisoned = list(_poisoned(EXAMPLES[kind]))

    for data in poisoned:
        with pytest.raises(PayloadRefusedError):
            mappers.envelope(kind, datetime.now(UTC), data)
    assert len(poisoned) >= (0 if kind is EventType.META_LIFECYCLE_RUN_COMPLETED else 1)


def test_the_seven_mappers_are_all_there_are() -> None:
    assert len(set(DATA_OF.values())) == 7


async def test_poison_in_any_text_that_a_producer_tells_is_named_or_stays_inside(
    api: Api, builder: Builder, tenant: UUID, owner: Connection, figure: Figure
) -> None:
    producer = api.client(await api.make_key(Role.INGEST, tenant))
    became = Counter[int]()
    async with Receiver() as receiver:
        await builder.integration(receiver.url)
        for method, route, body in bodies(api.clock):
            for poisoned in _poisoned_bodies(body):
                answer = await producer.request(method, f"/observations/{route}", json=poisoned)
                became[answer.status_code] += 1
                assert POISON not in answer.text
                if answer.status_code == 422:
                    assert answer.json()["errors"][0]["kind"], answer.text
        async with engine(builder):
            await eventually(builder.is_settled)
        sent = b"".join(request.body for request in receiver.received)

    assert set(became) == {422}
    assert POISON.encode() not in sent
    stored = await owner.fetchval("SELECT count(*) FROM observation")
    assert stored == 0
    named = await _title_refused(producer)
    assert (named["path"], named["kind"]) == ("$.title", "personal_data")
    assert str(pii.Kind.EMAIL) in named["message"]
    figure(f"personal data: {became[422]} poisoned observations, each 422, nothing stored or sent")


async def _title_refused(producer: httpx.AsyncClient) -> dict[str, Any]:
    plan: dict[str, Any] = {"title": f"Plan of {POISON}", "status": "active", "tasks": []}
    answer = await producer.put(f"/observations/uplift-plans/{UUID(int=7)}", json=plan)
    [refused] = answer.json()["errors"]
    return refused


async def test_a_poisoned_catalogue_withholds_what_it_would_spoil_and_says_so(
    api: Api, builder: Builder, tenant: UUID, owner: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await owner.execute("UPDATE capability SET label = $1", f"Rules of {POISON}")
    await owner.execute("UPDATE edition SET label = $1", f"Edition of {POISON}")
    producer = api.client(await api.make_key(Role.INGEST, tenant))
    admin = api.client(await api.make_key(Role.ADMIN, tenant))
    async with Receiver() as receiver:
        await builder.integration(receiver.url)
        for method, route, body in bodies(api.clock):
            answer = await producer.request(method, f"/observations/{route}", json=body)
            assert answer.status_code == 202, answer.text
            assert answer.json()["delivery_count"] == 1
        async with engine(builder):
            await eventually(builder.is_settled)
        sent = b"".join(request.body for request in receiver.received)
        arrived = len(receiver.received)

    assert POISON.encode() not in sent
    assert arrived == 4
    given_up = (await admin.get("/deliveries?status=discarded")).json()["items"]
    assert {one["event_type"] for one in given_up} == {"readiness_updated", "edition_fit_computed"}
    assert {one["reason"] for one in given_up} == {"pii_guard"}
    for one in given_up:
        detail = await admin.get(f"/deliveries/{one['id']}")
        assert detail.json()["event"]["payload"] is None
    assert POISON not in caplog.text
    assert "a payload of readiness_updated was withheld" in caplog.text
    bodies_kept = await owner.fetch("SELECT body FROM event")
    assert not any(POISON.encode() in row["body"] for row in bodies_kept)


def _poisoned(data: Payload) -> Iterator[Payload]:
    """The same payload with poison in one place at a time, wherever a text, a token or an id is."""
    for name in data.__struct_fields__:
        value: object = getattr(data, name)
        if isinstance(value, str | Enum | UUID):
            yield msgspec.structs.replace(data, **{name: POISON})
        elif isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
            first, *others = cast("list[Any]", value)
            for one in _poisoned(first):
                yield msgspec.structs.replace(data, **{name: [one, *others]})
        elif isinstance(value, msgspec.Struct):
            for one in _poisoned(cast("Any", value)):
                yield msgspec.structs.replace(data, **{name: one})


def _poisoned_bodies(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in body.items():
        match value:
            case str():
                yield body | {name: POISON}
            case [dict(), *_]:
                first, *others = cast("list[dict[str, Any]]", value)
                for one in _poisoned_bodies(first):
                    yield body | {name: [one, *others]}
            case _:
                pass
    yield body | {POISON: 1}
    yield body | {"notes": POISON}


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for one in cast("dict[object, object]", value).values():
                yield from _texts(one)
        case list() | tuple() | set():
            for one in cast("list[object]", value):
                yield from _texts(one)
        case _:
            pass
