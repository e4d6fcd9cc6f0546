"""`guardian export`: a tenant's rows in a file, straight from the database."""

import argparse
import asyncio
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from shared.contracts.exports import ROWS, Stream
from shared.contracts.postures import Instant
from shared.data import exports
from shared.data.exports import Position, Range
from shared.data.session import OperatorSession
from shared.data.tenants import has_tenant
from shared.domain import sheets
from shared.errors import InvalidError, NotFoundError, StartError
from shared.runtime.kept import kept_system
from shared.runtime.operators import operate
from shared.settings import DatabaseSettings, load

ROWS_AT_ONCE = 5_000
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian export STREAM --tenant ID [--since INSTANT] [--format csv] [--output FILE]`."""
    stream = Stream(options.stream)
    if options.tenant is None and stream is not Stream.DELETIONS:
        options.parser.error("--tenant is needed, except for the deletions of all tenants")
    since = _instant(options.since)
    settings = load(DatabaseSettings, kept_system(env, options.data_dir))
    with opened(options.output) as file:

        async def work(session: OperatorSession) -> int:
            if options.tenant is not None and not await has_tenant(session, options.tenant):
                raise NotFoundError(f"There is no tenant {options.tenant}.")
            return await _write(session, options, stream, since, file)

        count = asyncio.run(operate(settings.database_url, work))
    _say(count, is_end=True)
    return 0


async def _write(
    session: OperatorSession,
    options: argparse.Namespace,
    stream: Stream,
    since: datetime,
    file: BinaryIO,
) -> int:
    """Write page after page of what was stored before this began."""
    stored = Range(since, await exports.horizon(session))
    after: Position | None = None
    count = 0
    while True:
        rows = await exports.read_rows(
            session,
            stream,
            tenant_id=options.tenant,
            stored=stored,
            after=after,
            limit=ROWS_AT_ONCE,
        )
        if options.format == "csv":
            columns = ROWS[stream].__struct_fields__
            file.write(sheets.csv_text(rows, columns, is_headed=after is None))
        else:
            file.write(sheets.json_lines(rows))
        count += len(rows)
        if len(rows) < ROWS_AT_ONCE:
            return count
        after = Position(rows[-1]["updated_at"], rows[-1]["id"])
        _say(count, is_end=False)


@contextmanager
def opened(path: Path | None) -> Generator[BinaryIO, None, None]:
    """Standard output, or a file for its owner's eyes that is there only once it is whole."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise StartError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


def _instant(text: str | None) -> datetime:
    try:
        return BEGINNING if text is None else msgspec.convert(text, Instant)
    except msgspec.ValidationError:
        raise InvalidError("--since must be an instant such as 2026-11-01T06:00:00Z.") from None


def _say(count: int, *, is_end: bool) -> None:
    """How far it is: over and over on a terminal, once elsewhere."""
    is_watched = sys.stderr.isatty()
    if is_watched or is_end:
        start, end = ("\r", "\n" if is_end else "") if is_watched else ("", "\n")
        sys.stderr.write(f"{start}{count} rows{end}")
        sys.stderr.flush()
