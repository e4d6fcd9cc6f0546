"""A question is answered once, within the caps, and kept; whatever goes wrong has its reason."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.services.narratives import FAILURES_KEEP, Respondent, tell_narrative
from shared.contracts.narrative import FallbackReason, Narrative, Source
from shared.contracts.success import Overview
from shared.data.connection import Connection
from shared.data.session import acting_for
from shared.jobs import Jobs, narrative_job, open_redis
from shared.settings import AiSettings
from tests.conftest import Clock, Database, Servers, make_tenant
from tests.model_server import (
    KEY,
    Behaviour,
    ModelServer,
    answers,
    fails,
    hangs,
    model_server,
    says,
)
from tests.unit.domain.overviews import nothing, reference
from tests.unit.worker.conftest import eventually
from worker.narratives import (
    LEASE,
    Caps,
    Desk,
    check_model,
    forget_narratives,
    tell_one,
    tell_waiting,
)
from worker.narrator import AnthropicNarrator
from worker.tasks import keep_house

GOOD: dict[str, Any] = json.loads((Path(__file__).parent / "narrative_answers.json").read_text())[
    "base"
]
RESPONDENT = Respondent("claude-test", "")
CAPS = Caps(calls_per_day=10, usd_per_month=1.0)


@pytest.fixture
async def server() -> AsyncGenerator[ModelServer, None]:
    async with model_server() as running:
        running.plays(answers(GOOD))
        yield running


@pytest.fixture
async def desk(server: ModelServer, clock: Clock) -> AsyncGenerator[Desk, None]:
    settings = AiSettings(
        guardian_ai_base_url=server.url,
        guardian_ai_model="claude-test",
        guardian_ai_deadline_seconds=10.0,
    )
    narrator = AnthropicNarrator(KEY, settings)
    yield Desk(narrator, CAPS, clock)
    await narrator.aclose()


@pytest.fixture
async def tenant_with_ai(tenant: UUID, owner: Connection, clock: Clock) -> UUID:
    await switch(owner, tenant, clock, is_on=True)
    return tenant


async def switch(owner: Connection, tenant_id: UUID, clock: Clock, *, is_on: bool) -> None:
    await owner.execute(
        "INSERT INTO narrative_setting VALUES ($1, $2, $3) "
        "ON CONFLICT (tenant_id) DO UPDATE SET is_ai_enabled = excluded.is_ai_enabled",
        tenant_id,
        is_on,
        clock(),
    )


async def ask(
    tenant_id: UUID, clock: Clock, *, overview: Overview | None = None
) -> tuple[Narrative, str | None]:
    async with acting_for(tenant_id) as session:
        asked = await tell_narrative(
            session, overview or reference(), respondent=RESPONDENT, now=clock()
        )
    return asked.narrative, asked.key


def says_json(told: dict[str, Any]) -> Behaviour:
    return says(json.dumps(told).encode())


async def asked_key(tenant_id: UUID, clock: Clock) -> str:
    narrative, key = await ask(tenant_id, clock)
    assert narrative.fallback_reason is FallbackReason.PENDING
    assert key is not None
    return key


async def test_the_rules_speak_at_once_and_the_model_afterwards(
    desk: Desk, tenant_with_ai: UUID, clock: Clock
) -> None:
    key = await asked_key(tenant_with_ai, clock)
    assert await tell_one(desk, tenant_with_ai, key) == "ready"
    clock.advance(timedelta(hours=1))

    narrative, again = await ask(tenant_with_ai, clock)

    assert again is None
    assert narrative.source is Source.AI
    assert narrative.fallback_reason is None
    assert narrative.model == "claude-test"
    assert narrative.generated_at == clock() - timedelta(hours=1)
    assert narrative.headline == "Readiness climbed 6.2 points over 4 weeks to 72.4 points"
    assert narrative.bullets[0] == "The capability that gained most is Alerts (up 9 points)."
    assert narrative.action_text == "Clear what blocks the uplift tasks."


async def test_unchanged_data_costs_no_second_call_however_old_it_grows(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock
) -> None:
    await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock))
    clock.advance(timedelta(days=3))
    uplift = msgspec.structs.replace(
        reference().uplift, age_days=4.2, days_since_completion=12.5, expected_percentage=80
    )

    narrative, key = await ask(tenant_with_ai, clock, overview=reference(uplift=uplift))

    assert key is None
    assert narrative.source is Source.AI
    assert len(server.asked) == 1


async def test_changed_data_is_asked_about_anew(
    desk: Desk, tenant_with_ai: UUID, clock: Clock
) -> None:
    await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock))
    moved = msgspec.structs.replace(reference().readiness, overall_score=75.0)

    narrative, key = await ask(tenant_with_ai, clock, overview=reference(readiness=moved))

    assert key is not None
    assert narrative.source is Source.RULES


async def test_a_hundred_askers_at_once_cost_one_call(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock, owner: Connection
) -> None:
    asked = await asyncio.gather(*(ask(tenant_with_ai, clock) for _ in range(100)))
    keys = [key for _, key in asked if key is not None]
    [row] = await owner.fetch("SELECT tenant_id, key FROM narrative")
    told = await asyncio.gather(*(tell_one(desk, row["tenant_id"], row["key"]) for _ in range(20)))

    assert keys == [row["key"]]
    assert sorted(set(told)) == ["nothing to do", "ready"]
    assert len(server.asked) == 1


async def test_two_tenants_with_the_same_facts_share_nothing(
    desk: Desk, tenant_with_ai: UUID, clock: Clock, owner: Connection
) -> None:
    other = await make_tenant("Other", clock=clock)
    await switch(owner, other, clock, is_on=True)
    await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock))

    narrative, key = await ask(other, clock)

    assert key is not None
    assert narrative.source is Source.RULES


async def test_a_failure_is_told_kept_a_quarter_of_an_hour_and_tried_again(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock
) -> None:
    server.plays(fails(401))
    await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock))

    clock.advance(FAILURES_KEEP - timedelta(seconds=1))
    narrative, key = await ask(tenant_with_ai, clock)
    assert (narrative.source, narrative.fallback_reason, key) == (
        Source.RULES,
        FallbackReason.UNAUTHENTICATED,
        None,
    )

    server.plays(answers(GOOD))
    clock.advance(timedelta(seconds=1))
    assert await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock)) == "ready"


async def test_a_liar_is_named_with_what_was_wrong(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock
) -> None:
    server.plays(answers({**GOOD, "headline": "Readiness stands at 99"}))
    await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock))

    narrative, _ = await ask(tenant_with_ai, clock)

    assert narrative.source is Source.RULES
    assert narrative.fallback_reason is FallbackReason.REJECTED
    assert narrative.rejected_for == "digit"
    assert "99" not in msgspec.json.encode(narrative).decode()


async def test_nothing_of_a_refused_answer_is_stored(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock, owner: Connection
) -> None:
    server.plays(answers({**GOOD, "headline": "Praise Jane Doe for it"}))
    await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock))

    stored = await owner.fetch("SELECT narrative::text AS row FROM narrative")
    assert "Jane" not in stored[0]["row"]


async def test_without_a_key_the_reason_is_that(
    tenant_with_ai: UUID, clock: Clock, owner: Connection
) -> None:
    keyless = Desk(None, CAPS, clock)

    assert await tell_one(keyless, tenant_with_ai, await asked_key(tenant_with_ai, clock)) == (
        "no_key"
    )
    narrative, _ = await ask(tenant_with_ai, clock)
    assert narrative.fallback_reason is FallbackReason.NO_KEY
    assert await owner.fetchval("SELECT count(*) FROM narrative_spend") == 0


async def test_a_tenant_has_its_calls_a_day(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock
) -> None:
    frugal = Desk(desk.narrator, Caps(calls_per_day=1, usd_per_month=1.0), clock)
    clock.now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    await tell_one(frugal, tenant_with_ai, await asked_key(tenant_with_ai, clock))
    moved = reference(readiness=msgspec.structs.replace(reference().readiness, overall_score=1.0))

    _, key = await ask(tenant_with_ai, clock, overview=moved)
    assert key is not None
    assert await tell_one(frugal, tenant_with_ai, key) == "tenant_cap"
    assert len(server.asked) == 1

    clock.advance(timedelta(days=1))
    _, key = await ask(tenant_with_ai, clock, overview=moved)
    assert key is not None
    assert await tell_one(frugal, tenant_with_ai, key) != "tenant_cap"


async def test_all_together_have_their_money_a_month(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock, owner: Connection
) -> None:
    clock.now = datetime(2026, 12, 31, 12, tzinfo=UTC)
    other = await make_tenant("Other", clock=clock)
    await owner.execute(
        "INSERT INTO narrative_spend (tenant_id, day, cost_usd) VALUES ($1, '2026-12-01', 1.0)",
        other,
    )

    key = await asked_key(tenant_with_ai, clock)
    assert await tell_one(desk, tenant_with_ai, key) == "monthly_cap"
    assert server.asked == []

    clock.advance(timedelta(days=1))
    assert await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock)) == "ready"


async def test_tokens_and_money_are_recorded_by_day(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock, owner: Connection
) -> None:
    await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock))

    price = (1500 * 0.10 + 200 * 0.50) / 1_000_000
    [spent] = await owner.fetch("SELECT * FROM narrative_spend")
    assert (spent["calls"], spent["input_tokens"], spent["output_tokens"]) == (1, 1500, 200)
    assert spent["cost_usd"] == pytest.approx(price)
    assert await owner.fetchval("SELECT cost_usd FROM narrative") == pytest.approx(price)


async def test_who_switches_off_meanwhile_is_not_told_about(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock, owner: Connection
) -> None:
    key = await asked_key(tenant_with_ai, clock)
    await switch(owner, tenant_with_ai, clock, is_on=False)

    assert await tell_one(desk, tenant_with_ai, key) == "switched_off"
    assert server.asked == []
    narrative, _ = await ask(tenant_with_ai, clock)
    assert narrative.fallback_reason is FallbackReason.SWITCHED_OFF


async def test_of_nothing_no_model_is_asked(tenant_with_ai: UUID, clock: Clock) -> None:
    narrative, key = await ask(tenant_with_ai, clock, overview=nothing())

    assert key is None
    assert narrative.fallback_reason is FallbackReason.TOO_LITTLE_DATA


async def test_a_question_whose_worker_was_killed_is_taken_up_again_but_not_for_ever(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock
) -> None:
    server.plays(hangs)
    key = await asked_key(tenant_with_ai, clock)
    for turn in range(1, 4):
        killed = asyncio.create_task(tell_one(desk, tenant_with_ai, key))
        await eventually(lambda turn=turn: len(server.asked) == turn, what="the question")
        killed.cancel()
        with suppress(asyncio.CancelledError):
            await killed
        assert await tell_waiting(desk) == 0, "it may still be at work"
        clock.advance(LEASE + timedelta(seconds=1))

    assert await tell_waiting(desk) == 1
    narrative, _ = await ask(tenant_with_ai, clock)
    assert narrative.fallback_reason is FallbackReason.INTERNAL


async def test_the_job_reaches_the_worker_through_redis(
    desk: Desk, server: ModelServer, tenant_with_ai: UUID, clock: Clock, servers: Servers
) -> None:
    key = await asked_key(tenant_with_ai, clock)
    redis = open_redis(servers.redis_url)
    jobs = Jobs(redis)
    house = asyncio.create_task(
        keep_house(servers.redis_url, clock=clock, desk=desk, retention_days=90)
    )
    try:
        jobs.ask(narrative_job(tenant_with_ai, key))

        async def is_told() -> bool:
            narrative, _ = await ask(tenant_with_ai, clock)
            return narrative.source is Source.AI

        await eventually(is_told, what="the model's narrative")
    finally:
        house.cancel()
        with suppress(asyncio.CancelledError):
            await house
        await jobs.aclose()
        await redis.aclose()


async def test_without_redis_the_question_waits_for_the_workers_round(
    desk: Desk, tenant_with_ai: UUID, clock: Clock
) -> None:
    key = await asked_key(tenant_with_ai, clock)
    nowhere = open_redis("redis://127.0.0.1:1/0")
    jobs = Jobs(nowhere)
    jobs.ask(narrative_job(tenant_with_ai, key))
    await jobs.aclose()
    await nowhere.aclose()

    assert await tell_waiting(desk) == 1
    narrative, _ = await ask(tenant_with_ai, clock)
    assert narrative.source is Source.AI


async def test_what_becomes_of_the_model_is_kept(
    database: Database, server: ModelServer, desk: Desk, owner: Connection
) -> None:
    told = {"id": "claude-test", "lifecycle": "active", "retires_at": None}
    server.plays(fails(404), answers(GOOD))
    assert await check_model(desk) == "unknown"
    assert await owner.fetchval("SELECT count(*) FROM ai_model") == 0
    server.plays(says_json(told))
    assert await check_model(desk) == "active"
    server.plays(
        says_json({**told, "lifecycle": "deprecated", "retires_at": "2027-01-01T00:00:00Z"})
    )
    assert await check_model(desk) == "deprecated"

    [row] = await owner.fetch("SELECT model, lifecycle, retires_at FROM ai_model")
    assert tuple(row) == ("claude-test", "deprecated", datetime(2027, 1, 1, tzinfo=UTC))


async def test_old_narratives_and_spending_go(
    desk: Desk, tenant_with_ai: UUID, clock: Clock, owner: Connection
) -> None:
    await tell_one(desk, tenant_with_ai, await asked_key(tenant_with_ai, clock))

    assert await forget_narratives(clock() + timedelta(days=179)) == 0
    assert await forget_narratives(clock() + timedelta(days=181)) == 1
    assert await forget_narratives(clock() + timedelta(days=500)) == 1
    assert await owner.fetchval("SELECT count(*) FROM narrative_spend") == 0
