"""What goes out in rows: when a row was stored, views for BI tools, and what was deleted."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.policies import secure
from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000006"
VERSION = "1.38.0"
DESCRIPTION = "exports: stamps, views, tombstones"

STAMPS = """
CREATE FUNCTION guardian_stamp() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(7326108,
    floor(extract(epoch FROM clock_timestamp() - timestamptz '2020-01-01 00:00Z'))::integer);
  RETURN clock_timestamp();
END $$;
COMMENT ON FUNCTION guardian_stamp IS
  'The present instant. Until the transaction ends, an advisory lock tells guardian_horizon that
   there may be rows as old as the present second that nobody sees yet.';

CREATE FUNCTION guardian_horizon() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz := clock_timestamp();
  oldest bigint;
BEGIN
  SELECT min(objid::bigint) INTO oldest FROM pg_locks
  WHERE locktype = 'advisory' AND classid = 7326108 AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
  RETURN LEAST(at, timestamptz '2020-01-01 00:00Z' + make_interval(secs => oldest));
END $$;
COMMENT ON FUNCTION guardian_horizon IS
  'A statement after this one sees every row that was or will be stamped before what it answers.
   It lists the locks after it read the clock; a lock it does not find was let go, so its rows are
   visible, or is taken later, so its stamps are later too.';

ALTER TABLE observation ADD COLUMN stored_at timestamptz NOT NULL DEFAULT guardian_stamp();
CREATE INDEX observation_export ON observation (tenant_id, domain, stored_at, id);
ALTER TABLE uplift_plan ADD COLUMN stored_at timestamptz NOT NULL DEFAULT guardian_stamp();

CREATE TABLE tombstone (
  tenant_id uuid NOT NULL,
  kind text NOT NULL,
  subject_id uuid NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT guardian_stamp(),
  PRIMARY KEY (tenant_id, kind, subject_id)
);
CREATE INDEX ON tombstone (stored_at);
COMMENT ON TABLE tombstone IS 'What was deleted. No foreign key: it outlives its subject.';
"""

REMEMBER_TENANTS = """
CREATE FUNCTION guardian_bury_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tombstone (tenant_id, kind, subject_id) VALUES (OLD.id, 'tenant', OLD.id);
  RETURN OLD;
END $$;
CREATE TRIGGER bury AFTER DELETE ON tenant FOR EACH ROW EXECUTE FUNCTION guardian_bury_tenant();
"""

VIEWS = """
CREATE VIEW export_readiness_snapshots WITH (security_invoker = true) AS
SELECT (id::text) COLLATE "C" AS id, tenant_id, stored_at AS updated_at,
  observed_at AS computed_at, score AS overall_score, level AS band,
  jsonb_array_length(body->'capabilities') AS capability_count, is_derived,
  formula_version::integer AS formula_version
FROM observation WHERE domain = 'readiness';

CREATE VIEW export_readiness_capabilities WITH (security_invoker = true) AS
SELECT (o.id::text || ':' || (one->>'key')) COLLATE "C" AS id, o.tenant_id,
  o.stored_at AS updated_at, o.id AS snapshot_id, o.observed_at AS computed_at,
  one->>'key' AS capability_key, (one->>'score')::double precision AS score,
  one->>'status' AS status
FROM observation o CROSS JOIN LATERAL jsonb_array_elements(o.body->'capabilities') AS one
WHERE o.domain = 'readiness';

CREATE VIEW export_adoption_scores WITH (security_invoker = true) AS
SELECT (o.id::text || ':' || (one->>'dimension') || '.' || (one->>'sub_dimension')) COLLATE "C"
    AS id,
  o.tenant_id, o.stored_at AS updated_at, o.id AS snapshot_id, o.observed_at AS computed_at,
  one->>'dimension' AS dimension, one->>'sub_dimension' AS sub_dimension,
  (one->>'score')::double precision AS score, one->>'status' AS status,
  o.score AS overall_score, o.level AS overall_status
FROM observation o CROSS JOIN LATERAL jsonb_array_elements(o.body->'scores') AS one
WHERE o.domain = 'adoption';

CREATE VIEW export_uplift_plans WITH (security_invoker = true) AS
SELECT (plan.id::text) COLLATE "C" AS id, plan.tenant_id, plan.stored_at AS updated_at,
  plan.title, plan.status, plan.starts_on, plan.target_on, plan.created_at, plan.changed_at,
  (told.body->>'total')::integer AS tasks_total, (told.body->>'done')::integer AS tasks_done,
  (told.body->>'in_progress')::integer AS tasks_in_progress,
  (told.body->>'blocked')::integer AS tasks_blocked,
  (told.body->>'completion_percentage')::integer AS completion_percentage
FROM uplift_plan plan
JOIN observation told ON told.tenant_id = plan.tenant_id AND told.id = plan.observation_id;

CREATE VIEW export_edition_fits WITH (security_invoker = true) AS
SELECT (o.id::text || ':' || (one->>'edition_key')) COLLATE "C" AS id, o.tenant_id,
  o.stored_at AS updated_at, o.id AS computation_id, o.observed_at AS computed_at,
  one->>'edition_key' AS edition_key, (one->>'fit_score')::double precision AS fit_score,
  one->>'fit_status' AS fit_status, (one->>'is_primary')::boolean AS is_primary
FROM observation o CROSS JOIN LATERAL jsonb_array_elements(o.body->'fits') AS one
WHERE o.domain = 'editions';

CREATE VIEW export_executive_reports WITH (security_invoker = true) AS
SELECT (subject_id::text) COLLATE "C" AS id, tenant_id, stored_at AS updated_at,
  body->>'report_type' AS report_type, body->>'title' AS title,
  (body->>'period_start')::date AS period_start, (body->>'period_end')::date AS period_end,
  observed_at AS created_at, score AS overall_health_score, is_derived
FROM observation WHERE domain = 'executive_reports';

CREATE VIEW export_lifecycle_runs WITH (security_invoker = true) AS
SELECT (id::text) COLLATE "C" AS id, tenant_id, stored_at AS updated_at, observed_at AS run_at,
  (body->>'total_compacted')::bigint AS total_compacted,
  (body->>'total_deleted')::bigint AS total_deleted,
  (body->>'operations_successful')::bigint AS operations_successful,
  (body->>'operations_skipped')::bigint AS operations_skipped,
  (body->>'operations_failed')::bigint AS operations_failed
FROM observation WHERE domain = 'lifecycle';

CREATE VIEW export_deletions WITH (security_invoker = true) AS
SELECT (kind || ':' || subject_id::text) COLLATE "C" AS id, tenant_id, stored_at AS updated_at,
  kind, subject_id AS deleted_id
FROM tombstone;

GRANT SELECT ON export_readiness_snapshots, export_readiness_capabilities, export_adoption_scores,
  export_uplift_plans, export_edition_fits, export_executive_reports, export_lifecycle_runs,
  export_deletions TO guardian_api, guardian_operator;
"""

BI_LOGINS = """
CREATE TABLE bi_login (
  login name PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE
);
COMMENT ON TABLE bi_login IS
  'Which tenant a login of a BI tool sees: session_user, which a session cannot change.';
"""

# A login that reads the views may have been refused to an owner who may not create roles.
BI_ROLE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'guardian_bi') THEN
    CREATE ROLE guardian_bi NOLOGIN NOINHERIT;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL; END $$;
DO $$
DECLARE
  secured text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'guardian_bi') THEN
    RETURN;
  END IF;
  GRANT USAGE ON SCHEMA public TO guardian_bi;
  GRANT SELECT ON export_readiness_snapshots, export_readiness_capabilities,
    export_adoption_scores, export_uplift_plans, export_edition_fits, export_executive_reports,
    export_lifecycle_runs, export_deletions, bi_login TO guardian_bi;
  CREATE POLICY guardian_bi ON bi_login TO guardian_bi
    USING (login = session_user) WITH CHECK (login = session_user);
  FOREACH secured IN ARRAY ARRAY['observation', 'uplift_plan', 'tombstone'] LOOP
    EXECUTE format('GRANT SELECT ON %I TO guardian_bi', secured);
    EXECUTE format('CREATE POLICY guardian_bi ON %I TO guardian_bi
      USING (tenant_id = (SELECT tenant_id FROM bi_login WHERE login = session_user))
      WITH CHECK (tenant_id = (SELECT tenant_id FROM bi_login WHERE login = session_user))',
      secured);
  END LOOP;
END $$;
"""


async def forwards() -> MigrationManager:
    """Stamp rows, make the views, and let each login of a BI tool see one tenant."""
    return migration(
        ID,
        DESCRIPTION,
        up=STAMPS
        + secure("tombstone", api="SELECT", operator="SELECT, INSERT")
        + REMEMBER_TENANTS
        + VIEWS
        + BI_LOGINS
        + secure("bi_login", api="SELECT", operator="SELECT, INSERT, UPDATE, DELETE")
        + BI_ROLE,
    )
