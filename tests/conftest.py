"""What every test may ask for: real servers, a database of its own, a clock, identities.

Each pytest process starts its own PostgreSQL and Valkey, without fsync, and migrates a template
once; a test that asks for `database` gets a copy of it, on a pool under the application's roles.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID

import pytest

from shared.data.connection import Connection, connect
from shared.data.engine import close_pool, open_pool
from shared.data.migrate import migrate
from shared.data.session import operating
from shared.domain.uuid7 import uuid7
from shared.runtime.postgres import EmbeddedPostgres
from shared.runtime.redis import EmbeddedRedis
from tests.databases import TEMPLATE, Databases

LOGINS = ("guardian_api", "guardian_worker", "guardian_tests")


@dataclass
class Clock:
    """A clock that stands until told otherwise; it starts at the present, as partitions do."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass(frozen=True)
class Database:
    """A migrated database of the test's own.

    `api_url` and `worker_url` log in as those roles; `owner_url` owns the tables and, being the
    embedded superuser, sees everything.
    """

    name: str
    owner_url: str
    api_url: str
    worker_url: str


@dataclass(frozen=True)
class Servers:
    """Where this pytest process runs its own PostgreSQL and Valkey."""

    socket_dir: str
    owner_url: str
    password: str
    redis_url: str

    def url(self, login: str, database: str) -> str:
        """An address of `database` for `login`."""
        if login == "guardian_owner":
            return urlsplit(self.owner_url)._replace(path=f"/{database}").geturl()
        return f"postgresql://{login}:{self.password}@/{database}?host={quote(self.socket_dir)}"


@pytest.fixture(scope="session")
def servers() -> Generator[Servers, None, None]:
    with serving() as running:
        yield running


@contextmanager
def serving() -> Generator[Servers, None, None]:
    """PostgreSQL with a migrated template, and Valkey; without fsync, gone at the end."""
    base = Path(tempfile.mkdtemp(prefix="guardian-tests-"))
    base.chmod(0o755)
    postgres = EmbeddedPostgres(base, is_durable=False)
    redis = EmbeddedRedis(base, is_durable=False)
    try:
        owner_url = postgres.start()
        running = Servers(
            socket_dir=parse_qs(urlsplit(owner_url).query)["host"][0],
            owner_url=owner_url,
            password="tests-only",
            redis_url=redis.start(),
        )
        asyncio.run(make_template(running))
        yield running
    finally:
        redis.stop()
        postgres.stop()
        rmtree(base, ignore_errors=True)


async def make_template(servers: Servers) -> None:
    """Migrate a template once, and make the logins that its copies are used by."""
    connection = await connect(servers.owner_url)
    await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await connection.close()
    await migrate(servers.url("guardian_owner", TEMPLATE))
    connection = await connect(servers.owner_url)
    for login in LOGINS:
        await connection.execute(
            f"""
            DO $$ BEGIN CREATE ROLE {login};
            EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            ALTER ROLE {login} LOGIN PASSWORD '{servers.password}';
            """
        )
    await connection.execute(
        "GRANT guardian_operator TO guardian_api;"
        "GRANT guardian_api, guardian_operator, guardian_worker TO guardian_tests"
    )
    await connection.close()


@pytest.fixture(scope="session")
def databases(servers: Servers) -> Databases:
    return Databases(servers.owner_url, url_of=lambda name: servers.url("guardian_owner", name))


@pytest.fixture
async def database(servers: Servers, databases: Databases) -> AsyncGenerator[Database, None]:
    """A migrated database without a row, with the pool open on it for all three roles."""
    async with opened(servers, databases) as empty:
        yield empty


@asynccontextmanager
async def opened(servers: Servers, databases: Databases) -> AsyncGenerator[Database, None]:
    """Take a database for a while."""
    name = await databases.take()
    await open_pool(servers.url("guardian_tests", name), size=10, name="tests")
    try:
        yield Database(
            name=name,
            owner_url=servers.url("guardian_owner", name),
            api_url=servers.url("guardian_api", name),
            worker_url=servers.url("guardian_worker", name),
        )
    finally:
        await close_pool()
        await databases.give_back(name)


@pytest.fixture
async def owner(database: Database) -> AsyncGenerator[Connection, None]:
    """A connection that sees every row, for asserting on what is really stored."""
    connection = await connect(database.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tenant(database: Database, clock: Clock) -> UUID:
    """A tenant of the test's own."""
    return await make_tenant("Acme", clock=clock)


async def make_tenant(name: str, *, clock: Clock) -> UUID:
    """Another tenant."""
    tenant_id = uuid7(clock(), os.urandom(10))
    async with operating() as session:
        await session.connection.execute(
            "INSERT INTO tenant (id, name, created_at) VALUES ($1, $2, $3)",
            tenant_id,
            name,
            clock(),
        )
    return tenant_id


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print one line of what was measured or counted, below the results of the whole run."""
    return lambda line: record_property("figure", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures, from whichever worker of the run they come."""
    reports: list[pytest.TestReport] = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport)
    ]
    lines = [
        str(value)
        for report in reports
        for name, value in report.user_properties
        if name == "figure"
    ]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
