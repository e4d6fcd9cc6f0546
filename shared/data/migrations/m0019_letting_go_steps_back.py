"""Letting a month go gives way before PostgreSQL calls a deadlock."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000019"
VERSION = "1.38.0"
DESCRIPTION = "letting a month go gives way"

# It locks the queue, then the events; an observation writes the events, then the queue. Whoever
# waits for it is spared, for it gives up before the one second after which PostgreSQL ends
# either of them.
UP = "ALTER FUNCTION guardian_drop_partition(text, date) SET lock_timeout = '400ms';"


async def forwards() -> MigrationManager:
    """Shorten how long the function waits for a lock."""
    return migration(ID, DESCRIPTION, up=UP)
