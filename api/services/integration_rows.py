"""Integrations as rows: read, locked, inserted, updated; what they mean is said elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from piccolo.columns.combination import Where

from shared.contracts.templates import Template
from shared.contracts.words import Digest
from shared.data.session import TenantSession
from shared.data.tables import Integration
from shared.errors import ConflictError, NotFoundError

_COLUMNS = Integration.all_columns(exclude=[Integration.tenant_id, Integration.deleted_at])


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
    digest: str
    digest_since: datetime | None
    sealed_config: bytes
    sealed_secret: bytes
    sealed_previous_secret: bytes | None
    previous_secret_until: datetime | None
    certificate_fingerprint: str | None
    certificate_expires_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    is_ordered: bool
    rate_per_second: float | None
    retry_waits_s: list[int] | None
    counted_from: datetime
    disabled_at: datetime | None


async def newest(session: TenantSession, *, before: UUID | None, limit: int) -> list[Stored]:
    """Integrations that are not deleted, newest first, those made before `before`."""
    earlier = [] if before is None else [Integration.id < before]
    rows = (
        await Integration.select(*_COLUMNS)
        .where(*_of(session), *earlier)
        .order_by(Integration.id, ascending=False)
        .limit(limit)
    )
    return [_stored(row) for row in rows]


async def read(
    session: TenantSession, ids: Sequence[UUID], *, is_to_change: bool = False
) -> list[Stored]:
    """The integrations `ids`, in the order of their ids.

    Args:
        session: of their tenant.
        ids: which, each once.
        is_to_change: lock them; in the order of their ids, so that no two wait in a circle, and
            so that deliveries are made and settled meanwhile.

    Raises:
        NotFoundError: one of them is not there, or was deleted.
    """
    if not ids:
        return []
    chosen = (*_of(session), Integration.id.is_in(list(ids)))
    if is_to_change:
        await (
            Integration.select(Integration.id)
            .where(*chosen)
            .order_by(Integration.id)
            .lock_rows("NO KEY UPDATE")
        )
    rows = await Integration.select(*_COLUMNS).where(*chosen).order_by(Integration.id)
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
          auth_kind, sealed_config, sealed_secret, created_at, updated_at, subject, template,
          certificate_fingerprint, certificate_expires_at, digest, digest_since,
          is_ordered, rate_per_second, retry_waits_s, counted_from, disabled_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17,
          $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)
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
        stored.certificate_fingerprint,
        stored.certificate_expires_at,
        stored.digest,
        stored.digest_since,
        stored.is_ordered,
        stored.rate_per_second,
        stored.retry_waits_s,
        stored.counted_from,
        stored.disabled_at,
    )
    if made is None:
        raise ConflictError("There is an integration with this key already.")


async def update(session: TenantSession, stored: Stored) -> None:
    """Write everything of a row that may change."""
    await Integration.update(
        {
            Integration.label: stored.label,
            Integration.description: stored.description,
            Integration.is_enabled: stored.is_enabled,
            Integration.disabled_reason: stored.disabled_reason,
            Integration.scopes: stored.scopes,
            Integration.format: stored.format,
            Integration.signature: stored.signature,
            Integration.webhook_host: stored.webhook_host,
            Integration.url_hint: stored.url_hint,
            Integration.headers: _json(stored.headers),
            Integration.secret_header_names: stored.secret_header_names,
            Integration.auth_kind: stored.auth_kind,
            Integration.digest: stored.digest,
            Integration.digest_since: stored.digest_since,
            Integration.sealed_config: stored.sealed_config,
            Integration.sealed_secret: stored.sealed_secret,
            Integration.sealed_previous_secret: stored.sealed_previous_secret,
            Integration.previous_secret_until: stored.previous_secret_until,
            Integration.certificate_fingerprint: stored.certificate_fingerprint,
            Integration.certificate_expires_at: stored.certificate_expires_at,
            Integration.version: stored.version,
            Integration.updated_at: stored.updated_at,
            Integration.subject: stored.subject,
            Integration.template: _template_json(stored.template),
            Integration.is_ordered: stored.is_ordered,
            Integration.rate_per_second: stored.rate_per_second,
            Integration.retry_waits_s: stored.retry_waits_s,
            Integration.counted_from: stored.counted_from,
            Integration.disabled_at: stored.disabled_at,
        }
    ).where(*_of(session), Integration.id == stored.id)


async def empty(session: TenantSession, integration_id: UUID, *, now: datetime) -> None:
    """Mark a row as deleted and forget its secrets."""
    await Integration.update(
        {
            Integration.deleted_at: now,
            Integration.updated_at: now,
            Integration.is_enabled: False,
            Integration.subject: None,
            Integration.template: None,
            Integration.headers: "{}",
            Integration.digest: Digest.OFF,
            Integration.digest_since: None,
            Integration.sealed_config: None,
            Integration.sealed_secret: None,
            Integration.sealed_previous_secret: None,
            Integration.previous_secret_until: None,
            Integration.certificate_fingerprint: None,
            Integration.certificate_expires_at: None,
            Integration.version: Integration.version + 1,
        }
    ).where(*_of(session), Integration.id == integration_id)


def _of(session: TenantSession) -> tuple[Where, Where]:
    """Which rows are the tenant's and still there."""
    return (Integration.tenant_id == session.tenant_id, Integration.deleted_at.is_null())


def _json(headers: Mapping[str, str]) -> str:
    return msgspec.json.encode(headers).decode()


def _template_json(template: Template | None) -> str | None:
    return None if template is None else msgspec.json.encode(template).decode()


def _stored(values: dict[str, Any]) -> Stored:
    values["headers"] = msgspec.json.decode(values["headers"], type=dict[str, str])
    if values["template"] is not None:
        values["template"] = msgspec.json.decode(values["template"], type=Template)
    return Stored(**values)
