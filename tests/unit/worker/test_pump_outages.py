"""PostgreSQL goes and comes back while deliveries are under way."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from shared.data.connection import connect
from shared.data.engine import close_pool, open_pool
from shared.data.migrate import migrate
from shared.runtime.postgres import EmbeddedPostgres
from tests.conftest import Clock, make_tenant
from tests.receiver import Answer, Receiver
from tests.unit.worker.conftest import Builder, engine, eventually


@pytest.fixture
def postgres() -> Generator[EmbeddedPostgres, None, None]:
    """A server of the test's own."""
    folder = Path(mkdtemp(prefix="guardian-outage-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder, is_durable=False)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        rmtree(folder, ignore_errors=True)


@pytest.fixture
async def builder(postgres: EmbeddedPostgres, clock: Clock) -> AsyncGenerator[Builder, None]:
    """Made on that server, with the pool open on it."""
    url = postgres.start()
    await migrate(url)
    await open_pool(url, size=5, name="tests")
    owner = await connect(url)
    try:
        yield Builder(owner, tenant_id=await make_tenant("Acme", clock=clock), clock=clock)
    finally:
        await owner.close()
        await close_pool()


async def test_everything_is_delivered_and_settled_after_postgresql_restarts(
    builder: Builder, postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with Receiver(otherwise=Answer(after_s=0.2)) as receiver, engine(builder) as running:
        made = await builder.integration(receiver.url)
        await builder.deliveries(made, count=40)
        await receiver.wait_for(8)

        # What is under way ends while nothing can be settled.
        postgres.stop()
        await eventually(lambda: "outcomes wait to be settled" in caplog.text)
        await eventually(lambda: "the leases cannot be renewed" in caplog.text)
        await eventually(lambda: "the queue cannot be looked at" in caplog.text)
        running.wake_ups.wake(made)
        await eventually(lambda: "nothing can be claimed" in caplog.text)

        builder.owner = await connect(postgres.start())
        await eventually(builder.is_settled)
        assert len(receiver.received) == 40, "nothing was lost and nothing came twice"
        await builder.owner.close()
