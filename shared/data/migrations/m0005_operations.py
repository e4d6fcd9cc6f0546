"""What operators need over the years: a pause for all deliveries, and old months let go."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000005"
VERSION = "1.38.0"
DESCRIPTION = "pause, retention"

UP = """
CREATE TABLE system_state (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  paused_since timestamptz,
  paused_reason text,
  CHECK ((paused_since IS NULL) = (paused_reason IS NULL))
);
INSERT INTO system_state DEFAULT VALUES;
GRANT SELECT ON system_state TO guardian_api, guardian_operator, guardian_worker;
GRANT UPDATE ON system_state TO guardian_operator;
COMMENT ON TABLE system_state IS
  'One row. While paused_since is set, workers begin no delivery; a restore sets it.';

GRANT INSERT, UPDATE, DELETE ON integration_hour TO guardian_operator;

CREATE FUNCTION guardian_drop_partition(parent text, month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
  starts timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
  ends timestamptz := (date_trunc('month', month::timestamp) + interval '1 month')
    AT TIME ZONE 'UTC';
  child text;
  is_held boolean;
BEGIN
  IF parent NOT IN ('event', 'delivery_attempt') THEN
    RAISE EXCEPTION 'only the months of event and delivery_attempt may go';
  END IF;
  IF ends > now() - interval '7 days' THEN
    RAISE EXCEPTION 'a month stays for seven days after its end';
  END IF;
  child := parent || to_char(starts AT TIME ZONE 'UTC', '"_y"YYYY"m"MM');
  IF NOT EXISTS (SELECT FROM pg_inherits
      WHERE inhparent = parent::regclass AND inhrelid = to_regclass(child)) THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('guardian_make_partitions'));
  -- Forced row-level security hides the queue from its owner, too; nobody else sees this moment.
  ALTER TABLE delivery_due NO FORCE ROW LEVEL SECURITY;
  IF parent = 'event' THEN
    SELECT EXISTS (SELECT FROM delivery_due WHERE event_id >= guardian_uuid_floor(starts)
      AND event_id < guardian_uuid_floor(ends)) INTO is_held;
  ELSE
    SELECT EXISTS (SELECT FROM delivery_due WHERE id >= guardian_uuid_floor(starts)
      AND id < guardian_uuid_floor(ends)) INTO is_held;
  END IF;
  IF NOT is_held THEN
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, child);
    EXECUTE format('DROP TABLE %I', child);
  END IF;
  ALTER TABLE delivery_due FORCE ROW LEVEL SECURITY;
  RETURN NOT is_held;
END $$;
COMMENT ON FUNCTION guardian_drop_partition IS
  'Drops one month, unless an undelivered delivery needs it; says whether it is gone.';
REVOKE ALL ON FUNCTION guardian_drop_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guardian_drop_partition TO guardian_worker, guardian_operator;
"""


async def forwards() -> MigrationManager:
    """Make the row and the function."""
    return migration(ID, DESCRIPTION, up=UP)
