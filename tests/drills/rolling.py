"""The rolling upgrade drill: an older release beside this one across a migration, under load."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from shared.contracts.words import Role
from shared.data.connection import connect
from shared.runtime.database import LOGINS, NAME, on_database
from tests.drills.load import Ledger, Producer, under_load
from tests.drills.stage import ROOT, WORD, Stage, free_port, staged, until_served
from tests.journeys.conftest import eventually
from tests.receiver import Receiver

MIGRATIONS = "shared/data/migrations"
ENDPOINTS = 6
PER_SECOND = 60.0
CALM_S = 3.0


async def play(folder: Path, *, across: str = "") -> str:
    """Play it in `folder`; answers the account.

    Args:
        folder: for everything.
        across: the first migration that the older release lacks; the newest if empty.

    Raises:
        AssertionError: something was lost, or one of the releases did not work beside the other.
        RuntimeError: this is no git checkout with the history that the older release comes from.
    """
    old, migration = await asyncio.to_thread(_unpack_older, folder / "older", across)
    async with staged(folder, is_prepared=False) as stage, Receiver() as receiver:
        await _make_database(stage)
        await _migrate(stage, old)
        await _open_logins(stage)
        await stage.furnish()
        urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
        old_api, new_api = ({"GUARDIAN_API_PORT": url.rpartition(":")[2]} for url in urls)
        old_processes = [
            stage.start("api", tree=old, env=old_api),
            stage.start("worker", tree=old),
            stage.start("worker", tree=old),
        ]
        await until_served(urls[0])
        await stage.connect(urls[0], [f"{receiver.url}/{number}" for number in range(ENDPOINTS)])
        ledger = Ledger(ENDPOINTS)
        producer = Producer(urls[:1], stage.keys[Role.INGEST], ledger, per_second=PER_SECOND)
        async with under_load(producer):
            await receiver.wait_for(ENDPOINTS)
            await asyncio.sleep(CALM_S)
            # Expand: the older release goes on while the tables change below it.
            await _migrate(stage, ROOT)
            await asyncio.sleep(CALM_S)
            stage.start("api", env=new_api)
            new_worker = stage.start("worker")
            await until_served(*urls)
            producer.urls = urls
            await _share(stage, {one.pid for one in (*old_processes[1:], new_worker)})
            await asyncio.sleep(CALM_S)
            # An older process that crashes meanwhile comes back as it was.
            stage.kill(old_processes.pop())
            old_processes.append(stage.start("worker", tree=old))
            await _share(stage, {one.pid for one in (*old_processes[1:], new_worker)})
            await asyncio.sleep(CALM_S)
            stage.start("worker")
            for process in old_processes[1:]:
                assert await stage.stop(process) == 0, "a worker of the older release ends well"
            producer.urls = urls[1:]
            code = await stage.stop(old_processes[0])
            assert code in (0, -signal.SIGTERM), "the API of the older release ends well"
            await asyncio.sleep(CALM_S)
        await ledger.settle(receiver)
    return ledger.told(f"rolling upgrade across {migration}", receiver)


def _unpack_older(folder: Path, across: str) -> tuple[Path, str]:
    """Put the tree before a migration into `folder`; answer that and the migration."""
    newest = max((ROOT / MIGRATIONS).glob(f"{across or 'm*'}.py")).name
    try:
        added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", f"{MIGRATIONS}/{newest}")
        commit = added.decode().strip()
        if not re.fullmatch("[0-9a-f]{40}", commit):
            raise RuntimeError(f"the history does not say when {newest} came")
        archive = _git("archive", f"{commit}^")
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"this needs a git checkout with its history: {error}") from None
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)  # noqa: S607
    folder.chmod(0o755)
    return folder, newest.removesuffix(".py")


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True)  # noqa: S607
    return done.stdout


async def _make_database(stage: Stage) -> None:
    cluster = await connect(stage.owner_url)
    await cluster.execute(f"CREATE DATABASE {NAME}")
    await cluster.close()


async def _migrate(stage: Stage, tree: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "shared.runtime.cli", "migrate"),
        cwd=tree,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tree),
            "DATABASE_ADMIN_URL": on_database(stage.owner_url),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert b"applied: " in said, said.decode()


async def _open_logins(stage: Stage) -> None:
    database = await connect(on_database(stage.owner_url))
    for login, roles in LOGINS.items():
        await database.execute(f"ALTER ROLE {login} LOGIN PASSWORD '{WORD}'")
        for role in roles:
            await database.execute(f"GRANT {role} TO {login}")
    await database.close()


async def _share(stage: Stage, pids: set[int]) -> None:
    """Wait until the workers of these processes hold shards, all of them."""
    database = await connect(on_database(stage.owner_url))

    async def do_share() -> bool:
        rows = await database.fetch(
            "SELECT DISTINCT pid FROM shard_lease JOIN worker_heartbeat USING (owner)"
        )
        return pids <= {row["pid"] for row in rows}

    try:
        await eventually(do_share, "old and new workers share the shards")
    finally:
        await database.close()
