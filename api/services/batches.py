"""A batch: many observations, a line each, each with its own result.

Lines are stored a chunk a transaction. A refused line stores nothing and loses no other.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import NamedTuple, cast
from uuid import UUID

from api.bodies import decode
from api.services.acceptance import Observation
from api.services.ingest import Accepted, Intake, Told, ingest_all
from shared.contracts.batches import Line, UpliftPlanLine
from shared.contracts.observations import LineResult
from shared.contracts.words import Scope
from shared.data.session import TenantSession
from shared.errors import GuardianError, InvalidError, MalformedError, TooLargeError

MAXIMUM_BYTES = 64 * 1024 * 1024
LONGEST_LINE = 1024 * 1024
MOST_LINES = 10_000
CHUNK_LINES = 100
"""Preparing a chunk keeps other requests waiting, some milliseconds for a hundred lines."""


class Numbered(NamedTuple):
    """A line as it came, or why it was not read; numbers count from 1."""

    number: int
    content: bytes | GuardianError


class Chunk(NamedTuple):
    """What became of each line, which domains have news, which integrations have something due."""

    results: list[LineResult]
    domains: frozenset[Scope]
    woken: frozenset[UUID]


async def chunks(stream: AsyncIterator[bytes]) -> AsyncGenerator[list[Numbered], None]:
    """Cut what streams in into lines, and hand them on in chunks; blank lines only count.

    Once it is too much, one refused line says where reading stopped.
    """
    waiting: list[Numbered] = []
    async for number, content in _lines(stream):
        if number > MOST_LINES:
            refusal = TooLargeError(
                f"A batch has at most {MOST_LINES} lines; reading stopped here."
            )
            waiting.append(Numbered(number, refusal))
            break
        if isinstance(content, GuardianError) or content.strip():
            waiting.append(Numbered(number, content))
        if len(waiting) == CHUNK_LINES:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


async def store_chunk(
    session: TenantSession, lines: Sequence[Numbered], *, intake: Intake
) -> Chunk:
    """Store a chunk."""
    read = [_read(line.content) for line in lines]
    told = [one for one in read if isinstance(one, Told)]
    stored = iter(await ingest_all(session, told, intake=intake))
    outcomes = [next(stored) if isinstance(one, Told) else one for one in read]
    accepted = [one for one in outcomes if isinstance(one, Accepted)]
    return Chunk(
        [_result(line.number, one) for line, one in zip(lines, outcomes, strict=True)],
        frozenset(one.domain for one in accepted),
        frozenset[UUID]().union(*(one.woken for one in accepted)),
    )


async def _lines(stream: AsyncIterator[bytes]) -> AsyncGenerator[Numbered, None]:
    """Cut at line feeds, never keeping more than one line."""
    number, total = 1, 0
    rest = bytearray()
    is_long = False
    async for block in stream:
        total += len(block)
        if total > MAXIMUM_BYTES:
            refusal = TooLargeError(
                f"A batch has at most {MAXIMUM_BYTES} bytes; reading stopped here."
            )
            yield Numbered(number, refusal)
            return
        parts = block.split(b"\n")
        for left, part in enumerate(parts, 1 - len(parts)):
            is_long = is_long or len(rest) + len(part) > LONGEST_LINE
            if is_long:
                rest.clear()
            else:
                rest += part
            if left:  # a line feed stood behind this part
                yield Numbered(number, _too_long() if is_long else bytes(rest))
                rest.clear()
                number, is_long = number + 1, False
    if rest or is_long:
        yield Numbered(number, _too_long() if is_long else bytes(rest))


def _read(content: bytes | GuardianError) -> Told | GuardianError:
    if isinstance(content, GuardianError):
        return content
    try:
        line = decode(content, cast("type[Observation]", Line))
    except (InvalidError, MalformedError) as refusal:
        return refusal
    return Told(line, line.plan_id if isinstance(line, UpliftPlanLine) else None)


def _result(number: int, outcome: Accepted | GuardianError) -> LineResult:
    if isinstance(outcome, Accepted):
        return LineResult(line=number, receipt=outcome.receipt)
    return LineResult(line=number, code=outcome.code, detail=outcome.detail)


def _too_long() -> TooLargeError:
    return TooLargeError(f"A line has at most {LONGEST_LINE} bytes.")
