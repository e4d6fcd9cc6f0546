"""How receivers fare, and how tenants want theirs to be treated: order, rate, retries."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.policies import secure
from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000008"
VERSION = "1.38.0"
DESCRIPTION = "health of receivers, order, rate, schedule"

UP = """
ALTER TABLE integration
  ADD COLUMN is_ordered boolean NOT NULL DEFAULT false,
  ADD COLUMN rate_per_second double precision CHECK (rate_per_second BETWEEN 0.01 AND 1000),
  ADD COLUMN retry_waits_s integer[] CHECK (cardinality(retry_waits_s) <= 15
    AND 1 <= ALL (retry_waits_s) AND 86400 >= ALL (retry_waits_s)),
  ADD COLUMN counted_from timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN disabled_at timestamptz;
UPDATE integration SET disabled_at = updated_at WHERE NOT is_enabled;
COMMENT ON COLUMN integration.counted_from IS
  'When it was made, enabled, or given another config: failures and ages count from here.';

CREATE TABLE integration_pulse (
  tenant_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  consecutive_failures integer NOT NULL,
  failing_since timestamptz,
  recovered_at timestamptz,
  counted_from timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, integration_id),
  FOREIGN KEY (tenant_id, integration_id) REFERENCES integration (tenant_id, id)
    ON DELETE CASCADE,
  CHECK ((failing_since IS NULL) = (consecutive_failures = 0))
) WITH (fillfactor = 70);
COMMENT ON TABLE integration_pulse IS
  'The present run of failures; written when an attempt fails and when a run ends, so a healthy
   receiver costs nothing. Of no meaning once integration.counted_from has moved on.';
"""


async def forwards() -> MigrationManager:
    """Add the columns, and the table together with its policies."""
    return migration(
        ID,
        DESCRIPTION,
        up=UP + secure("integration_pulse", api="SELECT", worker="SELECT, INSERT, UPDATE"),
    )
