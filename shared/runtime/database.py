"""The database as `guardian up` prepares it: made where it is ours, checked where it is given."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
from msgspec import Meta

from shared.data.connection import Connection, connect
from shared.data.migrate import migrate, pending
from shared.data.policies import ROLES
from shared.data.roles import admit
from shared.errors import StartError
from shared.runtime.kept import kept_system
from shared.settings import load

NAME = "guardian"
# Each login is also the role of that name; the API may act for the operator, too.
API_LOGIN = "guardian_api"
LOGINS: Mapping[str, tuple[str, ...]] = {
    API_LOGIN: ("guardian_operator",),
    "guardian_worker": (),
}


class OwnerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What migrating needs."""

    database_admin_url: Annotated[
        str, Meta(description="Migrating needs the login that owns the tables.")
    ]


async def prepare_embedded(dsn: str, *, passwords: Mapping[str, str]) -> list[str]:
    """Create the database, migrate it and open the logins, each with its password.

    Args:
        dsn: the superuser on the cluster.
        passwords: one for each of `LOGINS`.

    Returns:
        The migrations that were applied.

    Raises:
        StartError: PostgreSQL refused; the sentence says what.
    """
    cluster = await reach(dsn)
    try:
        if not await cluster.fetchval(
            "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", NAME
        ):
            await cluster.execute(f"CREATE DATABASE {NAME} STRATEGY wal_log")
            await cluster.execute(f"REVOKE ALL ON DATABASE {NAME} FROM PUBLIC")
    finally:
        await cluster.close()
    applied = await migrate(on_database(dsn))
    database = await reach(on_database(dsn))
    try:
        for login, roles in LOGINS.items():
            # CREATE ROLE takes no parameters; format() with %L quotes as PostgreSQL wants it.
            statement = await database.fetchval(
                "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)",
                login,
                passwords[login],
            )
            await database.execute(statement)
            await database.execute(f"GRANT CONNECT ON DATABASE {NAME} TO {login}")
            for role in roles:
                await database.execute(f"GRANT {role} TO {login} WITH INHERIT FALSE, SET TRUE")
    finally:
        await database.close()
    return applied


async def prepare_external(url: str, *, admin_url: str | None) -> list[str]:
    """Check that the database answers, and migrate it where the owner's login is given.

    Raises:
        StartError: it does not answer, or migrations are pending and there is no owner's login.
    """
    connection = await reach(url)
    login = await connection.fetchval("SELECT session_user::text")
    await connection.close()
    if admin_url:
        applied = await migrate(admin_url)
        await _admit(admin_url, login)
        return applied
    missing = await pending(url)
    if missing:
        raise StartError(
            f"{len(missing)} migrations are pending: set DATABASE_ADMIN_URL to the owner's login, "
            "or run `guardian migrate` with it first."
        )
    return []


async def _admit(admin_url: str, login: str) -> None:
    """Let the given login act in Guardian's roles, so that nobody need grant them by hand."""
    owner = await reach(admin_url, variable="DATABASE_ADMIN_URL")
    try:
        if login != await owner.fetchval("SELECT session_user::text"):
            await admit(owner, login, roles=ROLES)
    except asyncpg.InsufficientPrivilegeError as error:
        raise StartError(
            f"DATABASE_ADMIN_URL may not let {login} act in Guardian's roles ({error}): let an "
            f"administrator run `GRANT {', '.join(ROLES)} TO {login}`."
        ) from None
    finally:
        await owner.close()


def migrate_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian migrate [--check]`."""
    url = load(OwnerSettings, kept_system(env, options.data_dir)).database_admin_url
    if options.check:
        missing = asyncio.run(pending(url))
        sys.stdout.write("".join(f"pending: {name}\n" for name in missing) or "nothing pending\n")
        return 1 if missing else 0
    applied = asyncio.run(migrate(url))
    sys.stdout.write("".join(f"applied: {name}\n" for name in applied) or "nothing to apply\n")
    return 0


async def reach(url: str, *, variable: str = "DATABASE_URL") -> Connection:
    """A connection to `url`.

    Raises:
        StartError: one sentence without the password.
    """
    try:
        return await connect(url)
    except (
        OSError,
        TimeoutError,
        ValueError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise StartError(f"PostgreSQL cannot be reached by {variable}: {reason}.") from None


def on_database(dsn: str, *, login: str | None = None, password: str = "") -> str:
    """The embedded cluster's `dsn`, but for the database of Guardian and perhaps another login."""
    parts = urlsplit(dsn)
    host = f"{login}:{password}@" if login else parts.netloc
    # urlunsplit drops an empty host, and with it the slashes.
    return urlunsplit((parts.scheme, host, f"/{NAME}", parts.query, ""))
