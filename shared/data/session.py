"""One request or one job: one transaction, under one role, on behalf of one tenant at most.

The ticket that a session yields is demanded by every service, so the type checker refuses a call
that would run outside row-level security. Roles and tenant are set with `SET LOCAL`, so they end
with the transaction whatever happens.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from piccolo.engine.postgres import PostgresTransaction

from shared.data.connection import Connection
from shared.data.engine import DB
from shared.errors import UnavailableError
from shared.traces import KEPT

API_ROLE = "guardian_api"
OPERATOR_ROLE = "guardian_operator"
WORKER_ROLE = "guardian_worker"

SILENCE = "15s"
"""How long PostgreSQL keeps a transaction whose process says nothing. A host that was cut off in
the middle of one would otherwise hold its rows, and so everybody else, until its connection is
found dead, which takes hours."""


@dataclass(frozen=True, slots=True)
class TenantSession:
    """A ticket: a transaction is open on behalf of `tenant_id` and sees no other tenant."""

    tenant_id: UUID
    connection: Connection


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """A ticket: a transaction is open that sees all tenants and may change tenants and keys."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class WorkerSession:
    """A ticket: a transaction is open that may deliver for all tenants."""

    connection: Connection


AnySession = TenantSession | OperatorSession | WorkerSession
"""For what is only read, and by whoever row-level security lets see it."""


@asynccontextmanager
async def acting_for(
    tenant_id: UUID, *, is_read_only: bool = False
) -> AsyncGenerator[TenantSession, None]:
    """Commit what happens inside, or none of it, seen through one tenant's eyes.

    Enter it in the handler or the job, never in a Litestar dependency: Litestar resolves
    dependencies in sibling tasks, and Piccolo keeps the transaction in a context variable that a
    sibling cannot see. Do not gather queries inside: they share one connection.

    Raises:
        UnavailableError: PostgreSQL cannot be reached.
        RuntimeError: a session is already open here, or no pool is.
    """
    async with _transaction(API_ROLE, tenant_id, is_read_only=is_read_only) as connection:
        yield TenantSession(tenant_id, connection)


@asynccontextmanager
async def operating(*, is_read_only: bool = False) -> AsyncGenerator[OperatorSession, None]:
    """Like `acting_for`, for the operator's own work across tenants."""
    async with _transaction(OPERATOR_ROLE, None, is_read_only=is_read_only) as connection:
        yield OperatorSession(connection)


@asynccontextmanager
async def working(
    *, is_read_only: bool = False, setting: str = ""
) -> AsyncGenerator[WorkerSession, None]:
    """Like `acting_for`, for the worker, whose policies let it see every tenant.

    Args:
        is_read_only: whether PostgreSQL refuses to write.
        setting: `SET LOCAL` statements of our own that go along with the beginning.
    """
    async with _transaction(
        WORKER_ROLE, None, is_read_only=is_read_only, setting=setting
    ) as connection:
        yield WorkerSession(connection)


@asynccontextmanager
async def _transaction(
    role: str, tenant_id: UUID | None, *, is_read_only: bool, setting: str = ""
) -> AsyncGenerator[Connection, None]:
    if DB.current_transaction.get() is not None:
        # Piccolo would silently join the outer transaction, and so act for the outer tenant.
        raise RuntimeError("a session is already open")
    if DB.pool is None:
        # Piccolo would silently open a connection per query.
        raise RuntimeError("no pool is open")
    tenant = str(UUID(int=tenant_id.int)) if tenant_id else ""
    begin = (
        f"BEGIN{' READ ONLY' if is_read_only else ''};"
        f"SET LOCAL ROLE {role}; SET LOCAL guardian.tenant_id = '{tenant}';"
        f"SET LOCAL idle_in_transaction_session_timeout = '{SILENCE}';{setting}"
    )
    if traceparent := KEPT.get():
        # Events take it from there: it is their column's default.
        begin += f";SET LOCAL guardian.traceparent = '{traceparent}'"
    try:
        acquired = cast("PoolConnectionProxy", await DB.pool.acquire())
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError) as error:
        raise UnavailableError from error
    connection = cast("Connection", acquired)
    try:
        transaction = PostgresTransaction(engine=DB)
        transaction.connection = acquired
        token = DB.current_transaction.set(transaction)
        try:
            await connection.execute(begin)
            yield connection
            await connection.execute("COMMIT")
        except BaseException:
            with suppress(Exception):
                await connection.execute("ROLLBACK")
            raise
        finally:
            DB.current_transaction.reset(token)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise UnavailableError from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # asyncpg says either when the server hangs up between two messages.
        if isinstance(error, asyncpg.InternalClientError) or _is_closed(connection):
            with suppress(asyncpg.InterfaceError):
                acquired.terminate()
            raise UnavailableError from error
        raise
    finally:
        await DB.pool.release(acquired)


def _is_closed(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True  # it was, and the pool has taken it back already
