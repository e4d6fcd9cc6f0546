"""The API on a database of the test's own, spoken to in process, with a key of every role."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from redis.asyncio import Redis

from api.app import create_app
from api.openapi import ROOT
from api.rate_limits import Limits
from api.services.narratives import Respondent
from shared.contracts.words import Role
from shared.data import tenant_keys
from shared.data.api_keys import create_key
from shared.data.session import acting_for, operating
from shared.domain import api_keys
from shared.domain.addresses import EgressRules
from shared.domain.sealing import KeyRing
from shared.domain.tenant_keys import Sealer, sealer_of
from shared.domain.uuid7 import Ids
from shared.jobs import WakeUps, open_redis
from tests.conftest import Clock, Database, Servers, make_tenant

PEPPER = "pepper-for-tests-only"
RING = bytes(range(32))


@dataclass(frozen=True)
class Api:
    """The application and what it was built from."""

    app: Litestar
    clock: Clock
    ids: Ids
    ring: KeyRing
    redis: Redis

    def rebuilt(
        self,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        egress: EgressRules = EgressRules(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> Litestar:
        """The same application on other foundations."""
        return _build(
            self.redis,
            self.clock,
            self.ids,
            self.ring,
            entropy=entropy,
            egress=egress,
            limits=limits,
        )

    async def rest(self) -> None:
        """Wait until what goes on beside the requests is done."""
        for hook in self.app.on_shutdown:
            await cast("Callable[[], Awaitable[None]]", hook)()

    async def sealer(self, tenant_id: UUID) -> Sealer:
        """What opens the tenant's secrets."""
        async with acting_for(tenant_id) as session:
            sealed_key = await tenant_keys.read(session)
        assert sealed_key is not None
        return sealer_of(self.ring, sealed_key, tenant_id=tenant_id)

    def client(self, key: str | None = None, **params: str) -> httpx.AsyncClient:
        """Someone who speaks to the API, with `params` on each request; close it or let it go."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(cast("Any", self.app), raise_app_exceptions=False),
            base_url=f"http://guardian.test{ROOT}",
            headers={"authorization": f"Bearer {key}"} if key else {},
            params=params,
        )

    async def make_key(self, role: Role, tenant_id: UUID | None, **given: Any) -> str:
        """The text of a new key."""
        key = api_keys.new_key(os.urandom(api_keys.ENTROPY_BYTES))
        async with operating() as session:
            await create_key(
                session,
                key_id=self.ids(),
                tenant_id=tenant_id,
                role=role,
                label=f"{role} key",
                prefix=key.prefix,
                digest=api_keys.digest(key.text, pepper=PEPPER),
                now=self.clock(),
                **given,
            )
        return key.text


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing({"tests": RING})


@pytest.fixture
async def api(
    servers: Servers, database: Database, clock: Clock, ring: KeyRing
) -> AsyncGenerator[Api, None]:
    redis = open_redis(servers.redis_url)
    ids = Ids(clock)
    app = _build(redis, clock, ids, ring)
    built = Api(app, clock, ids, ring, redis)
    yield built
    # Not `app.lifespan()`: pytest ends a fixture in another task than it began in.
    await built.rest()
    await redis.aclose()


def _build(
    redis: Redis,
    clock: Clock,
    ids: Ids,
    ring: KeyRing,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
    egress: EgressRules = EgressRules(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Litestar:
    return create_app(
        redis=redis,
        wake_ups=WakeUps(redis),
        ring=ring,
        pepper=PEPPER,
        egress=egress,
        clock=clock,
        ids=ids,
        entropy=entropy,
        respondent=Respondent("claude-test", ""),
        limits=limits,
    )


@pytest.fixture
async def reader(api: Api, tenant: UUID) -> httpx.AsyncClient:
    """A caller with a key that may read the tenant's data."""
    return api.client(await api.make_key(Role.READER, tenant))


@pytest.fixture
async def ingest(api: Api, tenant: UUID) -> httpx.AsyncClient:
    """A caller with a key that may only tell observations."""
    return api.client(await api.make_key(Role.INGEST, tenant))


@pytest.fixture
async def admin(api: Api, tenant: UUID) -> httpx.AsyncClient:
    """A caller with a key that may do everything of the tenant."""
    return api.client(await api.make_key(Role.ADMIN, tenant))


@pytest.fixture
async def operator(api: Api) -> httpx.AsyncClient:
    """A caller with an operator's key, who must name a tenant on a tenant's routes."""
    return api.client(await api.make_key(Role.OPERATOR, None))


@pytest.fixture
async def stranger(api: Api) -> httpx.AsyncClient:
    """A caller with an admin's key of another tenant."""
    other = await make_tenant("Other", clock=api.clock)
    return api.client(await api.make_key(Role.ADMIN, other))


@pytest.fixture
def anyone(api: Api) -> httpx.AsyncClient:
    """A caller without a key."""
    return api.client()
