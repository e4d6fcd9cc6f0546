"""The PgBouncer drill: API and workers behind a pool in transaction mode, and the pool restarted.

It needs the program `pgbouncer`, which Debian has in the package of that name.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from shared.contracts.words import Role
from shared.runtime.database import LOGINS, NAME
from tests.drills.load import Ledger, Producer, under_load
from tests.drills.stage import WORD, Stage, free_port, staged, until_served
from tests.receiver import Receiver

ENDPOINTS = 3
PER_SECOND = 60.0
CALM_S = 4.0
SERVER_CONNECTIONS = 4
"""Fewer than the clients have, so that transactions of one client meet different connections."""


async def play(folder: Path) -> str:
    """Play it in `folder`; answers the account.

    Raises:
        AssertionError: something was lost.
        RuntimeError: there is no pgbouncer here.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        raise RuntimeError("this needs the program pgbouncer")
    async with staged(folder) as stage, Receiver() as receiver:
        port = free_port()
        config = _configure(folder, stage, port)
        pool = _start(program, config, folder)
        try:
            url = f"http://127.0.0.1:{free_port()}"
            env = {
                "GUARDIAN_API_PORT": url.rpartition(":")[2],
                "GUARDIAN_DATABASE_PREPARES": "false",
            }
            for room in ("api", "worker", "worker"):
                dsn = f"postgresql://guardian_{room}:{WORD}@127.0.0.1:{port}/{NAME}"
                stage.start(room, env=env | {"DATABASE_URL": dsn})
            await until_served(url)
            await stage.connect(url, [f"{receiver.url}/{number}" for number in range(ENDPOINTS)])
            ledger = Ledger(ENDPOINTS)
            producer = Producer([url], stage.keys[Role.INGEST], ledger, per_second=PER_SECOND)
            async with under_load(producer):
                await asyncio.sleep(CALM_S)
                _end(pool)
                await asyncio.sleep(1)
                pool = _start(program, config, folder)
                await until_served(url)
                await asyncio.sleep(CALM_S)
            await ledger.settle(receiver)
        finally:
            _end(pool)
    return ledger.told("PgBouncer in transaction mode, restarted", receiver)


def _configure(folder: Path, stage: Stage, port: int) -> Path:
    sockets = parse_qs(urlsplit(stage.owner_url).query)["host"][0]
    users = folder / "users.txt"
    users.write_text("".join(f'"{login}" "{WORD}"\n' for login in LOGINS))
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"""[databases]
{NAME} = host={sockets} port=5432 dbname={NAME}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = {SERVER_CONNECTIONS}
max_client_conn = 200
"""
    )
    for file in (users, config):
        file.chmod(0o644)
    return config


def _start(program: str, config: Path, folder: Path) -> subprocess.Popen[bytes]:
    account = folder.joinpath("postgres").stat()
    is_root = os.geteuid() == 0
    user, group = (account.st_uid, account.st_gid) if is_root else (None, None)
    with (folder / "pgbouncer.log").open("ab") as log:
        return subprocess.Popen(
            [program, str(config)], stdout=log, stderr=log, user=user, group=group
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(20)
