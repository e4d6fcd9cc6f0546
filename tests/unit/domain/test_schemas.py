"""No payload has a free string: what is not an enum, a pattern or a format cannot be a field."""

from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest

from shared.contracts.payloads import DATA_OF, Payload

KINDS = list(dict.fromkeys(DATA_OF.values()))
BOUND = {"enum", "const", "pattern", "format"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_string_of_a_payload_is_free(kind: type[Payload]) -> None:
    assert list(_free_strings(msgspec.json.schema(kind), "$")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_payload_refuses_what_it_has_no_field_for(kind: type[Payload]) -> None:
    _, components = msgspec.json.schema_components([kind])

    objects = [one for one in components.values() if one.get("type") == "object"]

    assert objects
    assert all(one["additionalProperties"] is False for one in objects)


def test_a_free_string_would_be_found() -> None:
    class Leaky(Payload, frozen=True, kw_only=True):
        notes: list[str | None]

    assert list(_free_strings(msgspec.json.schema(Leaky), "$")) == [
        "$.$defs.Leaky.properties.notes.items.anyOf.0"
    ]


def _free_strings(schema: object, path: str) -> Iterator[str]:
    match schema:
        case dict():
            named = cast("dict[str, Any]", schema)
            if named.get("type") == "string" and not BOUND & named.keys():
                yield path
            for name, one in named.items():
                yield from _free_strings(one, f"{path}.{name}")
        case list():
            for number, one in enumerate(cast("list[Any]", schema)):
                yield from _free_strings(one, f"{path}.{number}")
        case _:
            pass
