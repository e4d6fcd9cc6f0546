"""How much room the tables take, and whether the dead rows among them are cleared away."""

from typing import NamedTuple

from shared.data.connection import Connection


class TableSize(NamedTuple):
    """One table with all its partitions.

    Attributes:
        heap: bytes of the rows, what is stored out of line included.
        indexes: bytes of the indexes.
        live: rows, as PostgreSQL estimates them.
        dead: rows that nobody sees any more and vacuum has not cleared away.
    """

    name: str
    heap: int
    indexes: int
    live: int
    dead: int

    @property
    def bytes(self) -> int:
        """Of everything."""
        return self.heap + self.indexes


async def table_sizes(connection: Connection) -> list[TableSize]:
    """Every table of ours, the largest first."""
    rows = await connection.fetch(_SIZES)
    return [TableSize(*row) for row in rows]


async def months_ahead(connection: Connection) -> int:
    """For how many months after this one both partitioned tables have their partitions."""
    return await connection.fetchval(_MONTHS_AHEAD)


_SIZES = """
SELECT coalesce(parent.relname, c.relname)::text AS name,
  sum(pg_table_size(c.oid))::bigint AS heap, sum(pg_indexes_size(c.oid))::bigint AS indexes,
  sum(coalesce(s.n_live_tup, 0))::bigint AS live, sum(coalesce(s.n_dead_tup, 0))::bigint AS dead
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class parent ON parent.oid = i.inhparent
LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
GROUP BY 1
ORDER BY sum(pg_total_relation_size(c.oid)) DESC, 1
"""

_MONTHS_AHEAD = """
SELECT count(*)::integer FROM generate_series(1, 12) AS n
CROSS JOIN LATERAL (SELECT to_char(
  date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n), '"_y"YYYY"m"MM')) AS m
WHERE to_regclass('event' || m.to_char) IS NOT NULL
  AND to_regclass('delivery_attempt' || m.to_char) IS NOT NULL
"""
