"""What goes out: integrations, events, due deliveries, attempts, and who works on them."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.policies import secure
from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000003"
VERSION = "1.38.0"
DESCRIPTION = "integrations, events, deliveries, leases"

UP = """
CREATE TABLE integration (
  tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id uuid NOT NULL,
  integration_key text NOT NULL,
  label text NOT NULL CHECK (length(label) BETWEEN 1 AND 120),
  description text NOT NULL CHECK (length(description) <= 500),
  is_enabled boolean NOT NULL,
  disabled_reason text,
  scopes text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY
    ['readiness', 'uplift', 'editions', 'executive_reports', 'adoption', 'lifecycle']),
  format text NOT NULL CHECK (format IN
    ('standard', 'cloudevents', 'flat', 'slack', 'teams', 'segment', 'template')),
  subject uuid,
  template jsonb,
  signature text NOT NULL CHECK (signature IN ('v1', 'v1a')),
  webhook_host text NOT NULL,
  url_hint text NOT NULL,
  headers jsonb NOT NULL,
  secret_header_names text[] NOT NULL,
  auth_kind text NOT NULL CHECK (auth_kind IN ('none', 'bearer', 'basic', 'header')),
  sealed_config bytea,
  sealed_secret bytea,
  sealed_previous_secret bytea,
  previous_secret_until timestamptz,
  version integer NOT NULL DEFAULT 1,
  shard smallint NOT NULL GENERATED ALWAYS AS (get_byte(uuid_send(id), 15) % 64) STORED,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  deleted_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  CHECK ((deleted_at IS NULL) = (sealed_config IS NOT NULL)),
  CHECK ((deleted_at IS NULL) = (sealed_secret IS NOT NULL)),
  CHECK (deleted_at IS NULL OR NOT is_enabled),
  CHECK (deleted_at IS NOT NULL OR format <> 'segment' OR subject IS NOT NULL),
  CHECK (deleted_at IS NOT NULL OR (format = 'template') = (template IS NOT NULL))
);
CREATE UNIQUE INDEX integration_key ON integration (tenant_id, integration_key)
  WHERE deleted_at IS NULL;
CREATE INDEX integration_shard ON integration (shard, id);
COMMENT ON TABLE integration IS
  'A deleted one stays, emptied of its secrets, so that past deliveries keep their audit.';
COMMENT ON COLUMN integration.subject IS
  'Stands for the tenant at this receiver and at no other; random, null where not asked for.';
COMMENT ON COLUMN integration.sealed_config IS
  'Sealed JSON {url, secret_headers, auth}; nothing of it is readable without the key ring.';

CREATE TABLE event (
  tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id uuid NOT NULL,
  type text NOT NULL,
  scope text,
  occurred_at timestamptz NOT NULL,
  observation_id uuid,
  body bytea NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, observation_id) REFERENCES observation (tenant_id, id)
    ON DELETE CASCADE
) PARTITION BY RANGE (id);
COMMENT ON TABLE event IS
  'Immutable, monthly partitions: an id is a UUIDv7, so a range of ids is a range of time.';
COMMENT ON COLUMN event.body IS 'The body of the standard format, encoded once.';

CREATE TABLE delivery_due (
  integration_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  event_id uuid NOT NULL,
  attempt_count smallint NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  replay_of uuid,
  PRIMARY KEY (integration_id, id),
  FOREIGN KEY (tenant_id, integration_id) REFERENCES integration (tenant_id, id)
    ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, event_id) REFERENCES event (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX delivery_due_retry ON delivery_due (integration_id, next_attempt_at)
  WHERE next_attempt_at IS NOT NULL;
COMMENT ON TABLE delivery_due IS
  'The queue: a row exists only while its delivery is undelivered. next_attempt_at is NULL until
   the first try fails. No other index: one that can serve ORDER BY id makes the planner walk a
   backlog.';

CREATE TABLE delivery_attempt (
  tenant_id uuid NOT NULL,
  delivery_id uuid NOT NULL,
  number smallint NOT NULL,
  integration_id uuid NOT NULL,
  event_id uuid NOT NULL,
  event_type text NOT NULL,
  status text NOT NULL CHECK (status IN ('failed', 'delivered', 'discarded')),
  reason text,
  started_at timestamptz NOT NULL,
  duration_ms integer NOT NULL,
  status_code smallint,
  error_class text,
  excerpt text,
  replay_of uuid,
  PRIMARY KEY (tenant_id, delivery_id, number),
  FOREIGN KEY (tenant_id, integration_id) REFERENCES integration (tenant_id, id)
    ON DELETE CASCADE
) PARTITION BY RANGE (delivery_id);
CREATE INDEX delivery_attempt_dead ON delivery_attempt (tenant_id, delivery_id)
  WHERE status = 'discarded';
COMMENT ON TABLE delivery_attempt IS
  'Append-only, monthly partitions by the delivery''s id. The last row of a delivery carries its
   verdict; number 0 means it was discarded without a POST. No foreign key to event: an old
   partition of events must be droppable.';

CREATE TABLE integration_hour (
  tenant_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  hour timestamptz NOT NULL,
  delivered integer NOT NULL DEFAULT 0,
  discarded integer NOT NULL DEFAULT 0,
  failed_attempts integer NOT NULL DEFAULT 0,
  last_delivered_at timestamptz,
  last_error text,
  last_error_at timestamptz,
  PRIMARY KEY (tenant_id, integration_id, hour),
  FOREIGN KEY (tenant_id, integration_id) REFERENCES integration (tenant_id, id)
    ON DELETE CASCADE
) WITH (fillfactor = 70);
COMMENT ON TABLE integration_hour IS
  'Counters by the hour in which a delivery was created, after a month by the month; they survive
   the attempts.';

CREATE TABLE shard_lease (
  shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
  owner uuid,
  epoch bigint NOT NULL DEFAULT 0,
  until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO shard_lease (shard) SELECT generate_series(0, 63);
CREATE TABLE worker_heartbeat (
  owner uuid PRIMARY KEY,
  host text NOT NULL,
  pid integer NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL
);
GRANT SELECT, UPDATE ON shard_lease TO guardian_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON worker_heartbeat TO guardian_worker;
GRANT SELECT ON shard_lease, worker_heartbeat TO guardian_operator, guardian_api;

CREATE FUNCTION guardian_uuid_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
COMMENT ON FUNCTION guardian_uuid_floor IS 'The smallest UUIDv7 of an instant.';

CREATE FUNCTION guardian_make_partitions(from_month date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  made integer := 0;
  parent text;
  child text;
  starts timestamptz;
BEGIN
  IF months NOT BETWEEN 1 AND 60 THEN
    RAISE EXCEPTION 'months must be 1 to 60';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('guardian_make_partitions'));
  FOREACH parent IN ARRAY ARRAY['event', 'delivery_attempt'] LOOP
    FOR i IN 0 .. months - 1 LOOP
      starts := (date_trunc('month', from_month::timestamp) + make_interval(months => i))
        AT TIME ZONE 'UTC';
      child := parent || to_char(starts AT TIME ZONE 'UTC', '"_y"YYYY"m"MM');
      CONTINUE WHEN to_regclass(child) IS NOT NULL;
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', child, parent,
        guardian_uuid_floor(starts), guardian_uuid_floor(starts + interval '1 month'));
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', child);
      EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', child);
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
REVOKE ALL ON FUNCTION guardian_make_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guardian_make_partitions TO guardian_worker;
SELECT guardian_make_partitions((now() AT TIME ZONE 'UTC' - interval '1 month')::date, 15);
"""

_RESEALING = """
GRANT UPDATE (sealed_config, sealed_secret, sealed_previous_secret) ON integration
  TO guardian_operator;
"""


async def forwards() -> MigrationManager:
    """Make each table together with its policies, and fifteen months of partitions."""
    return migration(
        ID,
        DESCRIPTION,
        up=UP
        + secure("integration", api="SELECT, INSERT, UPDATE", worker="SELECT, UPDATE")
        + _RESEALING
        + secure("event", api="SELECT, INSERT", worker="SELECT, INSERT")
        + secure("delivery_due", api="SELECT, INSERT", worker="SELECT, INSERT, UPDATE, DELETE")
        + secure("delivery_attempt", api="SELECT", worker="SELECT, INSERT")
        + secure("integration_hour", api="SELECT", worker="SELECT, INSERT, UPDATE, DELETE"),
    )
