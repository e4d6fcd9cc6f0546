"""Narratives: what a model wrote, what it cost, and who lets it write."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.policies import secure
from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000004"
VERSION = "1.38.0"
DESCRIPTION = "narratives, their switch and their cost"

UP = """
CREATE TABLE narrative_setting (
  tenant_id uuid PRIMARY KEY REFERENCES tenant ON DELETE CASCADE,
  is_ai_enabled boolean NOT NULL,
  changed_at timestamptz NOT NULL
);
COMMENT ON TABLE narrative_setting IS 'No row means off.';

CREATE TABLE narrative (
  tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
  key text NOT NULL CHECK (length(key) = 64),
  status text NOT NULL CHECK (status IN ('pending', 'ready', 'failed')),
  model text NOT NULL,
  effort text NOT NULL,
  ledger jsonb NOT NULL,
  draft jsonb,
  reason text,
  flaw text,
  requested_at timestamptz NOT NULL,
  claims smallint NOT NULL DEFAULT 0,
  claimed_until timestamptz,
  finished_at timestamptz,
  input_tokens integer NOT NULL DEFAULT 0,
  output_tokens integer NOT NULL DEFAULT 0,
  cost_usd double precision NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, key),
  CHECK ((status = 'ready') = (draft IS NOT NULL)),
  CHECK ((status = 'failed') = (reason IS NOT NULL)),
  CHECK ((status = 'pending') = (finished_at IS NULL))
);
CREATE INDEX narrative_waiting ON narrative (requested_at) WHERE status = 'pending';
COMMENT ON TABLE narrative IS
  'One row per question: key digests the ledger, the instructions, the model and its effort. The
   draft cites facts and holds no number.';

CREATE TABLE narrative_spend (
  tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
  day date NOT NULL,
  calls integer NOT NULL DEFAULT 0,
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  cost_usd double precision NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, day)
);
CREATE INDEX ON narrative_spend (day);
COMMENT ON TABLE narrative_spend IS
  'What calls cost by UTC day; the worst case is entered before a call, the truth after it.';

CREATE TABLE ai_model (
  model text PRIMARY KEY,
  lifecycle text NOT NULL,
  retires_at timestamptz,
  checked_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ai_model TO guardian_worker;
GRANT SELECT ON ai_model TO guardian_operator, guardian_api;
COMMENT ON TABLE ai_model IS 'What the provider last said about the configured model.';
"""


async def forwards() -> MigrationManager:
    """Make each table together with its policies."""
    return migration(
        ID,
        DESCRIPTION,
        up=UP
        + secure("narrative_setting", api="SELECT, INSERT, UPDATE", worker="SELECT")
        + secure("narrative", api="SELECT, INSERT, UPDATE", worker="SELECT, UPDATE, DELETE")
        + secure("narrative_spend", api="SELECT", worker="SELECT, INSERT, UPDATE, DELETE"),
    )
