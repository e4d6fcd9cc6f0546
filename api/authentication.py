"""Finds out who is calling, from the bearer key, without asking PostgreSQL every time."""

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp, Scope

from api.principal import Principal
from api.rate_limits import Budgets, Limits, site_of
from api.request_ids import request_id
from api.services.audit import Witness, record_refusal
from shared.data.api_keys import StoredKey, find_key, touch_key
from shared.data.audit import Act, Actor
from shared.data.session import operating
from shared.domain import api_keys
from shared.domain.uuid7 import Ids
from shared.errors import RateLimitedError, UnauthenticatedError, UnavailableError

REMEMBERED_FOR = timedelta(seconds=4)
REMEMBERED_KEYS = 10_000
USE_IS_NOTED_EVERY = timedelta(hours=1)

OPEN = "is_open"
"""A route whose `opt` sets this asks for no key."""


class EndedKeyError(UnauthenticatedError):
    """The key was good once."""

    def __init__(self, detail: str, *, key: StoredKey) -> None:
        """Say how it ended, and remember which it was."""
        super().__init__(detail)
        self.key = key


@dataclass(frozen=True, slots=True)
class _Remembered:
    key: StoredKey
    since: datetime


class Authenticator:
    """Recognises keys, and remembers for four seconds that it did.

    So a revoked key is refused everywhere after four seconds, and at once in the process that
    revoked it.
    """

    def __init__(self, *, pepper: str, clock: Callable[[], datetime]) -> None:
        """Digest keys under `pepper`; judge expiry by `clock`."""
        self._pepper = pepper
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._noting: set[asyncio.Task[None]] = set()

    async def recognise(self, text: str) -> Principal:
        """The principal behind a key's text.

        Raises:
            UnauthenticatedError: it is mistyped, unknown, expired or revoked.
            UnavailableError: PostgreSQL cannot be asked.
        """
        now = self._clock()
        fingerprint = _fingerprint(text)
        known = self._remembered.get(fingerprint)
        if known is None or not timedelta(0) <= now - known.since < REMEMBERED_FOR:
            key = await self._look_up(text)
            self._remember(fingerprint, _Remembered(key, now))
            self._note_use(key, now)
        else:
            key = known.key
        if key.revoked_at is not None:
            raise EndedKeyError("This key was revoked.", key=key)
        if key.expires_at is not None and key.expires_at <= now:
            raise EndedKeyError("This key has expired.", key=key)
        return Principal(key_id=key.id, role=key.role, tenant_id=key.tenant_id, label=key.label)

    def knows(self, text: str) -> bool:
        """Whether this process saw the key as a good one, however long ago."""
        return _fingerprint(text) in self._remembered

    def forget(self, key_id: UUID) -> None:
        """Ask PostgreSQL again at the key's next use: it was changed."""
        for fingerprint, known in list(self._remembered.items()):
            if known.key.id == key_id:
                del self._remembered[fingerprint]

    def forget_tenant(self, tenant_id: UUID) -> None:
        """Ask PostgreSQL again about every key of a tenant that was deleted."""
        for fingerprint, known in list(self._remembered.items()):
            if known.key.tenant_id == tenant_id:
                del self._remembered[fingerprint]

    async def aclose(self) -> None:
        """Wait for the notes that are being written."""
        await asyncio.gather(*self._noting)

    async def _look_up(self, text: str) -> StoredKey:
        prefix = api_keys.PREFIX + api_keys.parse(text)
        async with operating(is_read_only=True) as session:
            key = await find_key(session, prefix)
        if key is None or not api_keys.matches(text, key.digest, pepper=self._pepper):
            raise UnauthenticatedError("This key is not known.")
        return key

    def _remember(self, fingerprint: bytes, known: _Remembered) -> None:
        self._remembered[fingerprint] = known
        self._remembered.move_to_end(fingerprint)
        if len(self._remembered) > REMEMBERED_KEYS:
            self._remembered.popitem(last=False)

    def _note_use(self, key: StoredKey, now: datetime) -> None:
        """Write `last_used_at` at most hourly, and without making the request wait."""
        if key.last_used_at is not None and now - key.last_used_at < USE_IS_NOTED_EVERY:
            return
        # A context of its own: the session in it must not be taken for the request's.
        task = asyncio.get_running_loop().create_task(
            _note(key.id, now), context=contextvars.Context()
        )
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)


class EndedKeys:
    """Records that somebody still uses a key that ended: it may have been stolen."""

    def __init__(self, budgets: Budgets, *, clock: Callable[[], datetime], ids: Ids) -> None:
        """Record once in a window of `budgets` for each key."""
        self._budgets = budgets
        self._clock = clock
        self._ids = ids

    async def record(self, key: StoredKey, scope: Scope) -> None:
        """Add a row to the audit of the key's tenant, or of the operators."""
        witness = Witness(
            actor=Actor(kind="key", label=key.label, id=key.id),
            request_id=request_id(scope),
            clock=self._clock,
            ids=self._ids,
        )
        code = "key_expired" if key.revoked_at is None else "key_revoked"
        try:
            await self._budgets.spend(f"ended:{key.id}", 1)
            await record_refusal(
                Act("key.use", "key", str(key.id)),
                code=code,
                witness=witness,
                tenant_id=key.tenant_id,
            )
        except (RateLimitedError, UnavailableError):
            pass  # it was recorded a while ago, or cannot be now


class Authentication(AbstractAuthenticationMiddleware):
    """Puts the principal on every request whose route asks for a key."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        budgets: Budgets,
        limits: Limits,
        recorder: EndedKeys,
    ) -> None:
        """Ask `authenticator` about every key, and `budgets` whether it may ask at all."""
        super().__init__(app, exclude_from_auth_key=OPEN, exclude_http_methods=[])
        self._authenticator = authenticator
        self._budgets = budgets
        self._limits = limits
        self._recorder = recorder

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        """Read the header and recognise the key.

        Raises:
            UnauthenticatedError: there is no key, or not a good one.
            RateLimitedError: the key or the address asked too often.
        """
        site = site_of(connection.scope)
        await self._budgets.spend(f"address:{site}", self._limits.per_address)
        kind, _, text = connection.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not text.strip():
            raise UnauthenticatedError
        principal = await self._recognise(
            text.strip(), connection.scope, failures=f"failures:{site}"
        )
        await self._budgets.spend(f"key:{principal.key_id}", self._limits.per_key)
        return AuthenticationResult(user=principal, auth=None)

    async def _recognise(self, text: str, scope: Scope, *, failures: str) -> Principal:
        """Keys that fail cost their address more; one that was good before is heard all the same.

        Otherwise whoever shares an address with an attacker would be locked out.
        """
        if self._limits.failures and not self._authenticator.knows(text):
            self._budgets.refuse_spent(failures)
        try:
            return await self._authenticator.recognise(text)
        except UnauthenticatedError as error:
            if isinstance(error, EndedKeyError):
                await self._recorder.record(error.key, scope)
            await self._budgets.spend(failures, self._limits.failures)
            raise


def _fingerprint(text: str) -> bytes:
    return sha256(text.encode("utf-8", "replace")).digest()


async def _note(key_id: UUID, now: datetime) -> None:
    try:
        async with operating() as session:
            await touch_key(session, key_id, now=now)
    except UnavailableError:
        pass  # the next use notes it
