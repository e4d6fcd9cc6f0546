"""The supervised chaos drill: crash, outage, restart and deploy while producers go on."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.contracts.words import Role
from tests.drills.load import Ledger, Producer, under_load
from tests.drills.stage import Stage, free_port, staged
from tests.journeys.conftest import eventually
from tests.receiver import Receiver
from tests.supervised import API, Supervised, supervised

WORKERS = 2
ENDPOINTS = 3
WATCH_S = 0.1
WHOLE_S = 60.0


@dataclass(frozen=True)
class Size:
    """How hard it is played.

    Attributes:
        per_second: observations.
        calm_s: between two blows.
        outage_s: how long PostgreSQL and Valkey stay away.
        is_short: only PostgreSQL is restarted, and everything killed.
    """

    per_second: float = 60.0
    calm_s: float = 2.0
    outage_s: float = 4.0
    is_short: bool = False


async def play(folder: Path, size: Size) -> str:
    """Play it in `folder`; answers the account.

    Raises:
        AssertionError: something was lost, or supervisord gave a program up.
    """
    async with staged(folder) as stage, Receiver() as receiver:
        runs = folder / "supervised"
        runs.mkdir()
        async with supervised(
            runs,
            stage.env,
            api_database_url=stage.url("guardian_api"),
            worker_database_url=stage.url("guardian_worker"),
            port=free_port(),
            key=stage.keys[Role.ADMIN],
            workers=WORKERS,
        ) as system:
            urls = [f"{receiver.url}/{number}" for number in range(ENDPOINTS)]
            await stage.connect(system.url, urls)
            ledger = Ledger(ENDPOINTS)
            producer = Producer(
                [system.url], stage.keys[Role.INGEST], ledger, per_second=size.per_second
            )
            seen: set[str] = set()
            watching = asyncio.create_task(_watch(system, seen))
            try:
                async with under_load(producer):
                    for blow in _blows(stage, system, size):
                        await asyncio.sleep(size.calm_s)
                        await blow()
                        await eventually(system.is_whole, "all run again", within_s=WHOLE_S)
                    await asyncio.sleep(size.calm_s)
                await ledger.settle(receiver)
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
            assert "FATAL" not in seen
            assert "UNKNOWN" not in seen
        return ledger.told("supervised chaos", receiver) + ", 0 FATAL"


def _blows(stage: Stage, system: Supervised, size: Size) -> list[Callable[[], Awaitable[None]]]:
    names = [f"worker:worker_{number:02}" for number in range(WORKERS)]

    async def kill_a_worker() -> None:
        await _kill(system, names[0])

    async def kill_the_api() -> None:
        await _kill(system, API)

    async def kill_all() -> None:
        await _kill(system, *names, API)

    async def restart_valkey() -> None:
        stage.redis.stop()
        await asyncio.sleep(size.outage_s)
        stage.redis.start()

    async def restart_postgresql() -> None:
        await asyncio.to_thread(stage.postgres.stop)
        await asyncio.sleep(size.outage_s)
        stage.postgres.start()

    async def deploy() -> None:
        for name in (*names, API):
            await system.restart(name)

    if size.is_short:
        return [restart_postgresql, kill_all]
    return [kill_a_worker, kill_the_api, restart_valkey, restart_postgresql, deploy, kill_all]


async def _kill(system: Supervised, *names: str) -> None:
    """Kill programs, and wait until supervisord has put others in their places."""
    before = system.programs()
    for name in names:
        os.kill(before[name][1], signal.SIGKILL)

    async def are_new() -> bool:
        after = system.programs()
        return all(after[name][0] == "RUNNING" for name in names) and all(
            after[name][1] != before[name][1] for name in names
        )

    await eventually(are_new, "others run in their places", within_s=WHOLE_S)


async def _watch(system: Supervised, seen: set[str]) -> None:
    while True:
        seen.update(state for state, _ in system.programs().values())
        await asyncio.sleep(WATCH_S)
