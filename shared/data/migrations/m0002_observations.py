"""What producers told us: observations, and the uplift plans they add up to."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.policies import secure
from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "observations, uplift plans and tasks"

UP = """
CREATE TABLE observation (
  tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id uuid NOT NULL,
  domain text NOT NULL CHECK (domain IN
    ('readiness', 'uplift', 'editions', 'executive_reports', 'adoption', 'lifecycle')),
  subject_id uuid,
  observed_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  score double precision CHECK (score BETWEEN 0 AND 100),
  level text,
  is_derived boolean NOT NULL,
  formula_version smallint NOT NULL,
  body jsonb NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX observation_newest ON observation (tenant_id, domain, observed_at, id)
  INCLUDE (score, level);
CREATE UNIQUE INDEX observation_report ON observation (tenant_id, subject_id)
  WHERE domain = 'executive_reports';
COMMENT ON TABLE observation IS
  'Immutable. score and level are the domain''s main value; body is the normalised observation.';

CREATE TABLE uplift_plan (
  tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id uuid NOT NULL,
  title text NOT NULL CHECK (length(title) BETWEEN 1 AND 120),
  status text NOT NULL CHECK (status IN ('draft', 'active', 'completed', 'archived')),
  starts_on date,
  target_on date,
  created_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  observation_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, observation_id) REFERENCES observation (tenant_id, id)
    ON DELETE CASCADE
);

CREATE TABLE uplift_task (
  tenant_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('todo', 'in_progress', 'blocked', 'done')),
  priority text NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'critical')),
  category text NOT NULL CHECK (category IN
    ('core', 'ai_intelligence', 'qa_chaos', 'network_intelligence', 'governance', 'other')),
  due_on date,
  first_seen_at timestamptz NOT NULL,
  completed_at timestamptz,
  PRIMARY KEY (tenant_id, plan_id, id),
  FOREIGN KEY (tenant_id, plan_id) REFERENCES uplift_plan (tenant_id, id) ON DELETE CASCADE,
  CHECK ((status = 'done') = (completed_at IS NOT NULL))
);
"""


async def forwards() -> MigrationManager:
    """Make each table together with its policies."""
    return migration(
        ID,
        DESCRIPTION,
        up=UP
        + secure("observation", api="SELECT, INSERT", worker="SELECT, INSERT")
        + secure("uplift_plan", api="SELECT, INSERT, UPDATE", worker="SELECT")
        + secure("uplift_task", api="SELECT, INSERT, UPDATE, DELETE", worker="SELECT"),
    )
