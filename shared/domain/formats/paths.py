"""`$paths` into an event: read, looked up in the types, and followed in an event.

A path names a value of the envelope (`$type`), something of the integration (`$subject`) or a place
in the data: `$data.tasks.total`, `$data.dimensions[0].score`. An entry of a list may be named by
what it is about: `$data.dimensions[core].score`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from msgspec import inspect

from shared.contracts.payloads import DATA_OF
from shared.contracts.words import EventType

MAXIMUM_LENGTH = 200
ENVELOPE_ROOTS = frozenset({"type", "timestamp", "scope", "schema_version", "id"})
SUBJECT = "subject"
ACCOUNT = "account"
DATA = "data"
ROOTS = ENVELOPE_ROOTS | {SUBJECT, ACCOUNT, DATA}

ENTRY_NAMES = ("key", "dimension")
"""The fields by which an entry of a list is known."""

_PATH = re.compile(r"\$[a-z_]+(?:\.[a-z_]+|\[[a-z0-9]+(?:[._-][a-z0-9]+)*\])*")
_STEP = re.compile(r"[$.]([a-z_]+)|\[([^\]]+)\]")


@dataclass(frozen=True, slots=True)
class Field:
    """A step into the named field."""

    name: str


@dataclass(frozen=True, slots=True)
class Position:
    """A step to the entry at `index`, counted from 0."""

    index: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A step to the entry that is about `name`."""

    name: str


Step = Field | Position | Entry


class Absent:
    """What is at the end of a path that this event does not have."""


ABSENT = Absent()


@lru_cache(maxsize=4096)
def steps_of(path: str) -> tuple[Step, ...]:
    """Read a path.

    Raises:
        ValueError: it is not one.
    """
    if len(path) > MAXIMUM_LENGTH or not _PATH.fullmatch(path):
        raise ValueError("a path looks like $data.dimensions[core].score")
    return tuple(_step(name, inside) for name, inside in _STEP.findall(path))


def follow(path: str, values: Mapping[str, Any]) -> object:
    """Look a path up; a null is as absent as what is not there.

    Args:
        path: as `steps_of` reads it.
        values: the value of each root.
    """
    found: Any = values
    for step in steps_of(path):
        match step, found:
            case Field(name), dict():
                found = cast("dict[str, Any]", found).get(name)
            case Position(index), list():
                entries = cast("list[Any]", found)
                found = entries[index] if index < len(entries) else None
            case Entry(name), list():
                found = _entry(cast("list[Any]", found), name)
            case _:
                found = None
    return ABSENT if found is None else found


def is_known(path: str, event_type: EventType) -> bool:
    """Tell whether events of this type can have something at `path`."""
    root, *steps = steps_of(path)
    if not isinstance(root, Field) or root.name not in ROOTS:
        return False
    if root.name != DATA:
        return not steps
    return kind_at(path, event_type) is not None


def is_whole(path: str, event_type: EventType) -> bool:
    """Tell whether a path names not one value but an object or a list."""
    return isinstance(kind_at(path, event_type), inspect.StructType | inspect.ListType)


def kind_at(path: str, event_type: EventType) -> inspect.Type | None:
    """Say of what type the data is at `path`; None for a path that leads elsewhere or nowhere."""
    root, *steps = steps_of(path)
    if root != Field(DATA):
        return None
    kind: inspect.Type | None = _DATA_TYPES[event_type]
    for step in steps:
        match step, kind:
            case Field(name), inspect.StructType():
                kind = _field_type(kind, name)
            case Position(), inspect.ListType():
                kind = kind.item_type
            case Entry(name), inspect.ListType():
                kind = kind.item_type if _is_entry_of(kind.item_type, name) else None
            case _:
                return None
    return kind


_DATA_TYPES: dict[EventType, inspect.Type] = dict(
    zip(DATA_OF, inspect.multi_type_info(DATA_OF.values()), strict=True)
)


def _step(name: str, inside: str) -> Step:
    if name:
        return Field(name)
    return Position(int(inside)) if inside.isdecimal() else Entry(inside)


def _entry(entries: list[Any], name: str) -> object:
    for entry in entries:
        if any(entry.get(field) == name for field in ENTRY_NAMES):
            return entry
    return None


def _field_type(kind: inspect.StructType, name: str) -> inspect.Type | None:
    found = next((field.type for field in kind.fields if field.name == name), None)
    if isinstance(found, inspect.UnionType):  # something or null
        return next(one for one in found.types if not isinstance(one, inspect.NoneType))
    return found


def _is_entry_of(kind: inspect.Type, name: str) -> bool:
    if not isinstance(kind, inspect.StructType):
        return False
    named_by = next((field.type for field in kind.fields if field.name in ENTRY_NAMES), None)
    if isinstance(named_by, inspect.EnumType):
        return any(word.value == name for word in named_by.cls)
    return named_by is not None
