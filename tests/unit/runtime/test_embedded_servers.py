import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
from redis import Redis

from shared.errors import StartError
from shared.runtime import binaries, children
from shared.runtime.folder import SOCKET_FOLDER_MAX, Account, DataFolder
from shared.runtime.postgres import EmbeddedPostgres
from shared.runtime.redis import EmbeddedRedis

# A parent of its own for the servers, so that it can be killed.
OWNER_PROCESS = """
import sys
from pathlib import Path
from typing import Any, cast
from shared.runtime.postgres import EmbeddedPostgres
from shared.runtime.redis import EmbeddedRedis
base = Path(sys.argv[1])
print(EmbeddedPostgres(base, is_durable=False).start(), flush=True)
print(EmbeddedRedis(base).start(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path, is_durable=False)
    yield server
    server.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path)
    yield server
    server.stop()


async def test_postgres_keeps_its_rows_from_one_start_to_the_next(
    postgres: EmbeddedPostgres,
) -> None:
    await _run(postgres.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    postgres.stop()

    assert await _value(postgres.start(), "SELECT one FROM kept") == 1


def test_redis_keeps_its_keys_from_one_start_to_the_next(redis: EmbeddedRedis) -> None:
    with Redis.from_url(redis.start()) as client:
        client.set("kept", "1")
    redis.stop()

    with Redis.from_url(redis.start()) as client:
        assert client.get("kept") == b"1"


async def test_a_second_start_of_a_running_server_changes_nothing(
    postgres: EmbeddedPostgres,
) -> None:
    dsn = postgres.start()
    since = await _value(dsn, "SELECT pg_postmaster_start_time()")

    assert postgres.start() == dsn
    assert await _value(dsn, "SELECT pg_postmaster_start_time()") == since


def test_nobody_but_the_owner_and_root_can_look_into_the_folders(
    postgres: EmbeddedPostgres, redis: EmbeddedRedis, tmp_path: Path
) -> None:
    postgres.start()
    redis.start()

    for name in ("postgres", "redis", "run"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700
    for file in tmp_path.iterdir():
        if file.is_file():
            assert file.stat().st_mode & 0o777 == 0o600


async def test_a_wrong_password_is_refused(postgres: EmbeddedPostgres) -> None:
    dsn = postgres.start()

    with pytest.raises(asyncpg.InvalidPasswordError):
        await _value(dsn.replace(":", ":not-", 2).replace(":not-//", "://"), "SELECT 1")


async def test_a_killed_postgres_starts_again_with_its_rows(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path)
    try:
        await _run(postgres.start(), "CREATE TABLE kept AS SELECT 1 AS one")
        pid = children.read_pid(tmp_path / "postgres" / "postmaster.pid")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        _wait_until(lambda: not postgres.is_running)

        assert await _value(postgres.start(), "SELECT one FROM kept") == 1
    finally:
        postgres.stop()


def test_a_killed_redis_starts_again(redis: EmbeddedRedis, tmp_path: Path) -> None:
    redis.start()
    pid = children.read_pid(tmp_path / "run" / "redis.pid")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    _wait_until(lambda: not redis.is_running)

    with Redis.from_url(redis.start()) as client:
        assert client.ping()


def test_the_process_id_of_a_stranger_in_a_stale_lock_file_is_harmless(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    postgres.start()
    postgres.stop()
    account = Account.present()
    stranger = subprocess.Popen(
        ["/bin/sleep", "600"], user=account.uid if os.geteuid() == 0 else None
    )
    try:
        for lock in (tmp_path / "postgres/postmaster.pid", tmp_path / "run/.s.PGSQL.5432.lock"):
            lock.write_text(f"{stranger.pid}\n{tmp_path}/postgres\n1\n5432\n\n\n\nready   \n")
            os.chown(lock, account.uid, account.gid)

        assert postgres.start()
        assert postgres.is_running
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_servers_stop_with_a_killed_owner_and_start_again_under_the_next(
    postgres: EmbeddedPostgres, redis: EmbeddedRedis, tmp_path: Path
) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER_PROCESS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdin is not None
    dsn, url = owner.stdout.readline().strip(), owner.stdout.readline().strip()
    pids = [
        children.read_pid(tmp_path / "postgres" / "postmaster.pid"),
        children.read_pid(tmp_path / "run" / "redis.pid"),
    ]
    owner.kill()
    owner.wait()

    assert postgres.start() == dsn
    assert redis.start() == url
    for pid in pids:
        assert pid is not None
        assert not children.is_running(pid, mark="-D")
    owner.stdin.close()
    owner.stdout.close()


def test_a_folder_has_one_owner_at_a_time(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    postgres.start()

    with pytest.raises(StartError, match="Another Guardian is running on"):
        EmbeddedPostgres(tmp_path).start()
    assert postgres.is_running


async def test_a_folder_deeper_than_a_socket_path_may_be_long_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * SOCKET_FOLDER_MAX) / "with space"
    postgres, redis = EmbeddedPostgres(deep, is_durable=False), EmbeddedRedis(deep)
    try:
        assert await _value(postgres.start(), "SELECT 1") == 1
        with Redis.from_url(redis.start()) as client:
            assert client.ping()
        sockets = DataFolder(deep, account=Account.present()).sockets()
        assert sockets.stat().st_mode & 0o777 == 0o700
    finally:
        redis.stop()
        postgres.stop()
    sockets.joinpath("redis.pid").unlink(missing_ok=True)
    sockets.rmdir()


def test_a_file_where_the_folder_should_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")

    with pytest.raises(
        StartError, match=r"^The data folder .*taken cannot be used: file exists\.$"
    ):
        EmbeddedPostgres(tmp_path / "taken").start()


def test_a_cluster_of_another_version_is_one_sentence(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    postgres.start()
    postgres.stop()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(StartError, match=r"^PostgreSQL cannot start: .*version 12") as caught:
        postgres.start()
    assert "\n" not in caught.value.detail


def test_damaged_redis_data_is_one_sentence(redis: EmbeddedRedis, tmp_path: Path) -> None:
    redis.start()
    redis.stop()
    (tmp_path / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")

    with pytest.raises(StartError, match=r"^Redis cannot start: .*") as caught:
        redis.start()
    assert "\n" not in caught.value.detail


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    error = children.failure(
        "PostgreSQL",
        folder=tmp_path,
        log=tmp_path / "postgres.log",
        output="FATAL:  could not write lock file: No space left on device\n",
    )

    assert error.detail == f"PostgreSQL cannot start: the disk that holds {tmp_path} is full."


def test_a_missing_program_names_the_package_and_the_setting() -> None:
    with pytest.raises(StartError, match="package no-such-package again, or set DATABASE_URL"):
        binaries.locate("no_such_package", "bin/x", what="PostgreSQL", instead="DATABASE_URL")


@pytest.mark.parametrize("name", ["postgres", "nobody"])
def test_root_never_runs_the_servers_itself(name: str) -> None:
    account = Account.present()

    assert account.uid != 0
    if os.geteuid() == 0 and account.name == name:
        assert pwd.getpwnam(name).pw_uid == account.uid


async def _value(dsn: str, sql: str) -> Any:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        return cast("Any", await pool.fetchval(sql))


async def _run(dsn: str, sql: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await pool.execute(sql)


def _wait_until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
