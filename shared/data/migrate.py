"""Brings a database to this version, once, whoever else tries at the same time."""

import contextlib
import io
import os
import sys

import asyncpg
from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager
from piccolo.engine.postgres import PostgresTransaction

from shared.data.connection import Connection, connect
from shared.data.engine import DB
from shared.data.piccolo_app import APP_CONFIG
from shared.errors import StartError

LOCK = 7_326_107
"""Any number, as long as every Guardian takes the same advisory lock."""


PATIENCE_S = 10.0


async def migrate(dsn: str, *, patience_s: float = PATIENCE_S) -> list[str]:
    """Apply what is pending as the owner, all of it in one transaction, and name what was applied.

    Args:
        dsn: of the owner.
        patience_s: how long a table is waited for that somebody else uses. Whoever asks for it
            afterwards waits behind us, so the running release would stand still for as long.

    Raises:
        StartError: the server cannot be reached, the login lacks a right, or a table was not free
            in time; nothing was changed.
    """
    os.environ["PICCOLO_CONF"] = "shared.data.piccolo_conf"
    connection = await _connect(dsn)
    transaction = PostgresTransaction(engine=DB)
    transaction.connection = connection
    token = DB.current_transaction.set(transaction)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await connection.execute(f"SET LOCAL lock_timeout = {round(patience_s * 1000)}")
            missing = await pending_in(connection)
            if missing:
                await _run_forwards()
            # Any login must be able to tell that it is too new or too old before it acts as a role.
            await connection.execute("GRANT SELECT ON migration TO PUBLIC")
    except asyncpg.InsufficientPrivilegeError as error:
        raise StartError(
            f"DATABASE_ADMIN_URL logs in without a right that migrating needs: {error}. "
            "Let it own the schema and create roles, or create the roles first: docs/operations.md."
        ) from None
    except asyncpg.LockNotAvailableError:
        raise StartError(
            f"A table that is to change was in use for more than {patience_s:g} s, by a backup or "
            "a long query perhaps. Nothing was changed: run `guardian migrate` again."
        ) from None
    finally:
        DB.current_transaction.reset(token)
        await connection.close()
    return missing


async def pending(dsn: str) -> list[str]:
    """The names of the migrations that `migrate` would apply, oldest first.

    Raises:
        StartError: the server cannot be reached.
    """
    connection = await _connect(dsn)
    try:
        return await pending_in(connection)
    finally:
        await connection.close()


async def pending_in(connection: Connection) -> list[str]:
    """Like `pending`, on a connection that is open already."""
    manager = ForwardsMigrationManager(app_name=APP_CONFIG.app_name)
    modules = _quietly_import(manager)
    applied: set[str] = set()
    if await connection.fetchval("SELECT to_regclass('migration')") is not None:
        rows = await connection.fetch(
            "SELECT name FROM migration WHERE app_name = $1", APP_CONFIG.app_name
        )
        applied = {row["name"] for row in rows}
    return [name for name in sorted(modules) if name not in applied]


async def _connect(dsn: str) -> Connection:
    try:
        return await connect(dsn)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as error:
        raise StartError(f"PostgreSQL cannot be reached for migrating: {error}") from None


def _quietly_import(manager: ForwardsMigrationManager) -> list[str]:
    """Piccolo puts the folder on the import path and leaves it there; we do not."""
    path = list(sys.path)
    try:
        return list(manager.get_migration_modules(APP_CONFIG.resolved_migrations_folder_path))
    finally:
        sys.path[:] = path


async def _run_forwards() -> None:
    """Piccolo's own runner joins the open transaction, so its bookkeeping commits with the DDL."""
    said = io.StringIO()
    path = list(sys.path)
    try:
        with contextlib.redirect_stdout(said):
            result = await ForwardsMigrationManager(app_name=APP_CONFIG.app_name).run()
    finally:
        sys.path[:] = path
    if not result.success:
        raise StartError(f"The migrations did not apply: {result.message}")
