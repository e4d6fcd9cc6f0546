"""Replays: what was chosen to be sent once more, and how far that is."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.policies import secure
from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000007"
VERSION = "1.38.0"
DESCRIPTION = "replays"

UP = """
CREATE TABLE replay (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  integration_id uuid NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  statuses text[] NOT NULL,
  event_types text[] NOT NULL,
  only_missing boolean NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'done', 'cancelled')),
  reason text,
  count integer NOT NULL DEFAULT 0,
  position integer NOT NULL DEFAULT 0,
  skipped integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  finished_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, integration_id) REFERENCES integration (tenant_id, id)
    ON DELETE CASCADE,
  CHECK ((status = 'running') = (finished_at IS NULL)),
  CHECK (position BETWEEN 0 AND count AND skipped BETWEEN 0 AND position)
);
CREATE UNIQUE INDEX replay_running ON replay (tenant_id, integration_id) WHERE status = 'running';
COMMENT ON COLUMN replay.position IS
  'Items up to this number have become deliveries, in the transaction that says so.';

CREATE TABLE replay_item (
  tenant_id uuid NOT NULL,
  replay_id uuid NOT NULL,
  number integer NOT NULL,
  event_id uuid NOT NULL,
  replay_of uuid,
  PRIMARY KEY (tenant_id, replay_id, number),
  FOREIGN KEY (tenant_id, replay_id) REFERENCES replay (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE replay_item IS
  'What was chosen when the replay was asked for, in the order of the events; gone once it is a
   delivery. No foreign key to event: an old partition of events must be droppable.';
"""


async def forwards() -> MigrationManager:
    """Make each table together with its policies."""
    return migration(
        ID,
        DESCRIPTION,
        up=UP
        + secure("replay", api="SELECT, INSERT, UPDATE", worker="SELECT, UPDATE")
        + secure("replay_item", api="SELECT, INSERT, DELETE", worker="SELECT, DELETE"),
    )
