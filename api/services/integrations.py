"""Integrations: made, read, changed and emptied; what is secret goes in and never comes out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import UNSET

from api.services import integration_rows as rows
from api.services import replays
from api.services.audit import REDACTED, Witness, record
from api.services.integration_rows import Stored
from api.services.receivers import Receiver, accept_config
from api.services.shapes import scopes_problems, shape_problems, subject_for
from api.services.webhook_stats import webhook_stats
from shared.contracts.integrations import (
    CatchUp,
    CertificateSummary,
    ConfigSummary,
    Integration,
    IntegrationChange,
    IntegrationConfig,
    IntegrationUpdate,
    NewIntegration,
    RotatedSecret,
    WebhookStats,
)
from shared.contracts.replays import NewReplay
from shared.contracts.words import AuthKind, Digest, PayloadFormat, Scope
from shared.data import tenant_keys
from shared.data.audit import Act
from shared.data.session import TenantSession
from shared.domain import pii, signing
from shared.domain.addresses import EgressRules
from shared.domain.credentials import open_secret, seal_credentials, seal_secret
from shared.domain.sealing import KeyRing
from shared.domain.tenant_keys import Sealer, new_tenant_key, sealer_of
from shared.errors import FieldError, InvalidError, SealBrokenError, VersionMismatchError

SECRET_BYTES = 32
OVERLAP_AFTER_CHANGE = timedelta(hours=24)
"""How long the old secret signs too after a change of the signature scheme."""
LONGEST_SCHEDULE = timedelta(days=5)
"""What the waits between a delivery's attempts may add up to."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What making and changing integrations needs beside the session.

    Attributes:
        ring: seals what is secret.
        egress: where webhooks may go.
        entropy: gives n random bytes for signing secrets.
        witness: who asks.
    """

    ring: KeyRing
    egress: EgressRules
    entropy: Callable[[int], bytes]
    witness: Witness


async def listed(
    session: TenantSession, *, before: UUID | None, limit: int, ring: KeyRing, now: datetime
) -> list[Integration]:
    """Integrations, newest first, one more than `limit` where there are more."""
    found = await rows.newest(session, before=before, limit=limit + 1)
    return await _shown(session, found, sealer=await _sealer(session, ring), now=now)


async def one(
    session: TenantSession, integration_id: UUID, *, ring: KeyRing, now: datetime
) -> Integration:
    """One integration.

    Raises:
        NotFoundError: there is none, or it was deleted.
    """
    found = await rows.read(session, [integration_id])
    return (await _shown(session, found, sealer=await _sealer(session, ring), now=now))[0]


async def create(session: TenantSession, new: NewIntegration, *, workshop: Workshop) -> Integration:
    """Make an integration; the answer holds its signing secret this once.

    Raises:
        InvalidError: a field was refused.
        ConflictError: its key is taken.
    """
    now = workshop.witness.clock()
    problems = _text_problems(new.label, new.description, new.scopes, path="$")
    receiver = _judged(new.config, new.scopes, problems, workshop=workshop, path="$")
    certificate = receiver.certificate
    integration_id = workshop.witness.ids()
    secret = _new_secret(new.config.signature, workshop.entropy)
    place = {"tenant_id": session.tenant_id, "integration_id": integration_id}
    sealer = await _made_sealer(session, workshop)
    stored = Stored(
        id=integration_id,
        integration_key=new.integration_key,
        label=new.label,
        description=new.description,
        is_enabled=new.is_enabled,
        disabled_reason=None,
        scopes=[str(scope) for scope in new.scopes],
        format=new.config.format,
        subject=subject_for(new.config, None, entropy=workshop.entropy),
        template=new.config.template,
        signature=new.config.signature,
        webhook_host=receiver.host,
        url_hint=receiver.url_hint,
        headers=receiver.headers,
        secret_header_names=receiver.secret_header_names,
        auth_kind=receiver.credentials.auth_kind,
        digest=new.config.digest,
        digest_since=_digest_since(new.config, None, now=now),
        sealed_config=seal_credentials(sealer, receiver.credentials, **place),
        sealed_secret=seal_secret(sealer, secret, **place),
        sealed_previous_secret=None,
        previous_secret_until=None,
        certificate_fingerprint=None if certificate is None else certificate.fingerprint,
        certificate_expires_at=None if certificate is None else certificate.expires_at,
        version=1,
        created_at=now,
        updated_at=now,
        is_ordered=new.config.ordered,
        rate_per_second=new.config.rate_per_second,
        retry_waits_s=new.config.retry_schedule,
        counted_from=now,
        disabled_at=None if new.is_enabled else now,
    )
    await rows.insert(session, stored)
    act = Act("integration.create", "integration", str(stored.id), after=_told(stored))
    await record(session, act, witness=workshop.witness, tenant_id=session.tenant_id)
    return _resource(session, stored, WebhookStats(), sealer=sealer, secret=secret)


async def change(
    session: TenantSession,
    integration_id: UUID,
    wanted: IntegrationChange,
    *,
    versions: frozenset[int] | None,
    workshop: Workshop,
) -> Integration:
    """Change one; a new scheme of signing brings a new secret, shown in the answer this once.

    Args:
        session: of the tenant.
        integration_id: which one.
        wanted: what to change.
        versions: what the caller believes it to be; None where it does not care.
        workshop: what it takes.

    Raises:
        NotFoundError: there is none.
        VersionMismatchError: it is of another version.
        InvalidError: a field was refused.
    """
    [before] = await rows.read(session, [integration_id], is_to_change=True)
    _expect(before, versions)
    return await _change(session, before, wanted, path="$", workshop=workshop)


async def change_many(
    session: TenantSession, updates: Sequence[IntegrationUpdate], *, workshop: Workshop
) -> list[Integration]:
    """Change several, all of them or none, and answer them in the order of the request.

    Raises:
        NotFoundError: one does not exist.
        VersionMismatchError: one is of another version than given.
        InvalidError: a field was refused, or an integration is named twice.
    """
    for index, update in enumerate(updates):
        if any(update.id == earlier.id for earlier in updates[:index]):
            twice = FieldError(f"$.updates[{index}].id", "duplicate", "It is named twice.")
            raise InvalidError(errors=[twice])
    found = {
        stored.id: stored
        for stored in await rows.read(session, [update.id for update in updates], is_to_change=True)
    }
    for update in updates:
        _expect(found[update.id], None if update.version is UNSET else frozenset({update.version}))
    return [
        await _change(
            session, found[update.id], update, path=f"$.updates[{index}]", workshop=workshop
        )
        for index, update in enumerate(updates)
    ]


async def delete(
    session: TenantSession,
    integration_id: UUID,
    *,
    versions: frozenset[int] | None,
    witness: Witness,
) -> None:
    """Empty an integration of its secrets and stop it; what it was sent stays on record.

    Raises:
        NotFoundError: there is none.
        VersionMismatchError: it is of another version.
    """
    [before] = await rows.read(session, [integration_id], is_to_change=True)
    _expect(before, versions)
    await rows.empty(session, integration_id, now=witness.clock())
    act = Act("integration.delete", "integration", str(integration_id), before=_told(before))
    await record(session, act, witness=witness, tenant_id=session.tenant_id)


async def rotate_secret(
    session: TenantSession,
    integration_id: UUID,
    *,
    overlap: timedelta,
    versions: frozenset[int] | None,
    workshop: Workshop,
) -> RotatedSecret:
    """Sign with a new secret from now on, and with the old one too until the overlap is over.

    Raises:
        NotFoundError: there is no such integration.
        VersionMismatchError: it is of another version.
    """
    now = workshop.witness.clock()
    [before] = await rows.read(session, [integration_id], is_to_change=True)
    _expect(before, versions)
    secret = _new_secret(before.signature, workshop.entropy)
    until = now + overlap if overlap else None
    sealer = await _made_sealer(session, workshop)
    after = _with_secret(session, before, secret, until=until, sealer=sealer)
    after = replace(after, version=before.version + 1, updated_at=now)
    await rows.update(session, after)
    act = Act(
        "integration.rotate_secret",
        "integration",
        str(integration_id),
        before={"signing_secret": REDACTED},
        after={"signing_secret": REDACTED, "previous_secret_until": after.previous_secret_until},
    )
    await record(session, act, witness=workshop.witness, tenant_id=session.tenant_id)
    return RotatedSecret(
        id=after.id,
        version=after.version,
        signing_secret=_showable(secret),
        verifying_key=_verifying_key(secret),
        previous_secret_until=after.previous_secret_until,
    )


async def _change(
    session: TenantSession,
    before: Stored,
    wanted: IntegrationChange,
    *,
    path: str,
    workshop: Workshop,
) -> Integration:
    now = workshop.witness.clock()
    if wanted.config is UNSET:
        sealer = await _sealer(session, workshop.ring)
    else:
        sealer = await _made_sealer(session, workshop)
    after, secret = _changed(session, before, wanted, path=path, workshop=workshop, sealer=sealer)
    if after != before:
        after = replace(after, version=before.version + 1, updated_at=now)
        await rows.update(session, after)
        told_before, told_after = _told(before), _told(after)
        names = [name for name in told_after if told_after[name] != told_before[name]]
        revealed = {name: told_after[name] for name in names}
        if after.sealed_config != before.sealed_config:
            revealed["config"] = REDACTED
        if secret is not None:
            revealed["signing_secret"] = REDACTED
        act = Act(
            "integration.update",
            "integration",
            str(after.id),
            before={name: told_before[name] for name in names},
            after=revealed,
        )
        await record(session, act, witness=workshop.witness, tenant_id=session.tenant_id)
    stats = await webhook_stats(session, [after.id], now=now)
    changed = _resource(session, after, stats[after.id], sealer=sealer, secret=secret)
    if before.disabled_at is None or not after.is_enabled:
        return changed
    missed = await _missed(session, before, since=before.disabled_at, now=now)
    return msgspec.structs.replace(changed, catch_up=missed)


async def _missed(
    session: TenantSession, stored: Stored, *, since: datetime, now: datetime
) -> CatchUp | None:
    """What it can catch up with now that it is enabled again; None where it missed nothing."""
    wanted = NewReplay(integration_id=stored.id, since=since, until=now, only_missing=True)
    if since >= now:
        return None
    try:
        missed = (await replays.count(session, wanted, now=now)).count
    except InvalidError:
        missed = None  # more than one replay may send
    if missed == 0:
        return None
    replay = {"integration_id": stored.id, "since": since, "until": now, "only_missing": True}
    return CatchUp(since=since, missed=missed, replay=replay)


def _changed(
    session: TenantSession,
    before: Stored,
    wanted: IntegrationChange,
    *,
    path: str,
    workshop: Workshop,
    sealer: Sealer,
) -> tuple[Stored, str | None]:
    """The row as it is wanted, and the new signing secret where the scheme changes."""
    after = replace(
        before,
        label=before.label if wanted.label is UNSET else wanted.label,
        description=before.description if wanted.description is UNSET else wanted.description,
        scopes=before.scopes if wanted.scopes is UNSET else [str(one) for one in wanted.scopes],
    )
    now = workshop.witness.clock()
    if wanted.is_enabled is not UNSET:
        after = replace(after, is_enabled=wanted.is_enabled, disabled_reason=None)
        if wanted.is_enabled and not before.is_enabled:
            after = replace(after, counted_from=now, disabled_at=None)
        elif before.is_enabled and not wanted.is_enabled:
            after = replace(after, disabled_at=now)
    problems = _text_problems(after.label, after.description, after.scopes, path=path)
    scopes = [Scope(scope) for scope in after.scopes]
    if wanted.config is UNSET:
        problems += scopes_problems(
            after.template,
            scopes,
            has_subject=after.subject is not None,
            path=f"{path}.scopes",
        )
        if problems:
            raise InvalidError(errors=problems)
        return after, None
    receiver = _judged(wanted.config, scopes, problems, workshop=workshop, path=path)
    certificate = receiver.certificate
    after = replace(
        after,
        format=wanted.config.format,
        subject=subject_for(wanted.config, before.subject, entropy=workshop.entropy),
        template=wanted.config.template,
        webhook_host=receiver.host,
        url_hint=receiver.url_hint,
        headers=receiver.headers,
        secret_header_names=receiver.secret_header_names,
        auth_kind=receiver.credentials.auth_kind,
        digest=wanted.config.digest,
        digest_since=_digest_since(
            wanted.config, before.digest_since, now=workshop.witness.clock()
        ),
        sealed_config=seal_credentials(
            sealer,
            receiver.credentials,
            tenant_id=session.tenant_id,
            integration_id=before.id,
        ),
        certificate_fingerprint=None if certificate is None else certificate.fingerprint,
        certificate_expires_at=None if certificate is None else certificate.expires_at,
        is_ordered=wanted.config.ordered,
        rate_per_second=wanted.config.rate_per_second,
        retry_waits_s=wanted.config.retry_schedule,
        counted_from=now,
    )
    if wanted.config.signature == before.signature:
        return after, None
    secret = _new_secret(wanted.config.signature, workshop.entropy)
    until = now + OVERLAP_AFTER_CHANGE
    after = _with_secret(session, after, secret, until=until, sealer=sealer)
    return replace(after, signature=wanted.config.signature), secret


def _digest_since(
    config: IntegrationConfig, present: datetime | None, *, now: datetime
) -> datetime | None:
    """Since when digests are wanted: what stood there, else now."""
    return None if config.digest is Digest.OFF else present or now


def _with_secret(
    session: TenantSession,
    stored: Stored,
    secret: str,
    *,
    until: datetime | None,
    sealer: Sealer,
) -> Stored:
    sealed = seal_secret(sealer, secret, tenant_id=session.tenant_id, integration_id=stored.id)
    return replace(
        stored,
        sealed_secret=sealed,
        sealed_previous_secret=None if until is None else stored.sealed_secret,
        previous_secret_until=until,
    )


def _judged(
    config: IntegrationConfig,
    scopes: Sequence[Scope],
    problems: list[FieldError],
    *,
    workshop: Workshop,
    path: str,
) -> Receiver:
    """The config together with what was already found, so that one answer names everything."""
    problems = [
        *problems,
        *shape_problems(config, scopes, path=f"{path}.config"),
        *_schedule_problems(config.retry_schedule, path=f"{path}.config.retry_schedule"),
    ]
    try:
        receiver = accept_config(
            config, egress=workshop.egress, now=workshop.witness.clock(), path=f"{path}.config"
        )
    except InvalidError as error:
        raise InvalidError(errors=[*problems, *error.errors]) from None
    if problems:
        raise InvalidError(errors=problems)
    return receiver


def _schedule_problems(waits_s: Sequence[int] | None, *, path: str) -> list[FieldError]:
    if sum(waits_s or ()) <= LONGEST_SCHEDULE.total_seconds():
        return []
    message = f"The waits add up to more than {LONGEST_SCHEDULE.days} days: shorten some."
    return [FieldError(path, "out_of_range", message)]


def _text_problems(
    label: str, description: str, scopes: Sequence[str], *, path: str
) -> list[FieldError]:
    problems: list[FieldError] = []
    if not label.strip():
        problems.append(FieldError(f"{path}.label", "out_of_range", "It must not be blank."))
    for name, text in (("label", label), ("description", description)):
        if any(not sign.isprintable() and sign not in "\n\t" for sign in text):
            message = "It must not hold control characters or invisible ones."
            problems.append(FieldError(f"{path}.{name}", "not_allowed", message))
        elif kind := pii.find(text):
            message = f"It looks as if it held personal or secret data ({kind}): leave that out."
            problems.append(FieldError(f"{path}.{name}", "personal_data", message))
    if len(set(scopes)) != len(scopes):
        problems.append(FieldError(f"{path}.scopes", "duplicate", "A scope is named twice."))
    return problems


def _new_secret(signature: str, entropy: Callable[[int], bytes]) -> str:
    random = entropy(SECRET_BYTES)
    return signing.new_secret(random) if signature == "v1" else signing.new_secret_key(random)


def _showable(secret: str | None) -> str | None:
    """A receiver needs the secret of `v1`; of `v1a` it needs the public key only."""
    if secret is None or secret.startswith(signing.SEED_PREFIX):
        return None
    return secret


def _verifying_key(secret: str) -> str | None:
    return signing.public_key(secret) if secret.startswith(signing.SEED_PREFIX) else None


def _expect(stored: Stored, versions: frozenset[int] | None) -> None:
    if versions is not None and stored.version not in versions:
        raise VersionMismatchError


def _told(stored: Stored) -> Mapping[str, object]:
    """What the audit may hold of an integration."""
    return {
        "integration_key": stored.integration_key,
        "label": stored.label,
        "description": stored.description,
        "is_enabled": stored.is_enabled,
        "scopes": stored.scopes,
        "format": stored.format,
        "subject": stored.subject,
        "template": msgspec.to_builtins(stored.template),
        "signature": stored.signature,
        "webhook_host": stored.webhook_host,
        "header_names": sorted(stored.headers),
        "secret_header_names": stored.secret_header_names,
        "auth_kind": stored.auth_kind,
        "certificate_fingerprint": stored.certificate_fingerprint,
        "digest": stored.digest,
        "ordered": stored.is_ordered,
        "rate_per_second": stored.rate_per_second,
        "retry_schedule": stored.retry_waits_s,
    }


def _certificate_summary(stored: Stored) -> CertificateSummary | None:
    if stored.certificate_fingerprint is None or stored.certificate_expires_at is None:
        return None
    return CertificateSummary(
        fingerprint=stored.certificate_fingerprint, expires_at=stored.certificate_expires_at
    )


async def _sealer(session: TenantSession, ring: KeyRing) -> Sealer:
    """What opens the tenant's secrets."""
    # A key that the ring lost is the doctor's business; the list must still be shown.
    with suppress(SealBrokenError):
        sealed_key = await tenant_keys.read(session)
        return sealer_of(ring, sealed_key, tenant_id=session.tenant_id)
    return ring


async def _made_sealer(session: TenantSession, workshop: Workshop) -> Sealer:
    """What seals the tenant's secrets: a key of its own, made when first needed.

    Raises:
        SealBrokenError: the tenant's key does not open.
    """
    tenant_id = session.tenant_id
    sealed_key = await tenant_keys.read(session)
    if sealed_key is None:
        fresh = new_tenant_key(workshop.ring, tenant_id=tenant_id)
        now = workshop.witness.clock()
        sealed_key = await tenant_keys.keep(session, tenant_id, fresh, now=now)
    return sealer_of(workshop.ring, sealed_key, tenant_id=tenant_id)


async def _shown(
    session: TenantSession, found: Sequence[Stored], *, sealer: Sealer, now: datetime
) -> list[Integration]:
    stats = await webhook_stats(session, [stored.id for stored in found], now=now)
    return [_resource(session, stored, stats[stored.id], sealer=sealer) for stored in found]


def _resource(
    session: TenantSession,
    stored: Stored,
    stats: WebhookStats,
    *,
    sealer: Sealer,
    secret: str | None = None,
) -> Integration:
    verifying_key: str | None = None
    if stored.signature == "v1a":
        # A key that the ring lost is the doctor's business; the list must still be shown.
        with suppress(SealBrokenError):
            opened = open_secret(
                sealer, stored.sealed_secret, tenant_id=session.tenant_id, integration_id=stored.id
            )
            verifying_key = _verifying_key(opened)
    return Integration(
        id=stored.id,
        integration_key=stored.integration_key,
        label=stored.label,
        description=stored.description,
        is_enabled=stored.is_enabled,
        disabled_reason=stored.disabled_reason,
        disabled_at=stored.disabled_at,
        scopes=[Scope(scope) for scope in stored.scopes],
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        last_synced_at=stats.last_delivered_at,
        config_summary=ConfigSummary(
            webhook_host=stored.webhook_host,
            url_hint=stored.url_hint,
            format=PayloadFormat(stored.format),
            signature=stored.signature,
            header_names=sorted(stored.headers),
            secret_header_names=stored.secret_header_names,
            auth_kind=AuthKind(stored.auth_kind),
            client_certificate=_certificate_summary(stored),
            has_secret=True,
            verifying_key=verifying_key,
            subject=stored.subject,
            template=msgspec.to_builtins(stored.template),
            digest=Digest(stored.digest),
            ordered=stored.is_ordered,
            rate_per_second=stored.rate_per_second,
            retry_schedule=stored.retry_waits_s,
        ),
        webhook_stats=stats,
        signing_secret=_showable(secret),
    )
