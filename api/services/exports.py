"""A page of a stream, and the cursor that leads to the next one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from shared.contracts.exports import ROWS, ExportFormat, Stream, StreamInfo
from shared.data import exports
from shared.data.exports import Position, Range
from shared.data.session import OperatorSession, TenantSession
from shared.domain import sheets
from shared.errors import FieldError, InvalidError, NotFoundError

MOST_ROWS = 10_000
DEFAULT_ROWS = 1_000
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

CONTENT_TYPES = {
    None: "application/json",
    ExportFormat.JSONL: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8; header=present",
}


class Asked(NamedTuple):
    """Which page of which stream."""

    stream: Stream
    since: datetime
    before: datetime | None
    after: Position | None
    limit: int


class Found(NamedTuple):
    """Rows, and where the next page begins; None where this is the last."""

    rows: Sequence[Mapping[str, Any]]
    next_cursor: str | None


def stream_named(name: str) -> Stream:
    """The stream of this name.

    Raises:
        NotFoundError: there is none.
    """
    try:
        return Stream(name)
    except ValueError:
        known = ", ".join(Stream)
        raise NotFoundError(f"There is no such stream; there are {known}.") from None


async def find_page(
    session: TenantSession | OperatorSession, asked: Asked, *, tenant_id: UUID | None
) -> Found:
    """Read one page; rows of which it is not yet sure that none stored before is missing wait."""
    settled = await exports.horizon(session)
    stored = Range(asked.since, min(settled, asked.before or settled))
    rows = await exports.read_rows(
        session,
        asked.stream,
        tenant_id=tenant_id,
        stored=stored,
        after=asked.after,
        limit=asked.limit + 1,
    )
    shown = rows[: asked.limit]
    if len(rows) <= asked.limit:
        return Found(shown, None)
    return Found(shown, _cursor(Position(shown[-1]["updated_at"], shown[-1]["id"])))


def written(found: Found, stream: Stream, kind: ExportFormat | None) -> bytes:
    """The page as it is sent."""
    match kind:
        case ExportFormat.JSONL:
            return sheets.json_lines(found.rows)
        case ExportFormat.CSV:
            return sheets.csv_text(found.rows, ROWS[stream].__struct_fields__)
        case None:
            rows = [sheets.plain(row) for row in found.rows]
            return msgspec.json.encode({"data": rows, "next_cursor": found.next_cursor})


def described(stream: Stream) -> StreamInfo:
    """How the stream is read, and the schema of its rows."""
    return StreamInfo(
        stream=stream,
        primary_key=["id"],
        cursor_field="updated_at",
        row_schema=msgspec.json.schema(ROWS[stream]),
    )


def position_of(cursor: str | None) -> Position | None:
    """Read a cursor back; None is the first page.

    Raises:
        InvalidError: it is not a cursor of an export.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        said = urlsafe_b64decode(padded)
        updated_at, row_id = msgspec.json.decode(said, type=tuple[datetime, str])
        is_sound = updated_at.tzinfo is not None and "\0" not in row_id
    except (UnicodeEncodeError, Base64Error, msgspec.DecodeError, UnicodeDecodeError):
        is_sound = False
    else:
        if is_sound:
            return Position(updated_at, row_id)
    refused = FieldError("cursor", "malformed", "Send `next_cursor` back as it was answered.")
    raise InvalidError(errors=[refused])


def _cursor(last: Position) -> str:
    return urlsafe_b64encode(msgspec.json.encode(last)).decode().rstrip("=")
