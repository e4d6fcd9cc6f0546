"""The narrator that asks Claude, and the only importer of anthropic.

Nothing a provider can do raises here: every answer ends as a checked draft or as the reason why
there is none. Neither the key nor a question nor an answer is ever logged.
"""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anthropic
import msgspec
from anthropic.types import MessageParam, OutputConfigParam

from shared.contracts.narrative import FallbackReason, Flaw
from shared.domain.ledger import Ledger
from shared.domain.narrative import Draft
from shared.domain.narrative_checks import refusal
from shared.domain.narrative_instructions import INSTRUCTIONS, objection, question_of, schema_of
from shared.settings import AiSettings
from worker.narratives import ModelState, Telling

ANSWERS = 2
"""One retry, which is told what was wrong with the first answer."""

SENDS = 2
"""A provider that is busy for a moment is asked once more."""

LONGEST_PAUSE_S = 5.0
"""Told to wait longer, we rather give up: the job is asked again in a quarter of an hour."""

PAUSE_S = 0.5
CONNECT_S = 5.0
READ_S = 30.0
REFUSED_FROM = 400
TALKATIVE = ("anthropic", "httpx2", "httpcore2")
"""At debug level the first logs whole requests; `ANTHROPIC_LOG` could ask it to."""


class AnthropicNarrator:
    """Asks Claude for words, checks them, and asks once more where they do not pass."""

    def __init__(self, key: str, settings: AiSettings) -> None:
        """Open a client; it connects when it is first asked.

        Args:
            key: the provider's.
            settings: model, limits and prices; its own key is not looked at.
        """
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._settings = settings
        # Everything explicit: left out, it would come from the environment or a file at home. And
        # no redirect: whoever it leads to would be handed the key.
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=settings.guardian_ai_base_url,
            max_retries=0,
            open_telemetry=False,
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
            timeout=anthropic.Timeout(READ_S, connect=CONNECT_S),
        )

    @property
    def model(self) -> str:
        """The configured one."""
        return self._settings.guardian_ai_model

    def worst_cost_usd(self, ledger: Ledger) -> float:
        """Every answer as long as it may be, and a token for every two characters asked."""
        asked = len(INSTRUCTIONS) + len(question_of(ledger)) + len(json.dumps(schema_of(ledger)))
        answered = self._settings.guardian_ai_max_tokens
        return ANSWERS * self._cost_usd(asked // 2 + answered, answered)

    async def tell(self, ledger: Ledger, *, model: str, effort: str) -> Telling:
        """Find words for the ledger within the deadline, retries included."""
        tally = _Tally()
        conversation = _Conversation(model, effort, ledger)
        try:
            async with asyncio.timeout(self._settings.guardian_ai_deadline_seconds):
                verdict = await self._converse(conversation, tally)
        except TimeoutError:
            verdict = _Verdict(reason=FallbackReason.TIMEOUT)
        cost = self._cost_usd(tally.input_tokens, tally.output_tokens)
        if verdict.reason is FallbackReason.TIMEOUT:
            # What was cut off may have been written all the same, and would be paid for.
            cost += self.worst_cost_usd(ledger) / ANSWERS
        return Telling(
            draft=verdict.draft,
            reason=verdict.reason,
            flaw=verdict.flaw,
            calls=tally.calls,
            input_tokens=tally.input_tokens,
            output_tokens=tally.output_tokens,
            cost_usd=cost,
        )

    async def look_up(self, model: str) -> ModelState | None:
        """Ask what becomes of `model`; costs no tokens."""
        try:
            async with asyncio.timeout(self._settings.guardian_ai_deadline_seconds):
                answer = await self._client.models.with_raw_response.retrieve(model)
            told = msgspec.json.decode(await answer.read(), type=_ModelAnswer)
        except (anthropic.AnthropicError, msgspec.MsgspecError, TimeoutError):
            return None
        return ModelState(model, told.lifecycle, told.retires_at)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _converse(self, conversation: "_Conversation", tally: "_Tally") -> "_Verdict":
        verdict = _Verdict()
        for _ in range(ANSWERS):
            reply = await self._ask(conversation, tally)
            if isinstance(reply, FallbackReason):
                return _Verdict(reason=reply)
            verdict, part = _judge(reply, conversation.ledger)
            if verdict.draft is not None or verdict.reason is FallbackReason.DECLINED:
                break
            conversation.object(reply, verdict, part)
        return verdict

    async def _ask(
        self, conversation: "_Conversation", tally: "_Tally"
    ) -> "_Reply | FallbackReason":
        """Send the conversation, and once more if the provider is busy or out of reach."""
        reason = FallbackReason.UNREACHABLE
        for sent in range(1, SENDS + 1):
            tally.calls += 1
            try:
                answer = await self._client.messages.with_raw_response.create(
                    model=conversation.model,
                    max_tokens=self._settings.guardian_ai_max_tokens,
                    system=INSTRUCTIONS,
                    messages=conversation.messages,
                    output_config=conversation.output,
                )
                reply = msgspec.json.decode(await answer.read(), type=_Reply)
            except anthropic.APITimeoutError:
                return FallbackReason.TIMEOUT
            except anthropic.APIConnectionError:
                pause = PAUSE_S
            except anthropic.APIStatusError as error:
                reason, pause = _refused(error)
            except (anthropic.AnthropicError, msgspec.MsgspecError):
                return FallbackReason.MALFORMED
            else:
                tally.input_tokens += reply.usage.read
                tally.output_tokens += reply.usage.output_tokens
                return reply
            if pause is None or pause > LONGEST_PAUSE_S or sent == SENDS:
                return reason
            await asyncio.sleep(pause)
        return reason

    def _cost_usd(self, read: int, written: int) -> float:
        prices = self._settings
        return (
            read * prices.guardian_ai_input_usd_per_million
            + written * prices.guardian_ai_output_usd_per_million
        ) / 1_000_000


@dataclass(slots=True)
class _Tally:
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class _Verdict:
    draft: Draft | None = None
    reason: FallbackReason | None = None
    flaw: Flaw | None = None


class _Conversation:
    """What is asked, grown by one objection at most."""

    def __init__(self, model: str, effort: str, ledger: Ledger) -> None:
        self.model = model
        self.ledger = ledger
        self.messages: list[MessageParam] = [{"role": "user", "content": question_of(ledger)}]
        self.output: OutputConfigParam = {
            "format": {"type": "json_schema", "schema": schema_of(ledger)}
        }
        if effort:
            self.output["effort"] = effort  # pyright: ignore[reportGeneralTypeIssues]

    def object(self, reply: "_Reply", verdict: _Verdict, part: str) -> None:
        """Say what was wrong, in our own words."""
        wrong = objection(verdict.flaw or Flaw.SHAPE, part)
        self.messages.append({"role": "assistant", "content": reply.text or "{}"})
        self.messages.append({"role": "user", "content": wrong})


class _Usage(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None

    @property
    def read(self) -> int:
        """All that was read, cached or not: the dearer assumption."""
        cached = (self.cache_creation_input_tokens or 0) + (self.cache_read_input_tokens or 0)
        return self.input_tokens + cached


class _Block(msgspec.Struct):
    type: str
    text: str | None = None


class _Reply(msgspec.Struct):
    """What of an answer counts; a block of thinking may come before the text."""

    stop_reason: str | None
    content: list[_Block]
    usage: _Usage

    @property
    def text(self) -> str:
        """The text blocks, joined."""
        return "".join(block.text or "" for block in self.content if block.type == "text")


class _ModelAnswer(msgspec.Struct):
    lifecycle: str
    retires_at: datetime | None = None


def _judge(reply: _Reply, ledger: Ledger) -> tuple[_Verdict, str]:
    """Whether an answer may be told; the part that may not."""
    match reply.stop_reason:
        case "end_turn":
            pass
        case "refusal":
            return _Verdict(reason=FallbackReason.DECLINED), "answer"
        case "max_tokens":
            return _Verdict(reason=FallbackReason.TRUNCATED, flaw=Flaw.TOO_LONG), "answer"
        case _:
            return _Verdict(reason=FallbackReason.MALFORMED), "answer"
    try:
        draft = msgspec.json.decode(reply.text, type=Draft)
    except msgspec.MsgspecError:
        return _Verdict(reason=FallbackReason.MALFORMED), "answer"
    refused = refusal(draft, ledger)
    if refused is not None:
        return _Verdict(reason=FallbackReason.REJECTED, flaw=refused.flaw), refused.part
    return _Verdict(draft=draft), ""


_BY_STATUS = {
    401: FallbackReason.UNAUTHENTICATED,
    403: FallbackReason.UNAUTHENTICATED,
    408: FallbackReason.TIMEOUT,
    429: FallbackReason.RATE_LIMITED,
    503: FallbackReason.OVERLOADED,
    529: FallbackReason.OVERLOADED,
}
_WORTH_ANOTHER_TRY = {408, 409, 429}
_SERVER_FAULT_FROM = 500


def _refused(error: anthropic.APIStatusError) -> tuple[FallbackReason, float | None]:
    """Why the provider refused, and after how many seconds it may be asked again, if at all."""
    status = error.status_code
    if status < REFUSED_FROM:
        return FallbackReason.REDIRECTED, None
    reason = _BY_STATUS.get(status, FallbackReason.PROVIDER_ERROR)
    if status not in _WORTH_ANOTHER_TRY and status < _SERVER_FAULT_FROM:
        return reason, None
    told: Any = error.response.headers.get("retry-after")
    try:
        return reason, PAUSE_S if told is None else max(float(told), 0.0)
    except ValueError:
        return reason, None  # a date: longer than we wait
