"""Operator's work on the database without the API: tenants and keys."""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import asyncpg
import msgspec

from shared.contracts.keys import KeyInfo, MadeKey
from shared.contracts.tenants import NewTenant, Tenant
from shared.contracts.words import Role
from shared.data import api_keys, audit, tenants
from shared.data.engine import close_pool, open_pool
from shared.data.session import OperatorSession, operating
from shared.domain.api_keys import ENTROPY_BYTES, digest, new_key
from shared.domain.uuid7 import Ids
from shared.errors import InvalidError, NotFoundError, StartError
from shared.runtime.kept import kept_system
from shared.settings import DatabaseSettings, PepperSettings, RetentionSettings, load

T = TypeVar("T")


class RevokedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is refused from now on."""

    id: UUID
    role: Role
    label: str
    revoked_at: datetime | None


def create_tenant(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian tenants create NAME`."""
    try:
        name = msgspec.convert({"name": options.name}, NewTenant).name
    except msgspec.ValidationError:
        raise InvalidError("A tenant's name has 1 to 120 characters, not all blank.") from None

    async def work(session: OperatorSession) -> Tenant:
        now = _now()
        made = await tenants.create_tenant(session, name, tenant_id=_ids(), now=now)
        await _record(session, "tenant.create", "tenant", made.id, tenant_id=made.id)
        return made

    made = _operate(options, env, work)
    _show([made], is_json=options.json, is_list=False)
    return 0


def list_tenants(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian tenants list`."""

    async def work(session: OperatorSession) -> list[Tenant]:
        found: list[Tenant] = []
        while True:
            page = await tenants.list_tenants(session, before=found[-1].id if found else None)
            if not page:
                return found
            found += page

    _show(_operate(options, env, work), is_json=options.json, is_list=True)
    return 0


def delete_tenant(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian tenants delete ID`; asks first where there is somebody to ask."""
    if not options.yes and sys.stdin.isatty():
        answer = input(f"Delete the tenant {options.tenant_id} with all its data? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            sys.stderr.write("guardian: Nothing was deleted.\n")
            return 1

    async def work(session: OperatorSession) -> Tenant:
        try:
            gone = await tenants.delete_tenant(session, options.tenant_id)
        except NotFoundError:
            raise NotFoundError(f"There is no tenant {options.tenant_id}.") from None
        await _record(session, "tenant.delete", "tenant", gone.id, tenant_id=gone.id)
        return gone

    _show([_operate(options, env, work)], is_json=options.json, is_list=False)
    return 0


def set_retention(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian tenants retention ID --days N | --default`."""
    longest = load(RetentionSettings, kept_system(env, options.data_dir)).guardian_retention_days
    days: int | None = None if options.default else options.days
    if days is not None and days > longest:
        raise InvalidError(
            f"No tenant's history is kept for longer than GUARDIAN_RETENTION_DAYS, {longest} days."
        )

    async def work(session: OperatorSession) -> Tenant:
        try:
            kept = await tenants.keep_history(session, options.tenant_id, days=days)
        except NotFoundError:
            raise NotFoundError(f"There is no tenant {options.tenant_id}.") from None
        await _record(session, "tenant.retention", "tenant", kept.id, tenant_id=kept.id)
        return kept

    _show([_operate(options, env, work)], is_json=options.json, is_list=False)
    return 0


def create_key(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian keys create --role ROLE --label LABEL [--tenant ID]`."""
    role = Role(options.role)
    if (role is Role.OPERATOR) == (options.tenant is not None):
        options.parser.error("--tenant is needed, except for an operator's key, which has none")
    days: int | None = options.expires_in_days
    pepper = load(PepperSettings, kept_system(env, options.data_dir)).guardian_key_pepper

    async def work(session: OperatorSession) -> MadeKey:
        return await make_key(
            session,
            role=role,
            label=options.label,
            tenant_id=options.tenant,
            pepper=pepper,
            expires_at=None if days is None else _now() + timedelta(days=days),
        )

    _show([_operate(options, env, work)], is_json=options.json, is_list=False)
    return 0


def list_keys(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian keys list [--tenant ID]`."""

    async def work(session: OperatorSession) -> list[KeyInfo]:
        found: list[KeyInfo] = []
        while True:
            page = await api_keys.list_keys(
                session, tenant_id=options.tenant, before=found[-1].id if found else None
            )
            if not page:
                return found
            found += page

    _show(_operate(options, env, work), is_json=options.json, is_list=True)
    return 0


def revoke_key(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian keys revoke ID`."""

    async def work(session: OperatorSession) -> RevokedKey:
        try:
            revoked = await api_keys.revoke_key(session, options.key_id, now=_now())
        except NotFoundError:
            raise NotFoundError(f"There is no key with the id {options.key_id}.") from None
        await _record(session, "key.revoke", "key", revoked.id, tenant_id=revoked.tenant_id)
        return RevokedKey(
            id=revoked.id, role=revoked.role, label=revoked.label, revoked_at=revoked.revoked_at
        )

    _show([_operate(options, env, work)], is_json=options.json, is_list=False)
    return 0


async def make_key(
    session: OperatorSession,
    *,
    role: Role,
    label: str,
    tenant_id: UUID | None,
    pepper: str,
    expires_at: datetime | None = None,
) -> MadeKey:
    """Make a key, store what recognises it, and show it this once.

    Raises:
        NotFoundError: there is no such tenant.
    """
    if tenant_id is not None and not await tenants.has_tenant(session, tenant_id):
        raise NotFoundError(f"There is no tenant {tenant_id}.")
    key = new_key(os.urandom(ENTROPY_BYTES))
    info = await api_keys.create_key(
        session,
        key_id=_ids(),
        tenant_id=tenant_id,
        role=role,
        label=label,
        prefix=key.prefix,
        digest=digest(key.text, pepper=pepper),
        now=_now(),
        expires_at=expires_at,
    )
    await _record(session, "key.create", "key", info.id, tenant_id=tenant_id)
    return MadeKey(
        id=info.id,
        role=info.role,
        label=info.label,
        prefix=info.prefix,
        created_at=info.created_at,
        expires_at=info.expires_at,
        key=key.text,
    )


async def operate(url: str, work: Callable[[OperatorSession], Awaitable[T]]) -> T:
    """Do `work` in one transaction of the operator on the database at `url`.

    Raises:
        StartError: the database cannot be reached, is not migrated, or refuses the role.
    """
    await open_pool(url, size=1, name="guardian command")
    try:
        async with operating() as session:
            return await work(session)
    except asyncpg.UndefinedTableError:
        raise StartError("The database is not migrated: run `guardian migrate`.") from None
    except asyncpg.PostgresError as error:
        raise StartError(f"PostgreSQL refused: {' '.join(str(error).split())}.") from None
    finally:
        await close_pool()


def _operate(
    options: argparse.Namespace,
    env: Mapping[str, str],
    work: Callable[[OperatorSession], Awaitable[T]],
) -> T:
    settings = load(DatabaseSettings, kept_system(env, options.data_dir))
    return asyncio.run(operate(settings.database_url, work))


async def _record(
    session: OperatorSession,
    action: str,
    kind: str,
    target: UUID,
    *,
    tenant_id: UUID | None,
) -> None:
    await audit.record(
        session,
        audit.Act(action=action, target_kind=kind, target_id=str(target)),
        entry_id=_ids(),
        tenant_id=tenant_id,
        actor=audit.Actor(kind="command", label=who()),
        now=_now(),
    )


def who() -> str:
    """Who works at this terminal, for the audit."""
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return f"user {os.getuid()}"


def _now() -> datetime:
    return datetime.now(UTC)


_ids = Ids(_now)


def _show(
    items: Sequence[Tenant | KeyInfo | MadeKey | RevokedKey], *, is_json: bool, is_list: bool
) -> None:
    if is_json:
        text = msgspec.json.encode(items if is_list else items[0])
        sys.stdout.write(msgspec.json.format(text, indent=2).decode() + "\n")
        return
    for item in items:
        values = msgspec.structs.asdict(item).values()
        sys.stdout.write("  ".join(str(one) for one in values if one is not None) + "\n")
