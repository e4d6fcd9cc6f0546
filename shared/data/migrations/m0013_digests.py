"""Digests: who wants the week in one message, and which Monday they were last told of."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.policies import secure
from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000013"
VERSION = "1.38.0"
DESCRIPTION = "digests"

UP = """
ALTER TABLE integration
  ADD COLUMN digest text NOT NULL DEFAULT 'off'
    CHECK (digest IN ('off', 'weekly', 'weekly_only')),
  ADD COLUMN digest_since timestamptz,
  ADD CHECK ((digest = 'off') = (digest_since IS NULL)),
  ADD CHECK (digest = 'off' OR format IN ('slack', 'teams'));
CREATE INDEX integration_digest ON integration (tenant_id) WHERE digest <> 'off';
COMMENT ON COLUMN integration.digest_since IS
  'When it was asked for: the first one tells of the Monday after.';

CREATE TABLE digest (
  tenant_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  slot timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, integration_id),
  FOREIGN KEY (tenant_id, integration_id) REFERENCES integration (tenant_id, id)
    ON DELETE CASCADE
);
COMMENT ON TABLE digest IS
  'The newest Monday that an integration was told of, in the transaction that made the delivery.';
"""


async def forwards() -> MigrationManager:
    """Make each table together with its policies."""
    return migration(
        ID,
        DESCRIPTION,
        up=UP + secure("digest", api="SELECT", worker="SELECT, INSERT, UPDATE"),
    )
