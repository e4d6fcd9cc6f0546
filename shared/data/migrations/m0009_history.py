"""The index that overview and history read tells the formula's version, so they read no row."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000009"
VERSION = "1.38.0"
DESCRIPTION = "formula versions in the index of observations"

UP = """
CREATE INDEX IF NOT EXISTS observation_told ON observation (tenant_id, domain, observed_at, id)
  INCLUDE (score, level, formula_version);
-- contracts: nobody names it, and observation_told serves every question that it served
DROP INDEX observation_newest;
"""


async def forwards() -> MigrationManager:
    """Make the index anew."""
    return migration(ID, DESCRIPTION, up=UP)
