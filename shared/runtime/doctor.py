"""`guardian doctor`: looks at the whole system and says what is wrong and what to do about it."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from shared.data.connection import Connection
from shared.data.migrate import pending
from shared.data.roles import refuse_privileged
from shared.data.session import API_ROLE, OPERATOR_ROLE
from shared.data.storage import months_ahead, table_sizes
from shared.domain.sealing import KeyRing
from shared.domain.uuid7 import instant_of
from shared.errors import GuardianError
from shared.runtime.database import reach
from shared.runtime.kept import kept_system
from shared.runtime.redis import check
from shared.settings import (
    AiSettings,
    DatabaseSettings,
    RedisSettings,
    SealSettings,
    load,
    refuse_unknown,
)

# Receivers accept a timestamp that is off by 5 minutes, sessions and leases far less.
MAX_CLOCK_SKEW = timedelta(seconds=5)
# A worker says that it lives every few seconds.
MAX_SILENCE = timedelta(seconds=60)
MAX_LAG = timedelta(minutes=10)
LARGEST_SHOWN = 4
DEAD_ROWS_ALLOWED = 50_000
RETIREMENT_WARNING = timedelta(days=30)
CERTIFICATE_WARNING = timedelta(days=14)

UNFORCED_TABLES = """
SELECT c.relname::text AS name FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition
  AND EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity
    AND EXISTS (SELECT FROM pg_policies p WHERE p.tablename = c.relname)
    AND NOT EXISTS (SELECT FROM pg_policies p WHERE p.tablename = c.relname
      AND (p.with_check IS DISTINCT FROM p.qual
        OR ('guardian_api' = ANY (p.roles) AND p.qual NOT LIKE '%guardian.tenant_id%'))))
ORDER BY 1
"""
TENANT_TABLES = """
SELECT count(*) FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition
  AND EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
"""
AUDIT_EDITORS = """
SELECT role FROM unnest(ARRAY['guardian_api', 'guardian_operator', 'guardian_worker']) AS role
WHERE has_table_privilege(role, 'audit', 'UPDATE, DELETE, TRUNCATE')
  OR has_any_column_privilege(role, 'audit', 'UPDATE')
"""
# A partition asked directly does not apply its parent's policies, so nobody may ask it.
OPEN_PARTITIONS = """
SELECT DISTINCT c.relname::text AS name FROM pg_class c
CROSS JOIN unnest(ARRAY['guardian_api', 'guardian_operator', 'guardian_worker']) AS role
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relispartition
  AND has_table_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
ORDER BY 1
"""
# What was never tried is due since its id was made; the smallest id is the oldest.
OLDEST_DUE = """
SELECT min(d.id::text) FILTER (WHERE d.next_attempt_at IS NULL) AS first_id,
  min(d.next_attempt_at) FILTER (WHERE d.next_attempt_at <= now()) AS retry_at, count(*) AS waiting
FROM delivery_due d JOIN integration i ON (i.tenant_id, i.id) = (d.tenant_id, d.integration_id)
WHERE i.is_enabled AND (d.next_attempt_at IS NULL OR d.next_attempt_at <= now())
"""

# A seal of the ring says after its first dot which key it needs.
KEYS_IN_USE = """
SELECT split_part(encode(sealed, 'escape'), '.', 2) AS key, count(*) AS count
FROM (
  SELECT sealed_key AS sealed FROM tenant_key
  UNION ALL
  SELECT one.sealed FROM integration CROSS JOIN LATERAL
    (VALUES (sealed_config), (sealed_secret), (sealed_previous_secret)) AS one (sealed)
  WHERE deleted_at IS NULL AND substr(one.sealed, 1, 3) = 'v1.'::bytea
) AS seal
GROUP BY 1
"""
SEALED_BY_THE_RING = """
SELECT count(*) FROM integration
WHERE deleted_at IS NULL AND 'v1.'::bytea IN
  (substr(sealed_config, 1, 3), substr(sealed_secret, 1, 3), substr(sealed_previous_secret, 1, 3))
"""

CERTIFICATES = """
SELECT count(*) AS count, count(*) FILTER (WHERE certificate_expires_at < now() + $1) AS ending,
  min(certificate_expires_at) AS first_end
FROM integration
WHERE deleted_at IS NULL AND is_enabled AND certificate_expires_at IS NOT NULL
"""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        name: a token for scripts.
        ok: whether it is as it should be.
        detail: what was found, one sentence.
        remedy: what to do about it; empty when nothing.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was looked at."""

    ok: bool
    checks: list[Check]


def command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian doctor [--json]`."""
    checks = asyncio.run(diagnose(kept_system(env, options.data_dir)))
    is_well = all(one.ok for one in checks)
    if options.json:
        text = msgspec.json.encode(Diagnosis(ok=is_well, checks=checks))
        sys.stdout.write(msgspec.json.format(text, indent=2).decode() + "\n")
    else:
        for one in checks:
            sys.stdout.write(f"{'ok  ' if one.ok else 'fail'}  {one.name:<12} {one.detail}\n")
            if one.remedy:
                sys.stdout.write(f"{'':<19}{one.remedy}\n")
    return 0 if is_well else 1


async def diagnose(env: Mapping[str, str]) -> list[Check]:
    """Look at everything; what needs PostgreSQL is left out when it does not answer."""
    checks = [_settings(env), _key_ring(env), _redis(env), _narrative(env)]
    try:
        url = load(DatabaseSettings, env).database_url
        connection = await reach(url)
    except GuardianError as error:
        remedy = "Start PostgreSQL, or correct DATABASE_URL; `guardian up` brings its own."
        checks.append(Check(name="postgresql", ok=False, detail=error.detail, remedy=remedy))
        return checks
    try:
        version = await connection.fetchval("SHOW server_version")
        checks.append(Check(name="postgresql", ok=True, detail=f"PostgreSQL {version} answers."))
        checks.append(await _clock(connection))
        checks.append(await _roles(connection))
        migrations = await _migrations(url)
        checks.append(migrations)
        if migrations.ok:
            checks.append(await _row_security(connection))
            checks.append(await _record(connection))
            await connection.execute(f"SET ROLE {OPERATOR_ROLE}")
            checks.append(await _seals(connection, env))
            checks.append(await _certificates(connection))
            checks.append(await _worker(connection))
            checks.append(await _queue(connection))
            checks.append(await _storage(connection))
            checks.append(await _partitions(connection))
            checks += await _model(connection, env)
    except asyncpg.PostgresError as error:
        detail = f"PostgreSQL refused to be looked at: {' '.join(str(error).split())}."
        remedy = f"Let the login of DATABASE_URL act as {API_ROLE} and {OPERATOR_ROLE}."
        checks.append(Check(name="rights", ok=False, detail=detail, remedy=remedy))
    finally:
        await connection.close()
    return checks


def _settings(env: Mapping[str, str]) -> Check:
    try:
        refuse_unknown(env)
    except GuardianError as error:
        return Check(
            name="settings", ok=False, detail=error.detail, remedy="Correct or unset the variable."
        )
    return Check(name="settings", ok=True, detail="Every GUARDIAN_ variable is known.")


def _key_ring(env: Mapping[str, str]) -> Check:
    try:
        KeyRing.parse(load(SealSettings, env).guardian_key_ring)
    except (GuardianError, ValueError) as error:
        return Check(
            name="key-ring",
            ok=False,
            detail=str(error),
            remedy="Restore GUARDIAN_KEY_RING: without it no sealed secret opens.",
        )
    return Check(name="key-ring", ok=True, detail="The key ring can be read.")


def _redis(env: Mapping[str, str]) -> Check:
    try:
        check(load(RedisSettings, env).redis_url)
    except GuardianError as error:
        return Check(
            name="redis",
            ok=False,
            detail=error.detail,
            remedy="Start Redis; until then deliveries are late by up to a second, none is lost.",
        )
    return Check(name="redis", ok=True, detail="Redis answers.")


def _narrative(env: Mapping[str, str]) -> Check:
    key = env.get("ANTHROPIC_API_KEY", "")
    if not key and not env.get("ANTHROPIC_API_KEY_FILE"):
        return Check(
            name="narrative", ok=True, detail="No ANTHROPIC_API_KEY: rules write the narratives."
        )
    if key != key.strip() or any(letter.isspace() for letter in key):
        return Check(
            name="narrative",
            ok=False,
            detail="ANTHROPIC_API_KEY contains blanks.",
            remedy="Copy the key again, without line breaks.",
        )
    return Check(name="narrative", ok=True, detail="A model's key is set.")


async def _clock(connection: Connection) -> Check:
    before = datetime.now(UTC)
    theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
    after = datetime.now(UTC)
    skew = theirs - (before + (after - before) / 2)
    is_close = abs(skew) <= MAX_CLOCK_SKEW
    return Check(
        name="clock",
        ok=is_close,
        detail=f"This clock and PostgreSQL's differ by {abs(skew).total_seconds():.1f} s.",
        remedy="" if is_close else "Let both machines follow the same time server.",
    )


async def _roles(connection: Connection) -> Check:
    try:
        await refuse_privileged(connection, roles=(API_ROLE, OPERATOR_ROLE))
    except GuardianError as error:
        return Check(
            name="roles",
            ok=False,
            detail=error.detail,
            remedy="See docs/operations.md, The database.",
        )
    return Check(name="roles", ok=True, detail="Row-level security binds the login.")


async def _migrations(url: str) -> Check:
    missing = await pending(url)
    return Check(
        name="migrations",
        ok=not missing,
        detail=f"Pending: {', '.join(missing)}." if missing else "Every migration is applied.",
        remedy="Run `guardian migrate`." if missing else "",
    )


async def _row_security(connection: Connection) -> Check:
    unforced = [row["name"] for row in await connection.fetch(UNFORCED_TABLES)]
    partitions = [row["name"] for row in await connection.fetch(OPEN_PARTITIONS)]
    count = await connection.fetchval(TENANT_TABLES)
    if unforced or partitions or not count:
        return Check(
            name="row-security",
            ok=False,
            detail=f"Not guarded: {', '.join(unforced + partitions) or 'there are no tables'}.",
            remedy="Undo what was altered by hand: ALTER TABLE … FORCE ROW LEVEL SECURITY.",
        )
    return Check(
        name="row-security",
        ok=True,
        detail=f"Forced on all {count} tables of tenants' data.",
    )


async def _seals(connection: Connection, env: Mapping[str, str]) -> Check:
    """Which keys of the ring are still needed, and whether one is missing."""
    needed = {row["key"]: row["count"] for row in await connection.fetch(KEYS_IN_USE)}
    direct = await connection.fetchval(SEALED_BY_THE_RING)
    try:
        ids = KeyRing.parse(load(SealSettings, env).guardian_key_ring).ids
    except (GuardianError, ValueError):
        ids: tuple[str, ...] = ()
    missing = sorted(set(needed) - set(ids))
    if missing:
        count = sum(needed[key] for key in missing)
        detail = f"{count} seals need keys that the ring lacks: {', '.join(missing)}."
        remedy = "Put them back behind the first key of GUARDIAN_KEY_RING."
        return Check(name="seals", ok=False, detail=detail, remedy=remedy)
    old = sum(count for key, count in needed.items() if key not in ids[:1])
    if old or direct:
        detail = f"{old} seals are of an older key, {direct} integrations have no tenant's key yet."
        return Check(name="seals", ok=True, detail=detail, remedy="Run `guardian rotate-secrets`.")
    return Check(name="seals", ok=True, detail="The first key of the ring alone opens everything.")


async def _certificates(connection: Connection) -> Check:
    """Whether a client certificate ends soon: from then on its receiver refuses everything."""
    row = await connection.fetchrow(CERTIFICATES, CERTIFICATE_WARNING)
    if row is None or not row["count"]:
        return Check(name="certificates", ok=True, detail="No client certificate is in use.")
    return Check(
        name="certificates",
        ok=not row["ending"],
        detail=f"{row['count']} client certificates; the first ends {row['first_end']:%Y-%m-%d}.",
        remedy="Give those integrations new certificates." if row["ending"] else "",
    )


async def _record(connection: Connection) -> Check:
    able = [row["role"] for row in await connection.fetch(AUDIT_EDITORS)]
    return Check(
        name="record",
        ok=not able,
        detail=f"The audit can be altered by {', '.join(able)}."
        if able
        else "The audit can be added to, and by nobody altered.",
        remedy="REVOKE UPDATE, DELETE, TRUNCATE ON audit from whom it was granted to by hand."
        if able
        else "",
    )


async def _worker(connection: Connection) -> Check:
    silence: timedelta | None = await connection.fetchval(
        "SELECT now() - max(seen_at) FROM worker_heartbeat"
    )
    if silence is None or silence > MAX_SILENCE:
        last = "never" if silence is None else f"{silence.total_seconds():.0f} s ago"
        return Check(
            name="worker",
            ok=False,
            detail=f"No worker is at work; the last sign of life was {last}.",
            remedy="Start `guardian worker`, and look at its log if it ends.",
        )
    return Check(
        name="worker", ok=True, detail=f"A worker was seen {silence.total_seconds():.0f} s ago."
    )


async def _queue(connection: Connection) -> Check:
    row = await connection.fetchrow(OLDEST_DUE)
    now = datetime.now(UTC)
    since: list[datetime] = []
    if row is not None and row["first_id"] is not None:
        since.append(instant_of(UUID(row["first_id"])))
    if row is not None and row["retry_at"] is not None:
        since.append(row["retry_at"])
    if row is None or not since:
        return Check(name="queue", ok=True, detail="Nothing is waiting.")
    lag = max(now - min(since), timedelta(0))
    is_short = lag <= MAX_LAG
    return Check(
        name="queue",
        ok=is_short,
        detail=f"{row['waiting']} deliveries are due, the oldest for {lag.total_seconds():.0f} s.",
        remedy="" if is_short else "Start more workers, or look for a slow receiver.",
    )


async def _storage(connection: Connection) -> Check:
    sizes = await table_sizes(connection)
    largest = ", ".join(
        f"{one.name} {_size(one.heap)} + {_size(one.indexes)} of indexes"
        for one in sizes[:LARGEST_SHOWN]
    )
    detail = f"{_size(sum(one.bytes for one in sizes))} in all: {largest}."
    late = [one for one in sizes if one.dead > DEAD_ROWS_ALLOWED and one.dead > one.live]
    if not late:
        dead = sum(one.dead for one in sizes)
        return Check(name="storage", ok=True, detail=f"{detail} {dead} dead rows.")
    told = ", ".join(f"{one.name} ({one.dead})" for one in late)
    return Check(
        name="storage",
        ok=False,
        detail=f"{detail} Dead rows pile up in {told}.",
        remedy="Autovacuum is off, or a transaction that was left open holds it back: look at "
        "pg_stat_activity for an old xact_start, and at abandoned replication slots.",
    )


async def _partitions(connection: Connection) -> Check:
    ahead = await months_ahead(connection)
    return Check(
        name="partitions",
        ok=ahead > 0,
        detail=f"Partitions are ready for {ahead} months after this one.",
        remedy=""
        if ahead
        else "A worker makes them at its start and at night: start one, and give it Redis.",
    )


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"


async def _model(connection: Connection, env: Mapping[str, str]) -> list[Check]:
    """What the worker last heard about the narratives' model; nothing if it never asked."""
    model = load(AiSettings, env).guardian_ai_model
    row = await connection.fetchrow(
        "SELECT lifecycle, retires_at FROM ai_model WHERE model = $1", model
    )
    if row is None:
        return []
    retires_at: datetime | None = row["retires_at"]
    is_near = retires_at is not None and retires_at - datetime.now(UTC) < RETIREMENT_WARNING
    until = "" if retires_at is None else f", until {retires_at:%Y-%m-%d}"
    return [
        Check(
            name="model",
            ok=row["lifecycle"] != "retired" and not is_near,
            detail=f"{model} is {row['lifecycle']}{until}.",
            remedy="" if not is_near else "Name a newer model in GUARDIAN_AI_MODEL.",
        )
    ]
