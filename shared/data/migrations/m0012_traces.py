"""Which trace an event came from, queues that are vacuumed in time, history kept for less long."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000012"
VERSION = "1.38.0"
DESCRIPTION = "traces, retention of a tenant"

UP = """
ALTER TABLE event ADD COLUMN traceparent text
  DEFAULT NULLIF(current_setting('guardian.traceparent', true), '');
COMMENT ON COLUMN event.traceparent IS
  'The W3C trace context of the transaction that made the event; null where nothing is traced.';

ALTER TABLE tenant ADD COLUMN retention_days integer
  CONSTRAINT tenant_retention_days CHECK (retention_days BETWEEN 1 AND 36500);
COMMENT ON COLUMN tenant.retention_days IS
  'Keeps this tenant''s events and attempts for less long than all others''; null: as long.';
GRANT UPDATE (retention_days) ON tenant TO guardian_operator;
GRANT DELETE ON event, delivery_attempt TO guardian_worker, guardian_operator;

-- Each settled delivery leaves a dead row in the queue, and each lease one every few seconds: a
-- fifth of the table, the usual measure, would be late for the one and never come for the other.
ALTER TABLE delivery_due SET (autovacuum_vacuum_threshold = 500,
  autovacuum_vacuum_insert_scale_factor = 0.1);
ALTER TABLE integration_hour SET (autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0);
ALTER TABLE shard_lease SET (fillfactor = 50, autovacuum_vacuum_threshold = 200,
  autovacuum_vacuum_scale_factor = 0);
ALTER TABLE worker_heartbeat SET (fillfactor = 50, autovacuum_vacuum_threshold = 200,
  autovacuum_vacuum_scale_factor = 0);
"""


async def forwards() -> MigrationManager:
    """Add two columns that may be null, and settings of storage."""
    return migration(ID, DESCRIPTION, up=UP)
