"""Roles, tenants, keys and the catalogue."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.policies import ROLES, secure
from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000001"
VERSION = "1.38.0"
DESCRIPTION = "roles, tenants, keys, catalogue"

MAKE_ROLES = "".join(
    f"""
    DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN NOINHERIT;
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
    """
    for role in ROLES
)

TENANTS = f"""
GRANT USAGE ON SCHEMA public TO {", ".join(ROLES)};

CREATE TABLE tenant (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  created_at timestamptz NOT NULL
);

CREATE TABLE api_key (
  id uuid PRIMARY KEY,
  tenant_id uuid REFERENCES tenant ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('reader', 'ingest', 'admin', 'operator')),
  label text NOT NULL CHECK (length(label) BETWEEN 1 AND 120),
  prefix text NOT NULL UNIQUE,
  digest bytea NOT NULL,
  created_at timestamptz NOT NULL,
  last_used_at timestamptz,
  expires_at timestamptz,
  revoked_at timestamptz,
  UNIQUE (tenant_id, id),
  CHECK ((role = 'operator') = (tenant_id IS NULL))
);

CREATE TABLE idempotency_key (
  tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  digest bytea NOT NULL,
  answer bytea NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, key)
);
CREATE INDEX ON idempotency_key (created_at);

CREATE TABLE audit (
  id uuid PRIMARY KEY,
  tenant_id uuid,
  at timestamptz NOT NULL,
  actor_kind text NOT NULL CHECK (actor_kind IN ('key', 'command', 'worker')),
  actor_id uuid,
  actor_label text NOT NULL,
  action text NOT NULL,
  target_kind text NOT NULL,
  target_id text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
  before jsonb,
  after jsonb,
  request_id text
);
CREATE INDEX ON audit (tenant_id, id);
COMMENT ON TABLE audit IS
  'Append-only: nobody is granted UPDATE or DELETE. No foreign key: it outlives its subject.';
"""

CATALOGUE = """
CREATE TABLE capability (
  key text PRIMARY KEY,
  label text NOT NULL,
  category text NOT NULL,
  weight double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
  is_experimental boolean NOT NULL DEFAULT false
);
CREATE TABLE edition (
  key text PRIMARY KEY,
  label text NOT NULL,
  tier text NOT NULL CHECK (tier IN ('core', 'pro', 'elite', 'custom')),
  min_overall_score double precision NOT NULL,
  recommended_overall_score double precision NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  CHECK (recommended_overall_score >= min_overall_score)
);
CREATE TABLE adoption_sub_dimension (
  dimension text NOT NULL CHECK (dimension IN
    ('core', 'ai_intelligence', 'qa_chaos', 'network_intelligence', 'governance', 'meta')),
  sub_dimension text NOT NULL,
  weight double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
  light_from double precision NOT NULL,
  regular_from double precision NOT NULL,
  power_from double precision NOT NULL,
  PRIMARY KEY (dimension, sub_dimension),
  CHECK (light_from <= regular_from AND regular_from <= power_from)
);
GRANT SELECT ON capability, edition, adoption_sub_dimension TO
  guardian_api, guardian_operator, guardian_worker;
GRANT INSERT, UPDATE ON capability, edition, adoption_sub_dimension TO guardian_operator;

INSERT INTO capability (key, label, category, weight, is_experimental) VALUES
  ('guardian.core.rules', 'Rule engine', 'core', 2.0, false),
  ('guardian.core.alerts', 'Alerts', 'core', 1.8, false),
  ('guardian.core.incidents', 'Incidents', 'core', 1.8, false),
  ('guardian.core.risk', 'Risk engine', 'core', 1.5, false),
  ('guardian.ai.h_series_foundation', 'AI foundation', 'ai_intelligence', 1.2, true),
  ('guardian.qa.i_series.simulation', 'Simulation', 'qa_chaos', 1.5, false),
  ('guardian.qa.i_series.playbook_rehearsal', 'Playbook rehearsal', 'qa_chaos', 1.3, true),
  ('guardian.network.x01_telemetry', 'Network telemetry', 'network_intelligence', 1.0, false),
  ('guardian.network.x02_anomalies', 'Network anomalies', 'network_intelligence', 1.2, false),
  ('guardian.network.x03_early_warnings', 'Early warnings', 'network_intelligence', 1.1, false),
  ('guardian.network.x04_console_governance', 'Console governance', 'network_intelligence', 1.0,
   false),
  ('guardian.network.x05_lifecycle', 'Network lifecycle', 'network_intelligence', 0.8, false),
  ('guardian.network.x06_recommendations', 'Recommendations', 'network_intelligence', 0.9, false),
  ('guardian.governance.audit_logging', 'Audit logging', 'governance', 1.5, false),
  ('guardian.meta.readiness_dashboard', 'Readiness dashboard', 'governance', 0.5, false);
INSERT INTO edition (key, label, tier, min_overall_score, recommended_overall_score) VALUES
  ('guardian_core', 'Guardian Core', 'core', 0, 40),
  ('guardian_pro', 'Guardian Pro', 'pro', 35, 60),
  ('guardian_network_intelligent', 'Guardian Network Intelligent', 'elite', 55, 80),
  ('guardian_custom', 'Guardian Custom', 'custom', 0, 50);
INSERT INTO adoption_sub_dimension VALUES
  ('core', 'rules_usage', 1.0, 20, 50, 80),
  ('core', 'incidents_workflow', 1.0, 25, 55, 85),
  ('core', 'risk_usage', 0.8, 30, 60, 90),
  ('ai_intelligence', 'ai_features', 0.9, 20, 50, 80),
  ('ai_intelligence', 'playbook_usage', 1.0, 25, 55, 85),
  ('qa_chaos', 'simulation_runs', 1.0, 15, 45, 75),
  ('qa_chaos', 'qa_coverage', 1.0, 30, 60, 85),
  ('qa_chaos', 'incident_drills', 0.8, 20, 50, 80),
  ('network_intelligence', 'network_console', 0.9, 20, 50, 80),
  ('network_intelligence', 'early_warnings', 1.0, 25, 60, 90),
  ('network_intelligence', 'recommendations', 1.0, 30, 65, 90),
  ('governance', 'governance_events', 0.7, 25, 60, 85),
  ('meta', 'readiness_checks', 0.8, 30, 65, 90),
  ('meta', 'uplift_tasks', 1.0, 25, 60, 85),
  ('meta', 'executive_reports', 0.8, 20, 55, 85);
"""


async def forwards() -> MigrationManager:
    """Make the roles, then each table together with its policies."""
    return migration(
        ID,
        DESCRIPTION,
        up=MAKE_ROLES
        + TENANTS
        + secure(
            "tenant",
            api="SELECT",
            operator="SELECT, INSERT, UPDATE, DELETE",
            worker="SELECT",
            tenant="id",
        )
        + secure("api_key", api="SELECT, INSERT, UPDATE", operator="SELECT, INSERT, UPDATE, DELETE")
        + secure("idempotency_key", api="SELECT, INSERT, DELETE", worker="SELECT, DELETE")
        + secure("audit", api="SELECT, INSERT", operator="SELECT, INSERT", worker="SELECT, INSERT")
        + CATALOGUE,
    )
