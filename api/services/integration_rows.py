"""Integrations as rows: read, locked, inserted, updated; what they mean is said elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from shared.contracts.templates import Template
from shared.data.connection import Row
from shared.data.session import TenantSession
from shared.errors import ConflictError, NotFoundError

_COLUMNS = """id, integration_key, label, description, is_enabled, disabled_reason, scopes, format,
  subject, template, signature, webhook_host, url_hint, headers, secret_header_names, auth_kind,
  sealed_config, sealed_secret, sealed_previous_secret, previous_secret_until, version,
  created_at, updated_at"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of `integration`."""

    id: UUID
    integration_key: str
    label: str
    description: str
    is_enabled: bool
    disabled_reason: str | None
    scopes: list[str]
    format: str
    subject: UUID | None
    template: Template | None
    signature: str
    webhook_host: str
    url_hint: str
    headers: dict[str, str]
    secret_header_names: list[str]
    auth_kind: str
    sealed_config: bytes
    sealed_secret: bytes
    sealed_previous_secret: bytes | None
    previous_secret_until: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


async def newest(session: TenantSession, *, before: UUID | None, limit: int) -> list[Stored]:
    """Integrations that are not deleted, newest first, those made before `before`."""
    rows = await session.connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM integration
        WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        """,  # noqa: S608 - constant columns
        session.tenant_id,
        before,
        limit,
    )
    return [_stored(row) for row in rows]


async def read(
    session: TenantSession, ids: Sequence[UUID], *, is_to_change: bool = False
) -> list[Stored]:
    """The integrations `ids`, in the order of their ids.

    Args:
        session: of their tenant.
        ids: which, each once.
        is_to_change: lock them; in the order of their ids, so that no two wait in a circle.

    Raises:
        NotFoundError: one of them is not there, or was deleted.
    """
    rows = await session.connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM integration
        WHERE tenant_id = $1 AND id = ANY($2) AND deleted_at IS NULL
        ORDER BY id {"FOR UPDATE" if is_to_change else ""}
        """,  # noqa: S608 - constant columns
        session.tenant_id,
        list(ids),
    )
    if len(rows) != len(ids):
        raise NotFoundError
    return [_stored(row) for row in rows]


async def insert(session: TenantSession, stored: Stored) -> None:
    """Add a row.

    Raises:
        ConflictError: the tenant has an integration with this key.
    """
    made = await session.connection.fetchval(
        """
        INSERT INTO integration (tenant_id, id, integration_key, label, description, is_enabled,
          scopes, format, signature, webhook_host, url_hint, headers, secret_header_names,
          auth_kind, sealed_config, sealed_secret, created_at, updated_at, subject, template)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17,
          $18, $19)
        ON CONFLICT (tenant_id, integration_key) WHERE deleted_at IS NULL DO NOTHING
        RETURNING id
        """,
        session.tenant_id,
        stored.id,
        stored.integration_key,
        stored.label,
        stored.description,
        stored.is_enabled,
        stored.scopes,
        stored.format,
        stored.signature,
        stored.webhook_host,
        stored.url_hint,
        _json(stored.headers),
        stored.secret_header_names,
        stored.auth_kind,
        stored.sealed_config,
        stored.sealed_secret,
        stored.created_at,
        stored.subject,
        _template_json(stored.template),
    )
    if made is None:
        raise ConflictError("There is an integration with this key already.")


async def update(session: TenantSession, stored: Stored) -> None:
    """Write everything of a row that may change."""
    await session.connection.execute(
        """
        UPDATE integration SET label = $3, description = $4, is_enabled = $5, disabled_reason = $6,
          scopes = $7, format = $8, signature = $9, webhook_host = $10, url_hint = $11,
          headers = $12, secret_header_names = $13, auth_kind = $14, sealed_config = $15,
          sealed_secret = $16, sealed_previous_secret = $17, previous_secret_until = $18,
          version = $19, updated_at = $20, subject = $21, template = $22
        WHERE tenant_id = $1 AND id = $2
        """,
        session.tenant_id,
        stored.id,
        stored.label,
        stored.description,
        stored.is_enabled,
        stored.disabled_reason,
        stored.scopes,
        stored.format,
        stored.signature,
        stored.webhook_host,
        stored.url_hint,
        _json(stored.headers),
        stored.secret_header_names,
        stored.auth_kind,
        stored.sealed_config,
        stored.sealed_secret,
        stored.sealed_previous_secret,
        stored.previous_secret_until,
        stored.version,
        stored.updated_at,
        stored.subject,
        _template_json(stored.template),
    )


async def empty(session: TenantSession, integration_id: UUID, *, now: datetime) -> None:
    """Mark a row as deleted and forget its secrets."""
    await session.connection.execute(
        """
        UPDATE integration SET deleted_at = $3, updated_at = $3, is_enabled = false,
          subject = NULL, template = NULL, headers = '{}', sealed_config = NULL,
          sealed_secret = NULL, sealed_previous_secret = NULL, previous_secret_until = NULL,
          version = version + 1
        WHERE tenant_id = $1 AND id = $2
        """,
        session.tenant_id,
        integration_id,
        now,
    )


def _json(headers: Mapping[str, str]) -> str:
    return msgspec.json.encode(headers).decode()


def _template_json(template: Template | None) -> str | None:
    return None if template is None else msgspec.json.encode(template).decode()


def _stored(row: Row) -> Stored:
    values = dict(row.items())
    values["headers"] = msgspec.json.decode(values["headers"], type=dict[str, str])
    if values["template"] is not None:
        values["template"] = msgspec.json.decode(values["template"], type=Template)
    return Stored(**values)
