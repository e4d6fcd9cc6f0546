"""The cut-off-host drill: two hosts with an API and a worker each, servers on a third; one is cut.

Hosts are network namespaces. `play` makes them and starts this module again on the hub.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from shared.contracts.words import Role
from shared.data.connection import Connection, connect
from shared.runtime.database import on_database
from tests.drills.hosts import NET, PREFIX_LENGTH, Hosts
from tests.drills.load import Ledger, Producer, under_load
from tests.drills.stage import ROOT, Stage, serves, staged, until_served
from tests.journeys.conftest import eventually
from tests.receiver import Receiver

NAMES = ("first", "second")
API_PORT = 8080
ENDPOINTS = 6
PER_SECOND = 60.0
CALM_S = 3.0
CUT_S = 25.0
LONGEST_STALL_S = 20.0
"""Longer than a lease and PostgreSQL's patience with a transaction whose owner is silent."""
LOGINS_FROM_HOSTS = f"""
local all all scram-sha-256
host all all {NET}.0/{PREFIX_LENGTH} scram-sha-256
"""


async def play(folder: Path) -> str:
    """Play it in `folder`; answers the account.

    Raises:
        AssertionError: something was lost, or the other host did not go on.
        RuntimeError: no network namespaces can be made here.
    """
    hosts = Hosts(NAMES)
    with hosts.standing():
        command = [*hosts.on_hub(), sys.executable, "-m", __name__, str(folder), hosts.hub]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
        said, _ = await process.communicate()
    assert process.returncode == 0, f"exit code {process.returncode}: {said.decode()[-2000:]}"
    return said.decode().strip().splitlines()[-1]


async def _play_on_hub(folder: Path, hosts: Hosts) -> str:
    here = hosts.hub_address
    rules = folder / "pg_hba.conf"
    rules.write_text(LOGINS_FROM_HOSTS)
    async with (
        staged(
            folder,
            host=here,
            postgres={"listen_addresses": here, "hba_file": str(rules)},
            redis={"port": "6379", "bind": here, "protected-mode": "no"},
        ) as stage,
        Receiver(host=here) as receiver,
    ):
        api_env = {"GUARDIAN_API_HOST": "0.0.0.0", "GUARDIAN_API_PORT": str(API_PORT)}  # noqa: S104 - of its own namespace
        for name in NAMES:
            stage.start("api", prefix=hosts.on(name), env=api_env)
            stage.start("worker", prefix=hosts.on(name))
        urls = [f"http://{hosts.address(name)}:{API_PORT}" for name in NAMES]
        await until_served(*urls)
        await stage.connect(urls[0], [f"{receiver.url}/{number}" for number in range(ENDPOINTS)])
        ledger = Ledger(ENDPOINTS)
        producer = Producer(urls, stage.keys[Role.INGEST], ledger, per_second=PER_SECOND)
        database = await connect(on_database(stage.owner_url))
        async with under_load(producer):
            await _hold(database, len(NAMES))
            await asyncio.sleep(CALM_S)
            stalls = await _without(hosts, NAMES[0], receiver, ledger)
            await _is_back(database, stage, urls[0])
            await asyncio.sleep(CALM_S)
        await database.close()
        await ledger.settle(receiver)
        return (
            ledger.told("cut-off host", receiver)
            + f"; longest stall while cut off: accepting {stalls[0]:.1f} s, "
            + f"delivering {stalls[1]:.1f} s"
        )


async def _without(
    hosts: Hosts, name: str, receiver: Receiver, ledger: Ledger
) -> tuple[float, float]:
    """Cut a host off for a while; the longest pauses in accepting and in delivering, in seconds."""
    loop = asyncio.get_running_loop()
    hosts.cut_off(name)
    longest = [0.0, 0.0]
    seen = [len(ledger.accepted), len(receiver.received)]
    since = [loop.time()] * 2
    ends = loop.time() + CUT_S
    while loop.time() < ends:
        await asyncio.sleep(0.1)
        for which, count in enumerate((len(ledger.accepted), len(receiver.received))):
            if count > seen[which]:
                seen[which], since[which] = count, loop.time()
            longest[which] = max(longest[which], loop.time() - since[which])
    hosts.bring_back(name)
    assert max(longest) < LONGEST_STALL_S, f"the other host stood still: {longest}"
    return longest[0], longest[1]


async def _is_back(database: Connection, stage: Stage, url: str) -> None:
    """Wait until the host that was cut off takes part again, with nobody restarting anything."""

    async def does_serve() -> bool:
        return await serves(url)

    await eventually(does_serve, "the API of the host serves again", within_s=90)
    await _hold(database, len(NAMES))
    assert all(process.poll() is None for process in stage.running), "nobody gave up"


async def _hold(database: Connection, workers: int) -> None:
    """Wait until that many workers hold all shards between them."""

    async def do_hold() -> bool:
        rows = await database.fetch(
            "SELECT count(*) AS held FROM shard_lease WHERE until > clock_timestamp() "
            "GROUP BY owner"
        )
        return len(rows) == workers and sum(row["held"] for row in rows) == 64

    await eventually(do_hold, f"{workers} workers hold all shards", within_s=90)


def _main(folder: str, hub: str) -> int:
    hosts = Hosts(NAMES, hub=hub)
    try:
        print(asyncio.run(_play_on_hub(Path(folder), hosts)))
    except AssertionError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
