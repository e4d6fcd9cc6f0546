"""Lists come in pages: items, and where the next page starts."""

from typing import Generic, TypeVar

from shared.contracts.postures import Resource

T = TypeVar("T")


class Page(Resource, Generic[T], frozen=True, kw_only=True):
    """One page; `next_cursor` is opaque, and null on the last page."""

    items: list[T]
    next_cursor: str | None
