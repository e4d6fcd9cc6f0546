"""A key of each tenant's own; those it is not made for yet get it when something is sealed."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.policies import secure
from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000018"
VERSION = "1.38.0"
DESCRIPTION = "tenants' keys"

UP = """
CREATE TABLE tenant_key (
  tenant_id uuid PRIMARY KEY REFERENCES tenant ON DELETE CASCADE,
  sealed_key bytea NOT NULL,
  created_at timestamptz NOT NULL
);
COMMENT ON TABLE tenant_key IS
  'Seals the tenant''s secrets and is itself sealed by the key ring. Gone with its tenant, and with
   it whatever it sealed.';
"""


async def forwards() -> MigrationManager:
    """Make the table together with its policies."""
    return migration(
        ID,
        DESCRIPTION,
        up=UP
        + secure(
            "tenant_key",
            api="SELECT, INSERT",
            operator="SELECT, INSERT, UPDATE",
            worker="SELECT",
        ),
    )
