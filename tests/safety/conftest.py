"""Two tenants that must never meet, and a pool that tells what goes through it."""

import os
from collections.abc import AsyncGenerator

import pytest

from shared.data.connection import Connection
from shared.data.engine import DB, close_pool
from tests.conftest import Clock, Database, Servers
from tests.safety.statements import Watched, pool_of
from tests.safety.world import World, fill
from tests.unit.api.conftest import Api, admin, anyone, api, operator, reader, ring
from tests.unit.worker.conftest import builder

__all__ = ["admin", "anyone", "api", "builder", "operator", "reader", "ring"]


@pytest.fixture
async def ours(api: Api, owner: Connection) -> World:
    """The tenant whose keys are used."""
    return await fill(api, owner, f"zqours{os.urandom(3).hex()}")


@pytest.fixture
async def theirs(api: Api, owner: Connection) -> World:
    """The tenant that nobody else may see."""
    return await fill(api, owner, f"zqtheirs{os.urandom(3).hex()}")


@pytest.fixture
async def watched(
    servers: Servers, database: Database, clock: Clock
) -> AsyncGenerator[type[Watched]]:
    """The pool, with connections that note each statement and may send another in its place."""
    await close_pool()
    DB.pool = await pool_of(servers.url("guardian_tests", database.name))
    try:
        yield Watched
    finally:
        Watched.forget()
