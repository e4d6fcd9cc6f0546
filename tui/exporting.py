"""What a screen shows, written to a file: JSON as the server told it, CSV without formulas."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from shared.errors import InvalidError

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def export(resource: object, path: Path) -> int:
    """Write `resource` as the ending of `path` says; returns the rows written.

    Raises:
        InvalidError: the ending is none we write, or the file cannot be written or exists.
    """
    value: object = msgspec.to_builtins(resource)
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    match path.suffix:
        case ".json":
            text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
        case ".ndjson" | ".jsonl":
            text = "".join(f"{msgspec.json.encode(one).decode()}\n" for one in items)
        case ".csv":
            text = as_csv(items)
        case _:
            raise InvalidError("The name must end in .csv, .json or .ndjson.")
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        raise InvalidError(f"{path} exists already: choose another name.") from None
    except OSError as error:
        raise InvalidError(f"{path} cannot be written: {error.strerror}.") from None
    return len(items)


def as_csv(items: Sequence[Any]) -> str:
    """A row per item, a column per leaf; a cell that a spreadsheet would compute is quoted."""
    rows = [_flat(one) for one in items]
    names = list(dict.fromkeys(name for row in rows for name in row))
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow([harmless(name) for name in names])
    writer.writerows([[harmless(row.get(name)) for name in names] for row in rows])
    return sink.getvalue()


def harmless(value: object) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def _flat(value: object, name: str = "") -> dict[str, object]:
    if isinstance(value, Mapping) and value:
        mapping = cast("Mapping[str, object]", value)
        flat: dict[str, object] = {}
        for key, part in mapping.items():
            flat |= _flat(part, f"{name}.{key}" if name else key)
        return flat
    if isinstance(value, list | Mapping):
        return {name or "value": msgspec.json.encode(value).decode()}
    return {name or "value": value}
