"""Whatever a model or its provider does, the narrator ends with a checked draft or a reason."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.contracts.narrative import FallbackReason, Flaw
from shared.domain.ledger import ledger_of
from shared.domain.narrative import Draft
from shared.settings import AiSettings
from tests.model_server import (
    KEY,
    Behaviour,
    ModelServer,
    answers,
    declines,
    drips,
    fails,
    hangs,
    hangs_up,
    is_cut_off,
    model_server,
    says,
    thinks_first,
)
from tests.unit.domain.overviews import reference
from tests.unit.worker.conftest import eventually
from worker.narratives import Telling
from worker.narrator import AnthropicNarrator

LEDGER = ledger_of(reference())
CORPUS: dict[str, Any] = json.loads((Path(__file__).parent / "narrative_answers.json").read_text())
GOOD: dict[str, Any] = CORPUS["base"]
LIE: dict[str, Any] = {**GOOD, "headline": "Readiness dropped {f3} to {f1}"}
SECRET = "an answer that nobody may see"
MODEL = "claude-test"


@pytest.fixture
async def server() -> AsyncGenerator[ModelServer, None]:
    async with model_server() as running:
        yield running


def narrator_at(server: ModelServer, *, deadline_s: float = 20.0) -> AnthropicNarrator:
    settings = AiSettings(
        guardian_ai_base_url=server.url,
        guardian_ai_deadline_seconds=deadline_s,
        guardian_ai_model=MODEL,
    )
    return AnthropicNarrator(KEY, settings)


async def tell(server: ModelServer, *, deadline_s: float = 20.0, effort: str = "") -> Telling:
    narrator = narrator_at(server, deadline_s=deadline_s)
    try:
        return await narrator.tell(LEDGER, model=MODEL, effort=effort)
    finally:
        await narrator.aclose()


@pytest.mark.parametrize("behaviour", [answers(GOOD), thinks_first(GOOD)])
async def test_a_good_answer_becomes_a_draft(server: ModelServer, behaviour: Behaviour) -> None:
    server.plays(behaviour)

    telling = await tell(server)

    assert telling.draft == msgspec.convert(GOOD, Draft)
    assert telling.reason is None
    assert telling.calls == 1


async def test_usage_and_price_are_recorded(server: ModelServer) -> None:
    server.plays(answers(LIE), answers(GOOD))

    telling = await tell(server)

    assert (telling.input_tokens, telling.output_tokens) == (3000, 400)
    assert telling.cost_usd == pytest.approx((3000 * 0.10 + 400 * 0.50) / 1_000_000)
    assert telling.cost_usd < narrator_at(server).worst_cost_usd(LEDGER)


async def test_the_model_is_asked_with_facts_and_a_schema_and_no_label(server: ModelServer) -> None:
    server.plays(answers(GOOD))

    await tell(server, effort="low")

    [asked] = server.asked
    assert asked.line.startswith("POST /v1/messages ")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body["model"] == MODEL
    assert asked.body["output_config"]["effort"] == "low"
    schema = asked.body["output_config"]["format"]["schema"]
    assert schema["properties"]["action"]["enum"] == [
        "unblock_tasks",
        "activate_next_dimension",
        "none",
    ]
    told = json.dumps(asked.body)
    for label in ("Rule engine", "Alerts", "Guardian Pro"):
        assert label not in told


async def test_without_an_effort_none_is_sent(server: ModelServer) -> None:
    server.plays(answers(GOOD))

    await tell(server)

    assert "effort" not in server.asked[0].body["output_config"]


async def test_a_lie_is_answered_once_with_what_was_wrong_with_it(server: ModelServer) -> None:
    server.plays(answers(LIE), answers(GOOD))

    telling = await tell(server)

    assert telling.draft == msgspec.convert(GOOD, Draft)
    objection = server.asked[1].body["messages"][-1]["content"]
    assert "wrong_direction in headline" in objection
    assert "dropped" not in objection


@pytest.mark.parametrize("lie", CORPUS["lies"], ids=lambda lie: lie["says"])
async def test_who_lies_twice_is_not_told(server: ModelServer, lie: dict[str, Any]) -> None:
    server.plays(answers({**GOOD, **lie["answer"]}))

    telling = await tell(server)

    assert telling.draft is None
    assert telling.reason is FallbackReason.REJECTED
    assert telling.flaw == Flaw(lie["flaw"])
    assert telling.calls == 2


@pytest.mark.parametrize(
    ("behaviour", "reason", "calls"),
    [
        (is_cut_off('{"headline": "Readi'), FallbackReason.TRUNCATED, 2),
        (declines(), FallbackReason.DECLINED, 1),
        (answers("no JSON at all"), FallbackReason.MALFORMED, 2),
        (answers({**GOOD, "extra": "field"}), FallbackReason.MALFORMED, 2),
        (answers({"headline": "Only a headline"}), FallbackReason.MALFORMED, 2),
        (answers(GOOD, stop_reason="tool_use"), FallbackReason.MALFORMED, 2),
        (says(b"{"), FallbackReason.MALFORMED, 1),
        (says(b'{"content": 3}'), FallbackReason.MALFORMED, 1),
        (says(b"<html>hello</html>", "text/html"), FallbackReason.MALFORMED, 1),
        (fails(400), FallbackReason.PROVIDER_ERROR, 1),
        (fails(401), FallbackReason.UNAUTHENTICATED, 1),
        (fails(403), FallbackReason.UNAUTHENTICATED, 1),
        (fails(404), FallbackReason.PROVIDER_ERROR, 1),
        (fails(429, **{"retry-after": "3600"}), FallbackReason.RATE_LIMITED, 1),
        (fails(429, **{"retry-after": "0"}), FallbackReason.RATE_LIMITED, 2),
        (
            fails(429, **{"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
            FallbackReason.RATE_LIMITED,
            1,
        ),
        (fails(500, **{"retry-after": "0"}), FallbackReason.PROVIDER_ERROR, 2),
        (fails(529, **{"retry-after": "0"}), FallbackReason.OVERLOADED, 2),
        (hangs_up, FallbackReason.UNREACHABLE, 2),
    ],
)
async def test_every_misfortune_has_its_reason(
    server: ModelServer, behaviour: Behaviour, reason: FallbackReason, calls: int
) -> None:
    server.plays(behaviour)

    telling = await tell(server)

    assert telling.draft is None
    assert telling.reason is reason
    assert telling.calls == len(server.asked) == calls


async def test_a_provider_that_is_busy_for_a_moment_is_asked_again(server: ModelServer) -> None:
    server.plays(fails(529, **{"retry-after": "0"}), answers(GOOD))

    telling = await tell(server)

    assert telling.draft is not None


@pytest.mark.parametrize("behaviour", [hangs, drips])
async def test_nobody_outlives_the_deadline(server: ModelServer, behaviour: Behaviour) -> None:
    server.plays(behaviour)

    began = time.monotonic()
    telling = await tell(server, deadline_s=0.3)

    assert telling.reason is FallbackReason.TIMEOUT
    assert time.monotonic() - began < 5
    assert telling.cost_usd > 0, "what was cut off may have to be paid for"


async def test_a_redirect_is_not_followed_and_learns_no_key(server: ModelServer) -> None:
    async with model_server() as elsewhere:
        elsewhere.plays(answers(GOOD))
        server.plays(fails(307, location=f"{elsewhere.url}/v1/messages"))

        telling = await tell(server)

        assert telling.reason is FallbackReason.REDIRECTED
        assert elsewhere.asked == []


async def test_where_nobody_listens_the_provider_is_unreachable() -> None:
    async with model_server() as gone:
        pass

    assert (await tell(gone)).reason is FallbackReason.UNREACHABLE


@pytest.mark.parametrize(
    "behaviour",
    [
        answers(GOOD),
        answers({**GOOD, "headline": SECRET}),
        is_cut_off(SECRET),
        answers(SECRET),
        says(SECRET.encode()),
        fails(401),
        fails(529, **{"retry-after": "0"}),
        hangs_up,
    ],
)
async def test_neither_key_nor_question_nor_answer_is_logged(
    server: ModelServer,
    behaviour: Behaviour,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server.plays(behaviour)

    with caplog.at_level(logging.DEBUG):
        await tell(server)

    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    for secret in (KEY, SECRET, "You write a short status text", "must_cite", GOOD["commentary"]):
        assert secret not in said


async def test_the_provider_tells_when_a_model_retires(server: ModelServer) -> None:
    told = {
        "id": MODEL,
        "type": "model",
        "display_name": "Test",
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "deprecated",
        "retires_at": "2026-12-31T00:00:00Z",
    }
    server.plays(says(json.dumps(told).encode()))
    narrator = narrator_at(server)

    state = await narrator.look_up(MODEL)
    await narrator.aclose()

    assert state is not None
    assert state.lifecycle == "deprecated"
    assert state.retires_at is not None
    assert state.retires_at.isoformat() == "2026-12-31T00:00:00+00:00"
    assert server.asked[0].line.startswith(f"GET /v1/models/{MODEL} ")


@pytest.mark.parametrize("behaviour", [fails(404), says(b"{"), hangs_up, hangs])
async def test_a_provider_that_does_not_tell_is_not_insisted_on(
    server: ModelServer, behaviour: Behaviour
) -> None:
    server.plays(behaviour)
    narrator = narrator_at(server, deadline_s=0.5)

    assert await narrator.look_up(MODEL) is None
    await narrator.aclose()


async def test_a_narrator_that_is_cancelled_stops(server: ModelServer) -> None:
    server.plays(hangs)
    telling = asyncio.create_task(tell(server))
    await eventually(lambda: server.asked, what="the question")
    telling.cancel()

    with pytest.raises(asyncio.CancelledError):
        await telling
