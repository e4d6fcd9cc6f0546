"""Answers that come in pages: all of them, or the newest laid over what is known."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from shared.contracts.pages import Page

MOST_PAGES = 50
LARGEST_PAGE = 200


class Item(Protocol):
    """Something with an identity."""

    @property
    def id(self) -> UUID:
        """By which it is known again."""
        ...


T = TypeVar("T", bound=Item)


async def all_of(ask: Callable[[str | None], Awaitable[Page[T]]]) -> list[T]:
    """Every item, page by page; `ask` gets the cursor.

    Raises:
        GuardianError: a page could not be had.
    """
    found: list[T] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await ask(cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def merged(
    known: Sequence[T] | None, next_cursor: str | None, newest: Page[T]
) -> tuple[list[T], str | None]:
    """What is known with the newest page laid over it, and where the next page starts.

    Rows below the page stay as they were fetched. If the page does not reach the known rows,
    there is a hole between them, and the page stands alone.
    """
    fresh = {one.id for one in newest.items}
    if not known or not any(one.id in fresh for one in known):
        return list(newest.items), newest.next_cursor
    last = max(place for place, one in enumerate(known) if one.id in fresh)
    older = [one for one in known[last + 1 :] if one.id not in fresh]
    return [*newest.items, *older], next_cursor if older else newest.next_cursor


def longer(known: Sequence[T], older: Page[T]) -> list[T]:
    """What is known with the page after it."""
    ids = {one.id for one in known}
    return [*known, *(one for one in older.items if one.id not in ids)]
