"""A session is one transaction, one role and at most one tenant."""

from uuid import UUID

import asyncpg
import pytest

from shared.data.connection import Connection, connect
from shared.data.engine import DB
from shared.data.migrate import migrate, pending
from shared.data.roles import refuse_privileged
from shared.data.session import SILENCE, acting_for, operating, working
from shared.data.tables import Tenant
from shared.errors import StartError, UnavailableError
from tests.conftest import Clock, Database, make_tenant


async def test_a_tenant_sees_only_itself(tenant: UUID, clock: Clock) -> None:
    other = await make_tenant("Other", clock=clock)

    async with acting_for(tenant):
        seen = [row["id"] for row in await Tenant.select(Tenant.id)]
    async with operating() as session:
        everyone = [row["id"] for row in await session.connection.fetch("SELECT id FROM tenant")]

    assert seen == [tenant]
    assert sorted(everyone) == sorted([tenant, other])


async def test_writing_for_another_tenant_is_refused(tenant: UUID, clock: Clock) -> None:
    other = await make_tenant("Other", clock=clock)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with acting_for(tenant) as session:
            await session.connection.execute(
                "INSERT INTO idempotency_key VALUES ($1, 'k', '', '', now())", other
            )


async def test_without_a_session_the_login_may_do_nothing(database: Database) -> None:
    connection = await connect(database.api_url)
    try:
        assert await connection.fetch("SELECT * FROM tenant") == []
    finally:
        await connection.close()


async def test_a_failed_session_leaves_nothing_and_frees_its_connection(
    tenant: UUID, owner: Connection
) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the failure comes after the insert
        async with acting_for(tenant) as session:
            await session.connection.execute(
                "INSERT INTO idempotency_key VALUES ($1, 'k', '', '', now())", tenant
            )
            raise ZeroDivisionError

    assert await owner.fetchval("SELECT count(*) FROM idempotency_key") == 0
    assert DB.pool is not None
    assert DB.pool.get_idle_size() == DB.pool.get_size()


async def test_postgresql_ends_a_transaction_whose_process_has_gone_silent(
    tenant: UUID, owner: Connection
) -> None:
    async with acting_for(tenant) as session:
        patience = await session.connection.fetchval("SHOW idle_in_transaction_session_timeout")
    assert patience == SILENCE

    sooner = "SET LOCAL idle_in_transaction_session_timeout = '50ms'"
    with pytest.raises(UnavailableError):  # noqa: PT012 - it is the silence that fails
        async with working(setting=sooner) as session:
            await session.connection.execute("SELECT FROM shard_lease FOR UPDATE")
            # The rows come free without a word from whoever held them.
            await owner.execute("UPDATE shard_lease SET epoch = epoch")
            await session.connection.fetchval("SELECT 1")

    async with working() as session:
        assert await session.connection.fetchval("SELECT 1") == 1


async def test_a_session_inside_a_session_is_refused(tenant: UUID) -> None:
    async with acting_for(tenant):
        with pytest.raises(RuntimeError, match="already open"):
            async with operating():
                pass


async def test_migrating_twice_changes_nothing(database: Database) -> None:
    assert await pending(database.owner_url) == []
    assert await migrate(database.owner_url) == []


async def test_migrating_gives_up_soon_where_a_table_is_in_use(
    database: Database, owner: Connection
) -> None:
    async with owner.transaction():
        await owner.execute("LOCK TABLE migration")
        with pytest.raises(StartError, match="in use for more than"):
            await migrate(database.owner_url, patience_s=0.05)

    assert await migrate(database.owner_url, patience_s=0.05) == []


async def test_a_login_that_row_level_security_does_not_bind_is_refused(
    owner: Connection, database: Database
) -> None:
    with pytest.raises(StartError, match="is a superuser"):
        await refuse_privileged(owner, roles=("guardian_api",))


async def test_a_login_that_lacks_a_role_is_told_which(database: Database) -> None:
    connection = await connect(database.worker_url)
    try:
        await refuse_privileged(connection, roles=("guardian_worker",))
        with pytest.raises(StartError, match="may not act as guardian_api"):
            await refuse_privileged(connection, roles=("guardian_worker", "guardian_api"))
    finally:
        await connection.close()
