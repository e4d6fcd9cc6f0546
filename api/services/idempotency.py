"""The same request sent twice is done once: the first answer is kept and given again.

The answer is kept in the transaction that does the work, so there is never work without its answer
nor an answer without its work.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from shared.data.session import TenantSession
from shared.errors import ConflictError, FieldError, InvalidError

KEPT_FOR = timedelta(days=30)

_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class TwinError(ConflictError):
    """The same request was being answered at the same time: ask for its answer."""


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that may be sent again: the key it is kept under, and a digest of what it says."""

    key: str
    digest: bytes


def repeatable(header: str | None, *, route: str, body: bytes) -> Repeatable | None:
    """Read the header `Idempotency-Key`; None where the caller sent none.

    Args:
        header: what was sent.
        route: method and path, and whatever else decides about the answer.
        body: the body as it came.

    Raises:
        InvalidError: the key is not 1 to 255 printable ASCII characters.
    """
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        refused = FieldError(
            _HEADER, "malformed", "1 to 255 printable ASCII characters are expected."
        )
        raise InvalidError(errors=[refused])
    return Repeatable(header, sha256(b"\0".join((route.encode(), body))).digest())


def part_of(header: str | None, *, route: str, body: bytes, number: int) -> Repeatable | None:
    """Give part `number` of a long request a key of its own, so that each part is done once.

    Raises:
        InvalidError: as `repeatable`.
    """
    whole = repeatable(header, route=route, body=body)
    if whole is None:
        return None
    # A digest has a length that fits, and no caller's own key looks like it by chance.
    name = sha256(f"{whole.key}\0{number}".encode()).hexdigest()
    return Repeatable(f"part:{name}", whole.digest)


async def remembered(session: TenantSession, request: Repeatable, *, now: datetime) -> bytes | None:
    """Find the answer given before, if any; after 30 days there is none.

    Raises:
        ConflictError: the key was used for another request.
    """
    row = await session.connection.fetchrow(
        """
        SELECT digest, answer, created_at FROM idempotency_key
        WHERE tenant_id = $1 AND key = $2
        """,
        session.tenant_id,
        request.key,
    )
    if row is None:
        return None
    if row["created_at"] <= now - KEPT_FOR:
        await session.connection.execute(
            "DELETE FROM idempotency_key WHERE tenant_id = $1 AND key = $2",
            session.tenant_id,
            request.key,
        )
        return None
    if row["digest"] != request.digest:
        raise ConflictError(f"This {_HEADER} was used for another request.")
    return row["answer"]


async def remember(
    session: TenantSession, request: Repeatable, answer: bytes, *, now: datetime
) -> None:
    """Keep the answer, to be committed with the work.

    Raises:
        TwinError: the same key was answered meanwhile; nothing of this session may be kept.
    """
    kept = await session.connection.fetchval(
        """
        INSERT INTO idempotency_key (tenant_id, key, digest, answer, created_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING true
        """,
        session.tenant_id,
        request.key,
        request.digest,
        answer,
        now,
    )
    if not kept:
        raise TwinError
