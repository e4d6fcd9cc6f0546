"""Migrated databases for one test at a time: used again when the test left nothing but rows.

Copying a template takes half a second here, most of it for files of empty partitions; emptying a
used copy takes some milliseconds. A copy whose schema, grants, policies, migrations or catalogue
differ from the template's afterwards is dropped, so no test sees what another has altered.
"""

import os
from collections.abc import Callable

from shared.data.connection import Connection, connect

TEMPLATE = "template_guardian"
KEPT = (
    "migration",
    "capability",
    "edition",
    "adoption_sub_dimension",
    "shard_lease",
    "system_state",
)
VACUUM_FROM_ROWS = 500

_FINGERPRINT = """
SELECT md5(concat_ws('|',
  (SELECT string_agg(concat_ws(',', c.relname, c.relkind, c.relrowsecurity,
     c.relforcerowsecurity, c.relacl, c.reloptions), ';' ORDER BY c.relname)
   FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace),
  (SELECT string_agg(concat_ws(',', p.tablename, p.policyname, p.roles, p.qual, p.with_check), ';'
     ORDER BY p.tablename, p.policyname) FROM pg_policies p),
  (SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
   WHERE c.relnamespace = 'public'::regnamespace),
  (SELECT string_agg(t.tgenabled::text, '' ORDER BY t.tgrelid, t.tgname) FROM pg_trigger t),
  (SELECT string_agg(m.name, ',' ORDER BY m.name) FROM migration m),
  (SELECT string_agg(t::text, ';' ORDER BY key) FROM capability t),
  (SELECT string_agg(t::text, ';' ORDER BY key) FROM edition t),
  (SELECT string_agg(t::text, ';' ORDER BY dimension, sub_dimension)
   FROM adoption_sub_dimension t),
  (SELECT count(*) FROM shard_lease)))
"""

_TABLES = """
SELECT c.relname AS name FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition AND c.relname <> ALL ($1)
"""


class Databases:
    """The databases of one pytest process, on its own server."""

    def __init__(self, owner_url: str, *, url_of: Callable[[str], str]) -> None:
        """Know where the server is; `url_of` answers the owner's address of a database."""
        self._owner_url = owner_url
        self._url_of = url_of
        self._clean: list[str] = []
        self._fingerprint: str | None = None

    async def take(self) -> str:
        """The name of a database that is as the template."""
        if self._clean:
            return self._clean.pop()
        name = f"test_{os.urandom(6).hex()}"
        server = await connect(self._owner_url)
        try:
            await server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        finally:
            await server.close()
        if self._fingerprint is None:
            database = await connect(self._url_of(name))
            self._fingerprint = await database.fetchval(_FINGERPRINT)
            await database.close()
        return name

    async def give_back(self, name: str) -> None:
        """Empty it for the next test, or drop it when it is no longer as the template."""
        server = await connect(self._owner_url)
        try:
            await server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
            if await self._is_emptied(name):
                self._clean.append(name)
            else:
                await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await server.close()

    async def _is_emptied(self, name: str) -> bool:
        database = await connect(self._url_of(name))
        try:
            if await database.fetchval(_FINGERPRINT) != self._fingerprint:
                return False
            large = await _empty(database)
            for table in large:
                await database.execute(f'VACUUM ANALYZE "{table}"')
        finally:
            await database.close()
        return True


async def _empty(database: Connection) -> list[str]:
    """Delete every row a test can have made; answer the tables that held many."""
    large: list[str] = []
    async with database.transaction():
        # Everything goes, so no foreign key needs to be asked.
        await database.execute("SET LOCAL session_replication_role = replica")
        for row in await database.fetch(_TABLES, list(KEPT)):
            tag = await database.execute(f'DELETE FROM "{row["name"]}"')  # noqa: S608
            if int(tag.split()[-1]) >= VACUUM_FROM_ROWS:
                large.append(row["name"])
        await database.execute(
            "UPDATE shard_lease SET owner = NULL, epoch = 0, until = '-infinity' "
            "WHERE owner IS NOT NULL OR epoch <> 0"
        )
        await database.execute("UPDATE system_state SET paused_since = NULL, paused_reason = NULL")
    return large
