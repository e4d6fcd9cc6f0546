"""The narrative's jobs: claim a question, have it answered, keep the answer and its price.

PostgreSQL remembers who asked; a job only says that somebody did. The API never waits for either.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from shared.contracts.narrative import FallbackReason, Flaw
from shared.data.session import WorkerSession, working
from shared.domain.ledger import Ledger, decode
from shared.domain.narrative import Draft

LEASE = timedelta(minutes=6)
"""Longer than the longest deadline: whoever has not answered by then was killed."""

MOST_CLAIMS = 3
NARRATIVES_LIVE = timedelta(days=180)
SPENDING_LIVES = timedelta(days=400)
RETIREMENT_WARNING = timedelta(days=30)
NOTHING_TO_DO = "nothing to do"
AT_ONCE = 20
"""How many waiting questions one round takes on."""

CAPS_LOCK = 7_326_108
"""Claims take turns, so that two of them never spend the same last cent."""

log = logging.getLogger("guardian.narratives")


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What came of one question: a draft that passed every check, or why there is none.

    Attributes:
        draft: None where `reason` says why.
        reason: None where there is a draft.
        flaw: what was wrong with the last answer, where it was rejected.
        calls: how many times the provider was asked.
        input_tokens: read by the model, in all of them.
        output_tokens: written, thinking included.
        cost_usd: their price.
    """

    draft: Draft | None = None
    reason: FallbackReason | None = None
    flaw: Flaw | None = None
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelState:
    """What the provider says about a model: `active`, `deprecated` or `retired`, and until when."""

    model: str
    lifecycle: str
    retires_at: datetime | None


class Narrator(Protocol):
    """Who chooses the words."""

    @property
    def model(self) -> str:
        """Whom it asks unless a question says otherwise."""
        ...

    def worst_cost_usd(self, ledger: Ledger) -> float:
        """What one telling may cost at most."""
        ...

    async def tell(self, ledger: Ledger, *, model: str, effort: str) -> Telling:
        """Find words for the ledger; never raises for what a provider does or says."""
        ...

    async def look_up(self, model: str) -> ModelState | None:
        """Ask what becomes of a model; None where the provider does not say."""
        ...


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent.

    Attributes:
        calls_per_day: of one tenant, by UTC day.
        usd_per_month: of all tenants together, by UTC month.
    """

    calls_per_day: int
    usd_per_month: float


def _to_nobody(_: UUID) -> None:
    """Nobody waits for answers."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the jobs work with; without a narrator they say that there is no key.

    Attributes:
        told: called with the tenant of each question that got its answer, once that is stored.
    """

    narrator: Narrator | None
    caps: Caps
    clock: Callable[[], datetime]
    told: Callable[[UUID], None] = _to_nobody


@dataclass(frozen=True, slots=True)
class _Claimed:
    tenant_id: UUID
    key: str
    ledger: Ledger
    model: str
    effort: str
    worst_cost_usd: float
    claimed_at: datetime


async def tell_one(desk: Desk, tenant_id: UUID, key: str) -> str:
    """Answer one question, unless somebody else does; say how it went.

    No transaction is open while the provider thinks.
    """
    claimed = await _claim(desk, tenant_id, key)
    if not isinstance(claimed, _Claimed):
        if claimed != NOTHING_TO_DO:
            desk.told(tenant_id)
        return claimed
    telling = Telling(reason=FallbackReason.NO_KEY)
    if desk.narrator is not None:
        try:
            telling = await desk.narrator.tell(
                claimed.ledger, model=claimed.model, effort=claimed.effort
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the rules go on speaking
            # Its text could hold what was asked or answered, so only its kind is told.
            log.error("the narrator broke: %s", type(error).__name__)  # noqa: TRY400
            telling = Telling(reason=FallbackReason.INTERNAL)
    await _settle(claimed, telling, now=desk.clock())
    desk.told(tenant_id)
    outcome = telling.reason or "ready"
    log.info("narrative %s after %d calls", outcome, telling.calls)
    return str(outcome)


async def tell_waiting(desk: Desk) -> int:
    """Answer the questions whose job was lost, or whose worker was killed; count them."""
    async with working(is_read_only=True) as session:
        rows = await session.connection.fetch(
            """
            SELECT tenant_id, key FROM narrative
            WHERE status = 'pending' AND (claimed_until IS NULL OR claimed_until < $1)
            ORDER BY requested_at LIMIT $2
            """,
            desk.clock(),
            AT_ONCE,
        )
    for row in rows:
        await tell_one(desk, row["tenant_id"], row["key"])
    return len(rows)


async def check_model(desk: Desk) -> str:
    """Keep what the provider says about the model, for `guardian doctor`; a day old at most."""
    if desk.narrator is None:
        return "no key"
    state = await desk.narrator.look_up(desk.narrator.model)
    if state is None:
        return "unknown"
    now = desk.clock()
    async with working() as session:
        await session.connection.execute(
            """
            INSERT INTO ai_model (model, lifecycle, retires_at, checked_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (model) DO UPDATE SET lifecycle = excluded.lifecycle,
              retires_at = excluded.retires_at, checked_at = excluded.checked_at
            """,
            state.model,
            state.lifecycle,
            state.retires_at,
            now,
        )
    if state.retires_at is not None and state.retires_at - now < RETIREMENT_WARNING:
        log.warning("the model %s retires on %s", state.model, state.retires_at.date())
    return state.lifecycle


async def forget_narratives(now: datetime) -> int:
    """Delete what nobody can ask for any more, and spending of more than a year ago; count both."""
    async with working() as session:
        return await session.connection.fetchval(
            """
            WITH told AS (DELETE FROM narrative WHERE requested_at < $1 RETURNING 1),
              spent AS (DELETE FROM narrative_spend WHERE day < $2::date RETURNING 1)
            SELECT (SELECT count(*) FROM told) + (SELECT count(*) FROM spent)
            """,
            now - NARRATIVES_LIVE,
            (now - SPENDING_LIVES).date(),
        )


async def _claim(desk: Desk, tenant_id: UUID, key: str) -> _Claimed | str:
    """Take the question and reserve its worst price, or say why not."""
    now = desk.clock()
    async with working() as session:
        await session.connection.execute("SELECT pg_advisory_xact_lock($1)", CAPS_LOCK)
        row = await session.connection.fetchrow(
            """
            UPDATE narrative SET claims = claims + 1, claimed_until = $3
            WHERE tenant_id = $1 AND key = $2 AND status = 'pending'
              AND (claimed_until IS NULL OR claimed_until < $4)
            RETURNING ledger, model, effort, claims
            """,
            tenant_id,
            key,
            now + LEASE,
            now,
        )
        if row is None:
            return NOTHING_TO_DO
        refused, ledger = _judged(row["claims"], row["ledger"])
        if refused is None and not await _is_switched_on(session, tenant_id):
            refused = FallbackReason.SWITCHED_OFF
        worst = 0.0
        if refused is None and ledger is not None and desk.narrator is not None:
            worst = desk.narrator.worst_cost_usd(ledger)
            refused = await _over_the_cap(session, desk.caps, tenant_id, worst=worst, now=now)
        if refused is not None or ledger is None:
            reason = refused or FallbackReason.INTERNAL
            await _fail(session, tenant_id, key, reason, now=now)
            return str(reason)
        if worst:
            await _spend(session, tenant_id, now=now, calls=1, cost_usd=worst)
    return _Claimed(tenant_id, key, ledger, row["model"], row["effort"], worst, now)


def _judged(claims: int, encoded: str) -> tuple[FallbackReason | None, Ledger | None]:
    if claims > MOST_CLAIMS:
        return FallbackReason.INTERNAL, None
    try:
        return None, decode(encoded)
    except msgspec.MsgspecError:
        return FallbackReason.INTERNAL, None  # asked by another version


async def _is_switched_on(session: WorkerSession, tenant_id: UUID) -> bool:
    return bool(
        await session.connection.fetchval(
            "SELECT is_ai_enabled FROM narrative_setting WHERE tenant_id = $1", tenant_id
        )
    )


async def _over_the_cap(
    session: WorkerSession, caps: Caps, tenant_id: UUID, *, worst: float, now: datetime
) -> FallbackReason | None:
    calls: int = await session.connection.fetchval(
        "SELECT coalesce(sum(calls), 0) FROM narrative_spend WHERE tenant_id = $1 AND day = $2",
        tenant_id,
        now.date(),
    )
    if calls >= caps.calls_per_day:
        return FallbackReason.TENANT_CAP
    spent: float = await session.connection.fetchval(
        "SELECT coalesce(sum(cost_usd), 0) FROM narrative_spend WHERE day BETWEEN $1 AND $2",
        now.date().replace(day=1),
        now.date(),
    )
    return FallbackReason.MONTHLY_CAP if spent + worst > caps.usd_per_month else None


async def _settle(claimed: _Claimed, telling: Telling, *, now: datetime) -> None:
    async with working() as session:
        if claimed.worst_cost_usd:
            await _spend(
                session,
                claimed.tenant_id,
                # On the day of the claim, where the worst case stands.
                now=claimed.claimed_at,
                calls=telling.calls - 1,
                input_tokens=telling.input_tokens,
                output_tokens=telling.output_tokens,
                cost_usd=telling.cost_usd - claimed.worst_cost_usd,
            )
        draft = None if telling.draft is None else msgspec.json.encode(telling.draft).decode()
        reason = None if draft is not None else telling.reason or FallbackReason.INTERNAL
        await session.connection.execute(
            """
            UPDATE narrative SET status = $3, draft = $4::jsonb, reason = $5, flaw = $6,
              finished_at = $7, claimed_until = NULL,
              input_tokens = input_tokens + $8, output_tokens = output_tokens + $9,
              cost_usd = cost_usd + $10
            WHERE tenant_id = $1 AND key = $2 AND status = 'pending'
            """,
            claimed.tenant_id,
            claimed.key,
            "failed" if draft is None else "ready",
            draft,
            reason,
            telling.flaw,
            now,
            telling.input_tokens,
            telling.output_tokens,
            telling.cost_usd,
        )


async def _fail(
    session: WorkerSession, tenant_id: UUID, key: str, reason: FallbackReason, *, now: datetime
) -> None:
    await session.connection.execute(
        """
        UPDATE narrative SET status = 'failed', reason = $3, flaw = NULL, finished_at = $4,
          claimed_until = NULL
        WHERE tenant_id = $1 AND key = $2
        """,
        tenant_id,
        key,
        reason,
        now,
    )


async def _spend(
    session: WorkerSession,
    tenant_id: UUID,
    *,
    now: datetime,
    calls: int,
    cost_usd: float,
    input_tokens: int = 0,
    output_tokens: int = 0,
) -> None:
    await session.connection.execute(
        """
        INSERT INTO narrative_spend AS spend
          (tenant_id, day, calls, input_tokens, output_tokens, cost_usd)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, day) DO UPDATE SET calls = spend.calls + excluded.calls,
          input_tokens = spend.input_tokens + excluded.input_tokens,
          output_tokens = spend.output_tokens + excluded.output_tokens,
          cost_usd = greatest(spend.cost_usd + excluded.cost_usd, 0)
        """,
        tenant_id,
        now.date(),
        calls,
        input_tokens,
        output_tokens,
        cost_usd,
    )
