"""`guardian integrations export|import`: from one environment to another, over the API.

A file holds what the API tells of integrations: no URL, no header's value, no credential, no
signing secret. Those of the other environment stand in a file of their own, `--secrets`, by the
integration's key. An import changes everything it says or nothing, and deletes nothing.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta

from shared.client import GuardianClient
from shared.contracts.integrations import (
    AuthConfig,
    ClientCertificate,
    Description,
    Headers,
    Integration,
    IntegrationConfig,
    IntegrationKey,
    IntegrationUpdate,
    IntegrationUpdates,
    NewIntegration,
    RatePerSecond,
    RetrySchedule,
    Scopes,
    Url,
)
from shared.contracts.postures import Label, Request
from shared.contracts.templates import Template
from shared.contracts.words import AuthKind, Digest, PayloadFormat
from shared.errors import GuardianError, InvalidError, SettingError
from shared.runtime.export import opened
from shared.settings import ConsoleSettings, load

T = TypeVar("T")

AT_ONCE = 100
"""The API changes so many together, all or none."""
PAGE = 200


class Portable(Request, frozen=True, kw_only=True):
    """One integration as far as it may be told: the names of its secrets, not their values."""

    integration_key: IntegrationKey
    label: Label
    description: Description = ""
    is_enabled: bool = False
    scopes: Scopes
    format: PayloadFormat = PayloadFormat.STANDARD
    template: Template | None = None
    subject: bool = False
    signature: Annotated[str, Meta(pattern=r"\A(v1|v1a)\Z")] = "v1"
    digest: Digest = Digest.OFF
    ordered: bool = False
    rate_per_second: RatePerSecond | None = None
    retry_schedule: RetrySchedule | None = None
    header_names: list[str] = []
    secret_header_names: list[str] = []
    auth_kind: AuthKind = AuthKind.NONE
    client_certificate: bool = False


class Bundle(Request, frozen=True, kw_only=True):
    """What an export writes; the number is the version of this form."""

    guardian_integrations: Literal[1] = 1
    integrations: list[Portable]


class Reach(Request, frozen=True, kw_only=True):
    """How one integration's receiver is reached in the other environment."""

    webhook_url: Url
    headers: Headers = {}
    secret_headers: Headers = {}
    auth: AuthConfig | None = None
    client_certificate: ClientCertificate | None = None


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A new integration; its signing secret is shown this once."""

    integration_key: str
    id: UUID
    signing_secret: str | None
    verifying_key: str | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an import does.

    Attributes:
        new: to be made.
        changes: by the integration's key, what changes, in words.
        updates: the same for the API.
        same: keys of those that are as the file says.
        untouched: keys of those that the file does not name; they stay.
    """

    new: list[NewIntegration]
    changes: dict[str, list[str]]
    updates: list[IntegrationUpdate]
    same: list[str]
    untouched: list[str]


def export_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian integrations export [--output FILE] [--tenant ID]`."""
    present = asyncio.run(_present(env, options.tenant))
    bundle = Bundle(integrations=sorted(map(_told, present), key=lambda one: one.integration_key))
    text = msgspec.json.format(msgspec.json.encode(bundle), indent=2)
    with opened(options.output) as file:
        file.write(text + b"\n")
    return 0


def import_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian integrations import FILE [--secrets FILE] [--dry-run] [--json] [--tenant ID]`."""
    bundle = _read(options.file, Bundle)
    reaches = {} if options.secrets is None else _read(options.secrets, dict[str, Reach])
    plan, made = asyncio.run(_import(env, options.tenant, bundle, reaches, is_dry=options.dry_run))
    if options.json:
        told = {
            "dry_run": options.dry_run,
            "new": [one.integration_key for one in plan.new],
            "changed": plan.changes,
            "same": plan.same,
            "untouched": plan.untouched,
            "made": made,
        }
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return 0
    sys.stdout.writelines(f"{line}\n" for line in _lines(plan))
    for one in made:
        proof = one.signing_secret or one.verifying_key
        sys.stdout.write(f"{one.integration_key} signs with {proof}: shown this once\n")
    if options.dry_run:
        sys.stdout.write("Nothing was changed: a dry run.\n")
    return 0


def plan_for(bundle: Bundle, present: Sequence[Integration], reaches: Mapping[str, Reach]) -> Plan:
    """Compare what a file says with what is there.

    Raises:
        InvalidError: a key stands twice, needs secrets that were not given, or got others than it
            needs; the sentence names all such keys.
    """
    there = {one.integration_key: one for one in present}
    keys = [one.integration_key for one in bundle.integrations]
    faults = [f"{key} stands in the file twice" for key in sorted(set(keys)) if keys.count(key) > 1]
    faults += [
        f"{key} has secrets but is not in the file" for key in sorted(set(reaches) - set(keys))
    ]
    plan = Plan(new=[], changes={}, updates=[], same=[], untouched=sorted(set(there) - set(keys)))
    for one in bundle.integrations:
        key = one.integration_key
        before, reach = there.get(key), reaches.get(key)
        differing = [] if before is None else _differences(_told(before), one)
        needs_config = before is None or any(name in _OF_THE_CONFIG for name, _ in differing)
        if reach is None and needs_config:
            faults.append(f"{key} needs its URL and credentials in --secrets")
            continue
        if reach is not None:
            faults += [f"{key}: {fault}" for fault in _misfits(one, reach)]
        if before is None and reach is not None:
            plan.new.append(_new(one, reach))
        elif before is not None and (differing or reach is not None):
            plan.updates.append(_update(before, one, reach))
            words = [said for _, said in differing]
            plan.changes[key] = words + (["its URL and credentials"] if reach is not None else [])
        else:
            plan.same.append(key)
    if len(plan.updates) + len(plan.new) > AT_ONCE:
        faults.append(f"more than {AT_ONCE} changes cannot be made together: split the file")
    if faults:
        raise InvalidError("Nothing was changed: " + "; ".join(faults) + ".")
    return plan


_OF_THE_CONFIG = frozenset(Portable.__struct_fields__) - {
    "integration_key",
    "label",
    "description",
    "is_enabled",
    "scopes",
}


async def _present(env: Mapping[str, str], tenant: UUID | None) -> list[Integration]:
    async with _client(env, tenant) as client:
        return await _all(client)


async def _import(
    env: Mapping[str, str],
    tenant: UUID | None,
    bundle: Bundle,
    reaches: Mapping[str, Reach],
    *,
    is_dry: bool,
) -> tuple[Plan, list[Made]]:
    async with _client(env, tenant) as client:
        plan = plan_for(bundle, await _all(client), reaches)
        return plan, [] if is_dry else await _carry_out(client, plan)


async def _carry_out(client: GuardianClient, plan: Plan) -> list[Made]:
    """Make the new ones, switched off, then change and switch on everything in one request."""
    made: list[Integration] = []
    try:
        for new in plan.new:
            off = msgspec.structs.replace(new, is_enabled=False)
            made.append(await client.create_integration(off))
        enabled = {new.integration_key for new in plan.new if new.is_enabled}
        updates = [
            *plan.updates,
            *(
                IntegrationUpdate(id=one.id, is_enabled=True)
                for one in made
                if one.integration_key in enabled
            ),
        ]
        if updates:
            await client.update_integrations(IntegrationUpdates(updates=updates))
    except BaseException:
        for one in made:
            with suppress(GuardianError):
                await client.delete_integration(one.id)
        raise
    return [
        Made(
            integration_key=one.integration_key,
            id=one.id,
            signing_secret=one.signing_secret,
            verifying_key=one.config_summary.verifying_key,
        )
        for one in made
    ]


def _client(env: Mapping[str, str], tenant: UUID | None) -> GuardianClient:
    given = load(ConsoleSettings, env)
    if given.guardian_api_url is None or given.guardian_api_key is None:
        raise SettingError(
            "Set GUARDIAN_API_URL and GUARDIAN_API_KEY to the API and an admin's key."
        )
    return GuardianClient(
        given.guardian_api_url, given.guardian_api_key, workspace_id=tenant, timeout_s=60
    )


async def _all(client: GuardianClient) -> list[Integration]:
    found: list[Integration] = []
    cursor: str | None = None
    while True:
        page = await client.integrations(cursor=cursor, limit=PAGE)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def _told(one: Integration) -> Portable:
    config = one.config_summary
    return Portable(
        integration_key=one.integration_key,
        label=one.label,
        description=one.description,
        is_enabled=one.is_enabled,
        scopes=one.scopes,
        format=config.format,
        template=None if config.template is None else msgspec.convert(config.template, Template),
        subject=config.subject is not None,
        signature=config.signature,
        digest=config.digest,
        ordered=config.ordered,
        rate_per_second=config.rate_per_second,
        retry_schedule=config.retry_schedule,
        header_names=sorted(name.lower() for name in config.header_names),
        secret_header_names=sorted(name.lower() for name in config.secret_header_names),
        auth_kind=config.auth_kind,
        client_certificate=config.client_certificate is not None,
    )


def _differences(before: Portable, after: Portable) -> list[tuple[str, str]]:
    """The fields that differ, each with what is said of it."""
    found: list[tuple[str, str]] = []
    for name in Portable.__struct_fields__:
        was, becomes = _comparable(name, before), _comparable(name, after)
        if was != becomes:
            found.append((name, f"{name} {_shown(was)} -> {_shown(becomes)}"))
    return found


def _comparable(name: str, one: Portable) -> Any:
    value: Any = getattr(one, name)
    if name in {"scopes", "header_names", "secret_header_names"}:
        return sorted(str(each).lower() for each in value)
    return value


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _misfits(one: Portable, reach: Reach) -> list[str]:
    """What the secrets give that the integration does not say it has, or lack."""
    auth_kind = AuthKind.NONE if reach.auth is None else reach.auth.kind
    given = {
        "headers": sorted(name.lower() for name in reach.headers),
        "secret_headers": sorted(name.lower() for name in reach.secret_headers),
        "auth": str(auth_kind),
        "client_certificate": reach.client_certificate is not None,
    }
    needed = {
        "headers": sorted(name.lower() for name in one.header_names),
        "secret_headers": sorted(name.lower() for name in one.secret_header_names),
        "auth": str(one.auth_kind),
        "client_certificate": one.client_certificate,
    }
    return [
        f"--secrets gives {name} {_shown(given[name])}, the file says {_shown(needed[name])}"
        for name in needed
        if given[name] != needed[name]
    ]


def _config(one: Portable, reach: Reach) -> IntegrationConfig:
    return IntegrationConfig(
        webhook_url=reach.webhook_url,
        headers=reach.headers,
        secret_headers=reach.secret_headers,
        auth=reach.auth,
        client_certificate=reach.client_certificate,
        format=one.format,
        template=one.template,
        subject=one.subject,
        signature=one.signature,
        digest=one.digest,
        ordered=one.ordered,
        rate_per_second=one.rate_per_second,
        retry_schedule=one.retry_schedule,
    )


def _new(one: Portable, reach: Reach) -> NewIntegration:
    return NewIntegration(
        integration_key=one.integration_key,
        label=one.label,
        description=one.description,
        is_enabled=one.is_enabled,
        scopes=one.scopes,
        config=_config(one, reach),
    )


def _update(before: Integration, one: Portable, reach: Reach | None) -> IntegrationUpdate:
    return IntegrationUpdate(
        id=before.id,
        version=before.version,
        label=one.label,
        description=one.description,
        is_enabled=one.is_enabled,
        scopes=one.scopes,
        config=UNSET if reach is None else _config(one, reach),
    )


def _lines(plan: Plan) -> list[str]:
    """The difference, as people read it."""
    return [
        *(f"+ {one.integration_key}: new" for one in plan.new),
        *(f"~ {key}: {', '.join(words)}" for key, words in plan.changes.items()),
        *(f"= {key}: as it is" for key in plan.same),
        *(f"  {key}: not in the file, stays" for key in plan.untouched),
    ]


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {error.strerror}.") from None
    except msgspec.ValidationError as error:
        raise InvalidError(f"{path} is not understood: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidError(f"{path} is not JSON.") from None
