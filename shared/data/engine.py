"""The one Piccolo engine, and the pool behind it."""

import asyncpg
from piccolo.engine.postgres import PostgresEngine

from shared.data.connection import CONNECT_TIMEOUT_S
from shared.errors import StartError

COMMAND_TIMEOUT_S = 60
STATEMENTS = 100
"""Kept prepared by each connection."""


class Engine(PostgresEngine):
    """Piccolo's engine, without the connection that the original opens when it is imported."""

    async def check_version(self) -> None:
        """Nothing here: `open_pool` is where the server is first asked."""

    async def prep_database(self) -> None:
        """Nothing here: extensions are the migrations' business."""


DB = Engine(config={})
"""Every table is bound to it. It holds no connection until `open_pool`."""


async def open_pool(dsn: str, *, size: int, name: str, prepares: bool = True) -> None:
    """Open the connections that sessions are issued from.

    Connections carry no session state: role and tenant are set for one transaction at a time, so
    PgBouncer in transaction mode may stand in between, and no reset is needed between uses.

    Args:
        dsn: the server.
        size: connections at most.
        name: shown by the server.
        prepares: whether connections keep prepared statements, which an older PgBouncer loses.

    Raises:
        StartError: the server cannot be reached or refuses the login.
    """
    if DB.pool is not None:
        raise RuntimeError("the pool is already open")
    DB.config = {"dsn": dsn}
    try:
        # No Piccolo call here: it would hide the reason when the server refuses.
        DB.pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            timeout=CONNECT_TIMEOUT_S,
            # A server that has gone silent without hanging up must not be waited for for ever.
            command_timeout=COMMAND_TIMEOUT_S,
            reset=_keep,
            server_settings={"application_name": name},
            statement_cache_size=STATEMENTS if prepares else 0,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartError(f"DATABASE_URL does not lead to a usable PostgreSQL: {error}") from None
    except ValueError as error:
        raise StartError(f"DATABASE_URL is not an address of a PostgreSQL: {error}") from None


async def close_pool() -> None:
    """Close the connections; waits for those in use."""
    pool, DB.pool = DB.pool, None
    if pool is not None:
        await pool.close()


async def _keep(_: asyncpg.Connection) -> None:
    """Leave a released connection as it is: nothing of a session outlives its transaction."""
