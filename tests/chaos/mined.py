"""`python -m tests.chaos.mined worker|api`: the real process in a hurry, with a mine in it.

SIGUSR1 arms the mine with what the file named by CHAOS_ORDERS says, `point count`; the process
kills itself, as kill -9 would, when it reaches that point for the count-th time. Deadlines and the
breaker's pauses are shorter than in earnest, so that a run takes seconds.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from asyncpg.pool import PoolConnectionProxy

import api.__main__
import worker.__main__
from worker.delivery import claim, settle
from worker.delivery.breaker import Breaker
from worker.delivery.outcome import Outcome
from worker.delivery.prepare import Prepared
from worker.delivery.send import CurlTransport

DEADLINE_S = 1.0
FIRST_PAUSE_S = 1.5
LONGEST_PAUSE_S = 2.0
TO_THE_SOCKET = 3
"""Turns of the loop after which a query has been written to its socket."""

WHERE: ContextVar[str] = ContextVar("WHERE", default="other")


class Mine:
    """Ends the process at a point, once armed."""

    def __init__(self, orders: Path) -> None:
        self._orders = orders
        self._point = ""
        self._left = 0

    def arm(self, *_: object) -> None:
        point, count = self._orders.read_text(encoding="utf-8").split()
        self._point, self._left = point, int(count)

    def is_reached(self, point: str) -> bool:
        """Count the passing of a point; say whether it was the last."""
        if point != self._point:
            return False
        self._left -= 1
        return self._left <= 0

    def pass_by(self, point: str) -> None:
        """Explode, or do not."""
        if self.is_reached(point):
            self.explode()

    def explode(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Run the room named on the command line."""
    room = sys.argv[1]
    mine = Mine(Path(os.environ["CHAOS_ORDERS"]))
    signal.signal(signal.SIGUSR1, mine.arm)
    change = pytest.MonkeyPatch()
    _mine_commits(change, mine)
    if room == "api":
        WHERE.set("api")
        return api.__main__.main([])
    _mine_sending(change, mine)
    change.setattr("worker.delivery.pump.settle", _settle)
    change.setattr("worker.delivery.pump.claim", _claim)
    change.setattr(
        "worker.delivery.lane.Breaker",
        partial(Breaker, first_pause_s=FIRST_PAUSE_S, longest_pause_s=LONGEST_PAUSE_S),
    )
    return worker.__main__.main([])


async def _settle(*args: Any, **kwargs: Any) -> settle.Settled:
    token = WHERE.set("settle")
    try:
        return await settle.settle(*args, **kwargs)
    finally:
        WHERE.reset(token)


@asynccontextmanager
async def _claim(*args: Any, **kwargs: Any) -> AsyncGenerator[claim.Claim]:
    token = WHERE.set("claim")
    try:
        async with claim.claim(*args, **kwargs) as found:
            yield found
    finally:
        WHERE.reset(token)


def _mine_commits(change: pytest.MonkeyPatch, mine: Mine) -> None:
    execute = cast("Any", PoolConnectionProxy).execute

    async def mined(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        if query != "COMMIT":
            return await execute(self, query, *args, **kwargs)
        where = WHERE.get()
        mine.pass_by(f"{where}-before-commit")
        if mine.is_reached(f"{where}-during-commit"):
            asking: asyncio.Task[Any] = asyncio.create_task(execute(self, query))
            for _ in range(TO_THE_SOCKET):
                await asyncio.sleep(0)
            mine.explode()
            await asking
        answer = await execute(self, query, *args, **kwargs)
        mine.pass_by(f"{where}-after-commit")
        return answer

    change.setattr(PoolConnectionProxy, "execute", mined)


def _mine_sending(change: pytest.MonkeyPatch, mine: Mine) -> None:
    class Mined(CurlTransport):
        """Sends as ever, past two points."""

        async def post(self, request: Prepared, *, answer: bytearray | None = None) -> Outcome:
            mine.pass_by("before-send")
            outcome = await super().post(request, answer=answer)
            mine.pass_by("after-send")
            return outcome

    change.setattr("worker.resources.CurlTransport", partial(Mined, deadline_s=DEADLINE_S))


if __name__ == "__main__":
    sys.exit(main())
