"""Rows as text: JSON, JSON Lines, and CSV that no spreadsheet takes for a formula.

Instants are in UTC with six decimals always, so that they sort as text.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def instant_text(at: datetime) -> str:
    """Such as `2026-11-01T06:00:00.000000Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: instants as text, the rest as msgspec writes it."""
    return {
        name: instant_text(value) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """One JSON object a line."""
    return b"".join(msgspec.json.encode(plain(row)) + b"\n" for row in rows)


def csv_text(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, is_headed: bool = True
) -> bytes:
    """RFC 4180 in UTF-8, the names first where it is headed; null is an empty cell.

    A text that a spreadsheet would compute gets a `'` in front.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    if is_headed:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])
    return written.getvalue().encode()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return instant_text(value)
        case str() if value.startswith(_FORMULA_SIGNS):
            return "'" + value
        case _:
            return str(value)
