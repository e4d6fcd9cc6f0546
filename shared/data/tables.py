"""The tables as Piccolo sees them, for paths that handle one row at a time.

The DDL stands in the migrations, with the policies; a test compares the two. Paths that handle rows
by the hundred (fan-out, claim, settle, history) speak SQL on the session's connection instead.
"""

from piccolo.columns import (
    JSONB,
    UUID,
    Array,
    Boolean,
    Bytea,
    DoublePrecision,
    Integer,
    Text,
    Timestamptz,
)
from piccolo.table import Table

from shared.data.engine import DB


class Tenant(Table, tablename="tenant", db=DB):
    """Whom data belongs to."""

    id = UUID(primary_key=True, default=None)
    name = Text()
    created_at = Timestamptz(default=None)
    retention_days = Integer(null=True, default=None)


class ApiKey(Table, tablename="api_key", db=DB):
    """A bearer credential; only its keyed digest is kept."""

    id = UUID(primary_key=True, default=None)
    tenant_id = UUID(null=True, default=None)
    role = Text()
    label = Text()
    prefix = Text()
    digest = Bytea()
    created_at = Timestamptz(default=None)
    last_used_at = Timestamptz(null=True, default=None)
    expires_at = Timestamptz(null=True, default=None)
    revoked_at = Timestamptz(null=True, default=None)


class Audit(Table, tablename="audit", db=DB):
    """Who did what, and when; nobody may change or delete a row."""

    id = UUID(primary_key=True, default=None)
    tenant_id = UUID(null=True, default=None)
    at = Timestamptz(default=None)
    actor_kind = Text()
    actor_id = UUID(null=True, default=None)
    actor_label = Text()
    action = Text()
    target_kind = Text()
    target_id = Text()
    outcome = Text()
    before = JSONB(null=True, default=None)
    after = JSONB(null=True, default=None)
    request_id = Text(null=True, default=None)


class Capability(Table, tablename="capability", db=DB):
    """An entry of the catalogue: what readiness is scored by."""

    key = Text(primary_key=True)
    label = Text()
    category = Text()
    weight = DoublePrecision(default=1.0)
    is_experimental = Boolean(default=False)


class Edition(Table, tablename="edition", db=DB):
    """An entry of the catalogue: what fit is computed for."""

    key = Text(primary_key=True)
    label = Text()
    tier = Text()
    min_overall_score = DoublePrecision(default=0.0)
    recommended_overall_score = DoublePrecision(default=0.0)
    is_active = Boolean(default=True)


class AdoptionSubDimension(Table, tablename="adoption_sub_dimension", db=DB):
    """An entry of the catalogue: what adoption is scored by; the pair is the key."""

    dimension = Text()
    sub_dimension = Text(primary_key=True)
    weight = DoublePrecision(default=1.0)
    light_from = DoublePrecision(default=0.0)
    regular_from = DoublePrecision(default=0.0)
    power_from = DoublePrecision(default=0.0)


class Integration(Table, tablename="integration", db=DB):
    """Where a tenant wants events sent; a deleted one stays, emptied of its secrets."""

    tenant_id = UUID(default=None)
    id = UUID(primary_key=True, default=None)
    integration_key = Text()
    label = Text()
    description = Text()
    is_enabled = Boolean()
    disabled_reason = Text(null=True, default=None)
    scopes = Array(base_column=Text())
    format = Text()
    subject = UUID(null=True, default=None)
    template = JSONB(null=True, default=None)
    signature = Text()
    webhook_host = Text()
    url_hint = Text()
    headers = JSONB()
    secret_header_names = Array(base_column=Text())
    auth_kind = Text()
    digest = Text(default="off")
    digest_since = Timestamptz(null=True, default=None)
    sealed_config = Bytea(null=True, default=None)
    sealed_secret = Bytea(null=True, default=None)
    sealed_previous_secret = Bytea(null=True, default=None)
    previous_secret_until = Timestamptz(null=True, default=None)
    certificate_fingerprint = Text(null=True, default=None)
    certificate_expires_at = Timestamptz(null=True, default=None)
    version = Integer(default=1)
    created_at = Timestamptz(default=None)
    updated_at = Timestamptz(default=None)
    deleted_at = Timestamptz(null=True, default=None)
    is_ordered = Boolean(default=False)
    rate_per_second = DoublePrecision(null=True, default=None)
    retry_waits_s = Array(base_column=Integer(), null=True, default=None)
    counted_from = Timestamptz(default=None)
    disabled_at = Timestamptz(null=True, default=None)
