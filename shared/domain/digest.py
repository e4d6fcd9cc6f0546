"""The weekly digest: the facts of a narrative as a payload, and the way back to its words.

What is stored and travels to the renderer is typed facts, never text, so the guard that keeps
people out of payloads binds a digest like any event. A model's words stay in the house: the rules
write what a chat reads.
"""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.contracts.payloads import SCHEMA_VERSION, Payload
from shared.contracts.words import WEEKLY_DIGEST, ActionCode, RiskCode, Trend
from shared.domain.ledger import Concern, Fact, FactName, Ledger, Level
from shared.domain.mappers import seal
from shared.domain.narrative import Told, by_rules, tell

_WORD = r"\A[A-Za-z0-9 ()/&._-]{0,40}\Z"
_FIT = re.compile(_WORD)

Word = Annotated[
    str,
    Meta(
        pattern=_WORD,
        description="A token, or a label of the catalogue; empty where the label was unfit.",
    ),
]


class StatedFact(Payload, frozen=True, kw_only=True):
    """One fact of the ledger."""

    name: FactName
    numbers: list[float]
    words: list[Word]
    direction: Trend | None
    level: Level | None
    age_days: int | None


class StatedConcern(Payload, frozen=True, kw_only=True):
    """One of the tenant's risks and the action that answers it."""

    code: RiskCode
    action: ActionCode


class DigestData(Payload, frozen=True, kw_only=True):
    """What a digest states; `monday` is the first day after the week that it looks back on."""

    monday: date
    facts: list[StatedFact]
    concerns: list[StatedConcern]


class _Body(Payload, frozen=True, kw_only=True):
    type: Literal["weekly_digest"]
    timestamp: datetime
    scope: None
    schema_version: int
    data: DigestData


def digest_body(ledger: Ledger, *, slot: datetime) -> bytes:
    """Encode what a ledger holds as the body of a digest.

    Args:
        ledger: of the tenant, at the time of writing.
        slot: the Monday's instant that it is due at.

    A label that does not fit is left out, as the narrative leaves out an unfit one.

    Raises:
        PayloadRefusedError: a word looks like personal data.
    """
    data = DigestData(
        monday=slot.astimezone(UTC).date(),
        facts=[
            StatedFact(
                name=fact.name,
                numbers=list(fact.numbers),
                words=[word if _FIT.fullmatch(word) else "" for word in fact.words],
                direction=fact.direction,
                level=fact.level,
                age_days=fact.age_days,
            )
            for fact in ledger.facts
        ],
        concerns=[StatedConcern(code=one.code, action=one.action) for one in ledger.concerns],
    )
    return msgspec.json.encode(
        {
            "type": WEEKLY_DIGEST,
            "timestamp": slot.astimezone(UTC),
            "scope": None,
            "schema_version": SCHEMA_VERSION,
            "data": msgspec.Raw(seal(data)),
        }
    )


def read_digest(body: bytes) -> tuple[datetime, Told]:
    """Open a body that `digest_body` made: the instant it was due at, and its words.

    Raises:
        msgspec.ValidationError: the body is not one of those.
    """
    read = _BODY.decode(body)
    ledger = Ledger(
        facts=tuple(
            Fact(
                name=fact.name,
                numbers=tuple(fact.numbers),
                words=tuple(fact.words),
                direction=fact.direction,
                level=fact.level,
                age_days=fact.age_days,
            )
            for fact in read.data.facts
        ),
        concerns=tuple(Concern(code=one.code, action=one.action) for one in read.data.concerns),
    )
    return read.timestamp, tell(by_rules(ledger), ledger)


_BODY = msgspec.json.Decoder(_Body)
