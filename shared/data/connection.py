"""A PostgreSQL connection as Guardian uses it: asyncpg's, with the types it leaves out."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

import asyncpg

CONNECT_TIMEOUT_S = 10


class Row(Protocol):
    """One row: values by column name, or in order."""

    def __getitem__(self, key: str | int) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def items(self) -> Iterator[tuple[str, Any]]:
        """Names and values, in the order of the query."""
        ...


class Connection(Protocol):
    """What a session hands to services that speak SQL; `$1` stands for the first argument."""

    async def execute(self, query: str, *args: object) -> str:
        """Run it and answer the command tag; without arguments, several statements are allowed."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Every row."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """The first row, if any."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """The first column of the first row, or None."""
        ...

    async def executemany(self, command: str, args: list[tuple[object, ...]]) -> None:
        """Run it once per tuple."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """A transaction, or a savepoint inside one."""
        ...

    def is_closed(self) -> bool:
        """Whether the server has gone."""
        ...

    async def close(self) -> None:
        """Say goodbye."""
        ...


async def connect(dsn: str) -> Connection:
    """Open one connection outside the pool.

    Raises:
        OSError, TimeoutError, ValueError, asyncpg.PostgresError: as asyncpg does.
    """
    # Nothing is kept prepared: a PgBouncer may stand in between, and little is asked twice.
    return cast(
        "Connection",
        await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, statement_cache_size=0),
    )
