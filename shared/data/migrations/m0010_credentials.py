"""Credentials of OAuth 2.0, and client certificates."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.sql import migration

ID = "2026-11-23T08:00:00:000010"
VERSION = "1.38.0"
DESCRIPTION = "OAuth 2.0 and client certificates"

UP = """
ALTER TABLE integration
  DROP CONSTRAINT integration_auth_kind_check,
  ADD CONSTRAINT integration_auth_kind_check CHECK
    (auth_kind IN ('none', 'bearer', 'basic', 'header', 'oauth2_client_credentials')),
  ADD COLUMN certificate_fingerprint text,
  ADD COLUMN certificate_expires_at timestamptz,
  ADD CONSTRAINT integration_certificate_check CHECK
    ((certificate_fingerprint IS NULL) = (certificate_expires_at IS NULL));
COMMENT ON COLUMN integration.certificate_fingerprint IS
  'SHA-256 of the client certificate; certificate and key are in sealed_config.';
"""


async def forwards() -> MigrationManager:
    """Allow one more kind of auth, and tell of certificates what may be seen."""
    return migration(ID, DESCRIPTION, up=UP)
