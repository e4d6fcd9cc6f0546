"""What Guardian tells in words about a tenant's success, and the switch for a model's words."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from shared.contracts.postures import Instant, Request, Resource
from shared.contracts.words import ActionCode


class Source(StrEnum):
    """Who chose the words; the numbers are Guardian's either way."""

    AI = "ai"
    RULES = "rules"


class FallbackReason(StrEnum):
    """Why the rules speak and not the model."""

    SWITCHED_OFF = "switched_off"
    TOO_LITTLE_DATA = "too_little_data"
    PENDING = "pending"
    NO_KEY = "no_key"
    TENANT_CAP = "tenant_cap"
    MONTHLY_CAP = "monthly_cap"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    UNAUTHENTICATED = "unauthenticated"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    REDIRECTED = "redirected"
    PROVIDER_ERROR = "provider_error"
    DECLINED = "declined"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    REJECTED = "rejected"
    INTERNAL = "internal"


class Flaw(StrEnum):
    """Which check a model's answer did not pass."""

    SHAPE = "shape"
    TOO_LONG = "too_long"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_SLOT = "unknown_slot"
    NO_FACT = "no_fact"
    GAP_UNSAID = "gap_unsaid"
    CONTROL_CHARACTER = "control_character"
    URL = "url"
    MARKUP = "markup"
    DIGIT = "digit"
    NUMBER_WORD = "number_word"
    TIME_WORD = "time_word"
    STATE_WORD = "state_word"
    PERSON = "person"
    PII = "pii"
    INSTRUCTION = "instruction"
    PROMISE = "promise"
    INVENTION = "invention"
    NEGATION = "negation"
    UNIT_BESIDE_SLOT = "unit_beside_slot"
    QUALIFIED_SLOT = "qualified_slot"
    WRONG_SUBJECT = "wrong_subject"
    WRONG_DIRECTION = "wrong_direction"
    WRONG_TONE = "wrong_tone"
    UNBACKED_CLAIM = "unbacked_claim"


class Narrative(Resource, frozen=True, kw_only=True):
    """The tenant's success in at most 200 words; every number in it is one of the overview."""

    headline: Annotated[str, Meta(max_length=90)]
    bullets: Annotated[list[str], Meta(min_length=2, max_length=4)]
    commentary: str
    action: Annotated[
        ActionCode | None, Meta(description="The one action, of one of the tenant's own risks.")
    ]
    action_text: Annotated[str | None, Meta(description="The action, as a sentence.")]
    source: Source
    fallback_reason: Annotated[
        FallbackReason | None, Meta(description="Null where the model's words are told.")
    ]
    rejected_for: Annotated[
        Flaw | None, Meta(description="What was wrong with the model's words, where they were.")
    ] = None
    model: Annotated[str | None, Meta(description="Which model chose the words.")]
    generated_at: Instant


class NarrativeSettings(Resource, frozen=True, kw_only=True):
    """Whether a model may choose the words, and what that has cost this tenant this month."""

    is_ai_enabled: bool
    changed_at: Instant | None
    calls_this_month: int
    input_tokens_this_month: int
    output_tokens_this_month: int
    cost_usd_this_month: float


class NarrativeSettingsChange(Request, frozen=True, kw_only=True):
    """Switching a model on sends the overview's numbers and keys to its provider."""

    is_ai_enabled: bool
