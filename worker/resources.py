"""What a worker opens once and closes at its end."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime

import asyncpg

from shared.data.connection import connect
from shared.data.engine import close_pool, open_pool
from shared.data.migrate import pending_in
from shared.data.roles import refuse_privileged
from shared.data.session import WORKER_ROLE
from shared.errors import StartError
from worker.delivery.send import CurlTransport
from worker.delivery.tokens import TokenTransport
from worker.settings import Settings

CLOSE_S = 2.0
POOL_NAME = "guardian-worker"


@asynccontextmanager
async def open_resources(
    settings: Settings, *, clock: Callable[[], datetime], user_agent: str
) -> AsyncGenerator[TokenTransport, None]:
    """Judge the database, open the pool behind the sessions, and give the transport.

    Raises:
        StartError: the database cannot be used as it is; the sentence says why.
    """
    await _judge_database(settings.database.database_url)
    async with AsyncExitStack() as stack:
        await open_pool(
            settings.database.database_url,
            size=settings.database.guardian_database_pool_size,
            name=POOL_NAME,
            prepares=settings.database.guardian_database_prepares,
        )
        stack.push_async_callback(_close_pool)
        transport = TokenTransport(
            CurlTransport(settings.egress, clock=clock, ca_file=settings.ca_file),
            clock=clock,
            user_agent=user_agent,
        )
        stack.push_async_callback(transport.aclose)
        yield transport


async def _judge_database(dsn: str) -> None:
    try:
        connection = await connect(dsn)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as error:
        raise StartError(f"DATABASE_URL does not lead to a usable PostgreSQL: {error}") from None
    try:
        await refuse_privileged(connection, roles=(WORKER_ROLE,))
        missing = await pending_in(connection)
    finally:
        await connection.close()
    if missing:
        raise StartError(
            f"{len(missing)} migrations are pending in this database: run `guardian migrate`."
        )


async def _close_pool() -> None:
    # A server that does not answer is not waited for; the process ends anyway.
    with suppress(TimeoutError):
        await asyncio.wait_for(close_pool(), CLOSE_S)
