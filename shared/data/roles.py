"""Which database logins Guardian accepts: those that row-level security really binds."""

from shared.data.connection import Connection
from shared.errors import StartError

FIRST_WITH_GRANT_OPTIONS = 160000
"""PostgreSQL 16 knows `WITH INHERIT FALSE` for a single grant."""


async def refuse_privileged(connection: Connection, *, roles: tuple[str, ...]) -> None:
    """Stop unless the login is bound by row-level security and may act in each of `roles`.

    Raises:
        StartError: the login is superuser, has BYPASSRLS, owns a table of Guardian, or lacks a
            role.
    """
    login = await connection.fetchrow(
        """
        SELECT session_user::text AS name, rolsuper, rolbypassrls,
          EXISTS (SELECT FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relowner = r.oid
            AND c.relnamespace = 'public'::regnamespace) AS owns_tables
        FROM pg_roles r WHERE rolname = session_user
        """
    )
    if login is None:
        raise StartError("DATABASE_URL logs in as a role that PostgreSQL does not list.")
    name = login["name"]
    for is_so, what in (
        (login["rolsuper"], "is a superuser"),
        (login["rolbypassrls"], "has BYPASSRLS"),
        (login["owns_tables"], "owns tables of Guardian"),
    ):
        if is_so:
            raise StartError(
                f"DATABASE_URL logs in as {name}, which {what}, so row-level security would not "
                f"bind it. Use a login that is only a member of {' and '.join(roles)}; the owner "
                "belongs in DATABASE_ADMIN_URL."
            )
    for role in roles:
        is_member = await connection.fetchval(
            """
            SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = $1)
              THEN pg_has_role(session_user, $1, 'MEMBER') ELSE false END
            """,
            role,
        )
        if not is_member:
            raise StartError(
                f"DATABASE_URL logs in as {name}, which may not act as {role}. "
                f"Run `guardian migrate`, then `GRANT {role} TO {name}`."
            )


async def admit(owner: Connection, login: str, *, roles: tuple[str, ...]) -> list[str]:
    """Let `login` act in each of `roles`, without having their rights unasked.

    Args:
        owner: a connection of whoever made the roles.
        login: an existing login.
        roles: of Guardian.

    Returns:
        The roles that it may act in only since now.

    Raises:
        asyncpg.InsufficientPrivilegeError: the owner may not grant them.
    """
    added: list[str] = []
    server_version = await owner.fetchval("SELECT current_setting('server_version_num')::int")
    for role in roles:
        if await owner.fetchval("SELECT pg_has_role($1, $2, 'MEMBER')", login, role):
            continue
        statement = "GRANT %1$I TO %2$I"
        if server_version >= FIRST_WITH_GRANT_OPTIONS:
            statement += " WITH INHERIT FALSE, SET TRUE"
        else:
            # Rights that are inherited would count outside a session, too.
            statement = "ALTER ROLE %2$I NOINHERIT; " + statement
        await owner.execute(
            await owner.fetchval(f"SELECT format('{statement}', $1::text, $2::text)", role, login)
        )
        added.append(role)
    return added
