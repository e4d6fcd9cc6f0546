"""The narrative as it is asked for: the rules' words at once, a model's when they are there."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from api.services.audit import Witness, record
from shared.contracts.narrative import (
    FallbackReason,
    Flaw,
    Narrative,
    NarrativeSettings,
    NarrativeSettingsChange,
    Source,
)
from shared.contracts.success import Overview
from shared.data.audit import Act
from shared.data.connection import Row
from shared.data.session import TenantSession
from shared.domain.ledger import Ledger, canonical, identity, ledger_of
from shared.domain.narrative import Draft, Told, by_rules, tell
from shared.domain.narrative_checks import refusal
from shared.domain.narrative_instructions import INSTRUCTIONS

FAILURES_KEEP = timedelta(minutes=15)
"""So long a question that failed is not asked again."""


@dataclass(frozen=True, slots=True)
class Respondent:
    """Which model is asked, and how hard it shall think; empty for its own default."""

    model: str
    effort: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A narrative to answer with, and the key of a question to be answered later, if there is."""

    narrative: Narrative
    key: str | None = None


async def tell_narrative(
    session: TenantSession, overview: Overview, *, respondent: Respondent, now: datetime
) -> Asked:
    """Tell how the tenant stands, now; ask the model unless the same was asked before.

    Of any number of callers with the same facts, one gets the key of a question to hand on.
    """
    ledger = ledger_of(overview)
    if not ledger.is_worth_telling:
        return Asked(_from_rules(ledger, FallbackReason.TOO_LITTLE_DATA, now=now))
    if not await _is_switched_on(session):
        return Asked(_from_rules(ledger, FallbackReason.SWITCHED_OFF, now=now))
    key = identity(
        ledger,
        instructions=INSTRUCTIONS,
        model=respondent.model,
        effort=respondent.effort,
    )
    row = await session.connection.fetchrow(
        "SELECT status, draft, reason, flaw, model, finished_at FROM narrative "
        "WHERE tenant_id = $1 AND key = $2",
        session.tenant_id,
        key,
    )
    if row is None or (row["status"] == "failed" and row["finished_at"] + FAILURES_KEEP <= now):
        is_ours = await _ask(session, key, ledger, respondent, now=now)
        narrative = _from_rules(ledger, FallbackReason.PENDING, now=now)
        return Asked(narrative, key if is_ours else None)
    return Asked(_from_row(row, ledger, now=now))


async def read_settings(session: TenantSession, *, now: datetime) -> NarrativeSettings:
    """Whether the model may write, and what it cost since the month began, by UTC."""
    row = await session.connection.fetchrow(
        """
        SELECT coalesce(sum(calls), 0)::bigint AS calls,
          coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
          coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
          coalesce(sum(cost_usd), 0)::double precision AS cost_usd,
          (SELECT is_ai_enabled FROM narrative_setting WHERE tenant_id = $1) AS is_ai_enabled,
          (SELECT changed_at FROM narrative_setting WHERE tenant_id = $1) AS changed_at
        FROM narrative_spend WHERE tenant_id = $1 AND day >= $2
        """,
        session.tenant_id,
        now.date().replace(day=1),
    )
    if row is None:
        raise RuntimeError("an aggregate without groups answers one row")
    return NarrativeSettings(
        is_ai_enabled=bool(row["is_ai_enabled"]),
        changed_at=row["changed_at"],
        calls_this_month=row["calls"],
        input_tokens_this_month=row["input_tokens"],
        output_tokens_this_month=row["output_tokens"],
        cost_usd_this_month=row["cost_usd"],
    )


async def change_settings(
    session: TenantSession, change: NarrativeSettingsChange, *, witness: Witness
) -> NarrativeSettings:
    """Let the model write, or no longer; recorded, since it decides what leaves the house."""
    now = witness.clock()
    before = await _is_switched_on(session)
    await session.connection.execute(
        """
        INSERT INTO narrative_setting (tenant_id, is_ai_enabled, changed_at) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id) DO UPDATE SET is_ai_enabled = excluded.is_ai_enabled,
          changed_at = excluded.changed_at
        """,
        session.tenant_id,
        change.is_ai_enabled,
        now,
    )
    act = Act(
        action="narrative.settings",
        target_kind="narrative",
        target_id=str(session.tenant_id),
        before={"is_ai_enabled": before},
        after={"is_ai_enabled": change.is_ai_enabled},
    )
    await record(session, act, witness=witness, tenant_id=session.tenant_id)
    return await read_settings(session, now=now)


async def _is_switched_on(session: TenantSession) -> bool:
    return bool(
        await session.connection.fetchval(
            "SELECT is_ai_enabled FROM narrative_setting WHERE tenant_id = $1", session.tenant_id
        )
    )


async def _ask(
    session: TenantSession, key: str, ledger: Ledger, respondent: Respondent, *, now: datetime
) -> bool:
    """Write the question down; whether it was us who did."""
    written = await session.connection.fetchval(
        """
        INSERT INTO narrative AS told (tenant_id, key, status, model, effort, ledger, requested_at)
        VALUES ($1, $2, 'pending', $3, $4, $5::jsonb, $6)
        ON CONFLICT (tenant_id, key) DO UPDATE SET status = 'pending', reason = NULL, flaw = NULL,
          finished_at = NULL, claims = 0, claimed_until = NULL, ledger = excluded.ledger,
          requested_at = excluded.requested_at
        WHERE told.status = 'failed' AND told.finished_at <= $7
        RETURNING 1
        """,
        session.tenant_id,
        key,
        respondent.model,
        respondent.effort,
        canonical(ledger).decode(),
        now,
        now - FAILURES_KEEP,
    )
    return written is not None


def _from_row(row: Row, ledger: Ledger, *, now: datetime) -> Narrative:
    if row["status"] == "pending":
        return _from_rules(ledger, FallbackReason.PENDING, now=now)
    if row["status"] == "failed":
        flaw = None if row["flaw"] is None else Flaw(row["flaw"])
        return _from_rules(ledger, FallbackReason(row["reason"]), flaw=flaw, now=now)
    draft = msgspec.json.decode(row["draft"], type=Draft)
    # Ages have moved on since, and with them the words' number and the headline's length.
    refused = refusal(draft, ledger)
    if refused is not None:
        return _from_rules(ledger, FallbackReason.REJECTED, flaw=refused.flaw, now=now)
    return _narrative(
        tell(draft, ledger),
        source=Source.AI,
        model=row["model"],
        generated_at=row["finished_at"],
    )


def _from_rules(
    ledger: Ledger, reason: FallbackReason, *, now: datetime, flaw: Flaw | None = None
) -> Narrative:
    return _narrative(
        tell(by_rules(ledger), ledger),
        source=Source.RULES,
        reason=reason,
        flaw=flaw,
        generated_at=now,
    )


def _narrative(
    told: Told,
    *,
    source: Source,
    generated_at: datetime,
    reason: FallbackReason | None = None,
    flaw: Flaw | None = None,
    model: str | None = None,
) -> Narrative:
    return Narrative(
        headline=told.headline,
        bullets=told.bullets,
        commentary=told.commentary,
        action=told.action,
        action_text=told.action_text,
        source=source,
        fallback_reason=reason,
        rejected_for=flaw,
        model=model,
        generated_at=generated_at,
    )
