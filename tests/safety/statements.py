"""What is really sent to PostgreSQL: noted at the connection, and altered there on request."""

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast
from uuid import UUID

import asyncpg

ROLE = re.compile(r"SET LOCAL ROLE (\w+); SET LOCAL guardian\.tenant_id = '([^']*)'")
SIGNIFICANT = 60
STATEMENT = re.compile(r"(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH) [a-z*$]")
FILTER = re.compile(r'(?:"?\b\w+"?\.)?"?\btenant_id"?\s*=\s*(\$\d+)(?!\d)')
"""`tenant_id = $n`, however it is qualified, by hand or by Piccolo."""


@dataclass(frozen=True)
class Sent:
    """One statement: its text, one set of arguments, and on whose behalf it ran."""

    query: str
    args: tuple[object, ...]
    role: str
    tenant_id: UUID | None


def without_filters(query: str) -> Iterable[tuple[str, str]]:
    """Each `tenant_id = $n` of a statement, and the statement without it."""
    for match in FILTER.finditer(query):
        # The argument stays in use, so that PostgreSQL still knows its type.
        yield (
            match[0],
            f"{query[: match.start()]}{match[1]}::uuid IS NOT NULL{query[match.end() :]}",
        )


class Watched(asyncpg.Connection):
    """A connection of the pool that tells what it was asked.

    Attributes:
        sent: every statement so far.
        swap: statements to be replaced, by their text.
        swaps: how often one was.
    """

    sent: ClassVar[list[Sent]] = []
    swap: ClassVar[dict[str, str]] = {}
    swaps: ClassVar[int] = 0
    _acting: ClassVar[dict[int, tuple[str, UUID | None]]] = {}

    @classmethod
    def forget(cls: type[Self]) -> None:
        """Begin anew."""
        cls.sent.clear()
        cls.swap.clear()
        cls._acting.clear()

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        return await super().execute(self._noted(query, args), *args, **options)

    async def fetch(self, query: str, *args: Any, **options: Any) -> list[Any]:
        return await cast("Any", super()).fetch(self._noted(query, args), *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        return await cast("Any", super()).fetchrow(self._noted(query, args), *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        return await cast("Any", super()).fetchval(self._noted(query, args), *args, **options)

    async def executemany(self, command: str, args: Any, **options: Any) -> None:
        rows = [tuple(row) for row in args]
        swapped = self._noted(command, rows[0] if rows else ())
        await super().executemany(swapped, rows, **options)

    def _noted(self, query: str, args: Iterable[object]) -> str:
        begins = ROLE.search(query)
        if begins:
            tenant_id = UUID(begins[2]) if begins[2] else None
            Watched._acting[id(self)] = (begins[1], tenant_id)
        elif query not in {"COMMIT", "ROLLBACK"}:
            role, tenant_id = Watched._acting.get(id(self), ("", None))
            Watched.sent.append(Sent(query, tuple(args), role, tenant_id))
        if query in Watched.swap:
            Watched.swaps += 1
            return Watched.swap[query]
        return query


async def pool_of(dsn: str) -> "asyncpg.Pool":
    """A pool like the application's, of watched connections."""

    async def keep(_: object) -> None:
        pass

    return await asyncpg.create_pool(
        dsn, min_size=1, max_size=10, connection_class=Watched, reset=keep
    )


def distinct(sent: Iterable[Sent], *, is_of: Callable[[Sent], bool]) -> list[Sent]:
    """One example of each text."""
    return list({one.query: one for one in sent if is_of(one)}.values())


def written(folders: Iterable[Path]) -> dict[str, str]:
    """The beginning of each statement that stands in the code as text, and the file it stands in.

    What Piccolo puts together has no text; it is watched like everything else.
    """
    found: dict[str, str] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                beginning = flat(node.value.partition("{")[0])[:SIGNIFICANT]
                if STATEMENT.match(beginning):
                    found[beginning] = f"{path.parent.name}/{path.name}"
    return found


def flat(query: str) -> str:
    """A statement on one line."""
    return " ".join(query.split())
