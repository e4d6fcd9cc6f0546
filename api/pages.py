"""Lists in pages: cursors that callers cannot read, and need not."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from litestar.params import QueryParameter

from shared.contracts.pages import Page
from shared.errors import FieldError, InvalidError

T = TypeVar("T")

Limit = Annotated[int, QueryParameter(ge=1, le=200, description="How many items at the most.")]
DEFAULT_LIMIT = 50

_CURSOR = re.compile(r"[A-Za-z0-9_-]{22}")
_PADDING = "=="


def page_of(items: Sequence[T], *, limit: int, id_of: Callable[[T], UUID]) -> Page[T]:
    """Cut a page out of what a query for `limit + 1` items found."""
    shown = list(items[:limit])
    more = len(items) > limit
    return Page(items=shown, next_cursor=cursor_of(id_of(shown[-1])) if more else None)


def cursor_of(last: UUID) -> str:
    """Say where the next page begins: after `last`."""
    return urlsafe_b64encode(last.bytes).decode().rstrip("=")


def position_of(cursor: str | None) -> UUID | None:
    """Read a cursor back; None is the first page.

    Raises:
        InvalidError: it is not a cursor of Guardian.
    """
    if cursor is None:
        return None
    if _CURSOR.fullmatch(cursor):
        return UUID(bytes=urlsafe_b64decode(cursor + _PADDING))
    refused = FieldError("cursor", "malformed", "Send `next_cursor` back as it was answered.")
    raise InvalidError(errors=[refused])
