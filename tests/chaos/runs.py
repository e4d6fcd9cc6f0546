"""One run: five hundred deliveries, one failure, and the account of what became of them."""

import asyncio
import signal
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from time import monotonic
from uuid import UUID, uuid4

import httpx

from tests.chaos.fleet import IN_FLIGHT, LEASE_S, Fleet, until
from tests.chaos.receivers import Ledger, Pair

DELIVERIES = 500
LANES = 8
PAUSE_S = 0.05
PATIENCE_S = 60.0
BAD = ("fail", "busy", "hang", "drip", "reset", "10 MB", "gzip bomb")
MOST_BAD = 6
"""Of one receiver in one run, so that no schedule is ever spent."""


@dataclass
class Account:
    """How a run ended.

    Attributes:
        deliveries: promised with a 202.
        duplicates: acceptances beyond the first of each delivery, but for those whose answer came
            too late or broke off, so that an attempt is on record as failed.
        exposed: deliveries that were with a receiver, or accepted and not written down yet, when a
            worker was stopped: what its successor may repeat.
        refused: outcomes of a worker that had lost its lease; a machine that starves it is enough.
        is_struck: whether the failure came to pass.
    """

    seed: int
    fault: str
    deliveries: int = 0
    duplicates: int = 0
    exposed: int | None = None
    refused: int = 0
    is_struck: bool = False
    took_s: float = 0.0
    problems: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        exposed = "" if self.exposed is None else f", {self.exposed} exposed"
        state = "; ".join(self.problems) if self.problems else "nothing lost"
        return (
            f"seed {self.seed}: {self.fault}{'' if self.is_struck else ' (missed)'}: "
            f"{self.deliveries} deliveries, {self.duplicates} twice{exposed}, "
            f"{self.took_s:.1f} s: {state}"
        )


@dataclass
class Run:
    """What a failure may look at, and note."""

    fleet: Fleet
    ledger: Ledger
    dice: Random
    account: Account
    deliveries: int
    told: set[str] = field(default_factory=set[str])

    async def half_way(self) -> None:
        """Wait until some of the deliveries were accepted."""
        wanted = self.dice.randint(1, self.deliveries * 2 // 3)
        await until(lambda: sum(self.ledger.accepted.values()) >= wanted)

    async def due(self) -> set[Pair]:
        """What PostgreSQL takes for undelivered."""
        connection = await self.fleet.look()
        try:
            rows = await connection.fetch(
                """
                SELECT d.event_id::text, i.integration_key
                FROM delivery_due d JOIN integration i ON i.id = d.integration_id
                """
            )
        finally:
            await connection.close()
        return {_pair(row[0], row[1]) for row in rows}


def _pair(event_id: str, integration_key: str) -> Pair:
    return (event_id, f"/{integration_key.removeprefix('bi_')}")


Fault = Callable[[Run], Awaitable[None]]


def _mined(room: str, point: str, most: int) -> Fault:
    async def strike(run: Run) -> None:
        names = ["api"] if room == "api" else ["one", "two"]
        before = run.fleet.deaths
        for name in names:
            latest = max(1, most * run.deliveries // DELIVERIES)
            run.fleet.arm(name, point, run.dice.randint(1, latest))
        await until(lambda: run.fleet.deaths > before)
        run.account.is_struck = True

    return strike


async def _stop_and_continue(run: Run) -> None:
    await run.half_way()
    worker = await run.fleet.busy_worker()
    worker.send_signal(signal.SIGSTOP)
    run.account.is_struck = True
    try:
        accepted = set(run.ledger.accepted) | set(+run.ledger.open)
        run.account.exposed = len(accepted & await run.due())
        await asyncio.sleep(LEASE_S * run.dice.uniform(1.3, 2.0))
    finally:
        worker.send_signal(signal.SIGCONT)


async def _stop_redis(run: Run) -> None:
    await run.half_way()
    run.fleet.stage.redis.stop()
    run.account.is_struck = True
    await asyncio.sleep(run.dice.uniform(0.1, 1.0))
    run.fleet.stage.redis.start()


async def _flush_redis(run: Run) -> None:
    for _ in range(run.dice.randint(1, 5)):
        await run.half_way()
        await run.fleet.flush_redis()
        run.account.is_struck = True


async def _break_postgres(run: Run) -> None:
    await run.half_way()
    run.fleet.break_postgres()
    run.account.is_struck = True
    await asyncio.sleep(run.dice.uniform(0.0, 0.5))
    await run.fleet.mend_postgres()


async def _bad_receivers(run: Run) -> None:
    for path in run.fleet.paths:
        bad = [run.dice.choice(BAD) for _ in range(MOST_BAD)]
        good = ["accept"] * run.dice.randint(0, 40)
        run.dice.shuffle(both := bad + good)
        run.ledger.manners[path] = deque(both)
    run.account.is_struck = True


FAULTS: dict[str, Fault] = {
    "kill -9 of the API before a commit": _mined("api", "api-before-commit", 60),
    "kill -9 of the API within a commit": _mined("api", "api-during-commit", 60),
    "kill -9 of the API after a commit": _mined("api", "api-after-commit", 60),
    "kill -9 of the worker before a send": _mined("worker", "before-send", 100),
    "kill -9 of the worker after a send": _mined("worker", "after-send", 100),
    "kill -9 of the worker before the commit of a settle": _mined(
        "worker", "settle-before-commit", 8
    ),
    "kill -9 of the worker within the commit of a settle": _mined(
        "worker", "settle-during-commit", 8
    ),
    "kill -9 of the worker after the commit of a settle": _mined(
        "worker", "settle-after-commit", 8
    ),
    "kill -9 of the worker after a claim": _mined("worker", "claim-after-commit", 8),
    "SIGSTOP past the lease, SIGCONT": _stop_and_continue,
    "Valkey stopped and started": _stop_redis,
    "Valkey flushed": _flush_redis,
    "PostgreSQL shut down at once and started": _break_postgres,
    "bad manners of receivers": _bad_receivers,
}

REPEATS = ("kill -9 of the worker", "SIGSTOP", "PostgreSQL")
"""How the names of those failures begin across which a delivery may come twice."""


async def play(seed: int, fleet: Fleet, ledger: Ledger, *, deliveries: int = DELIVERIES) -> Account:
    """Play the run of `seed`; what went wrong stands in the account."""
    names = list(FAULTS)
    account = Account(seed, names[seed % len(names)])
    dice = Random(seed)  # noqa: S311 - to be played again
    run = Run(fleet, ledger, dice, account, deliveries)
    ledger.accepted.clear()
    ledger.manners.clear()
    began, said = monotonic(), fleet.stage.log.stat().st_size
    striking = asyncio.create_task(_strike(run))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _produce(run)
            await _until_done(run)
            if run.account.exposed is not None or account.fault.startswith(("Valkey", "Postgre")):
                await striking
    except TimeoutError:
        account.problems.append(await _what_is_missing(run))
    finally:
        striking.cancel()
        await asyncio.gather(striking, return_exceptions=True)
        fleet.disarm()
    account.took_s = monotonic() - began
    if striking.done() and not striking.cancelled() and (error := striking.exception()):
        account.problems.append(f"the failure failed: {error!r}")
    account.refused = fleet.refused(since=said)
    await _balance(run)
    return account


async def _strike(run: Run) -> None:
    await FAULTS[run.account.fault](run)


async def _produce(run: Run) -> None:
    """Post observations in lanes, each until it is accepted; note the events they became."""
    url = f"{run.fleet.api_url}/api/guardian/meta/observations/lifecycle-runs"
    headers = {"authorization": f"Bearer {run.fleet.ingest_key}"}
    numbers = iter(range(run.deliveries // len(run.fleet.paths)))

    async def produce() -> None:
        async with httpx.AsyncClient(headers=headers, timeout=2.0) as client:
            for number in numbers:
                run.told.update(await _accepted(client, url, number))

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(produce())


async def _accepted(client: httpx.AsyncClient, url: str, number: int) -> list[str]:
    body = {
        "run_at": "2026-11-01T06:00:00Z",
        "total_compacted": number,
        "total_deleted": 0,
        "operations_successful": 1,
        "operations_failed": 0,
    }
    once = {"idempotency-key": str(uuid4())}
    while True:
        try:
            answer = await client.post(url, json=body, headers=once)
            if answer.status_code == HTTPStatus.ACCEPTED:
                return answer.json()["event_ids"]
            if answer.is_client_error and answer.status_code != HTTPStatus.CONFLICT:
                raise RuntimeError(f"refused for good: {answer.text}")
        except httpx.TransportError:
            pass
        await asyncio.sleep(PAUSE_S)


def _wanted(run: Run) -> set[Pair]:
    return {(event, path) for event in run.told for path in run.fleet.paths}


async def _until_done(run: Run) -> None:
    """Wait until every delivery was accepted, and PostgreSQL knows."""
    await until(lambda: _wanted(run) <= set(run.ledger.accepted))
    while True:
        try:
            if not await run.due():
                return
        except OSError:
            pass  # it is the one that is broken
        await asyncio.sleep(0.05)


async def _what_is_missing(run: Run) -> str:
    missing = _wanted(run) - set(run.ledger.accepted)
    due = await run.due()
    return (
        f"{len(missing)} did not arrive within {PATIENCE_S:g} s, "
        f"{len(missing - due)} of them unknown to the queue"
    )


async def _balance(run: Run) -> None:
    """Compare what was promised, what the receivers accepted, and what PostgreSQL remembers."""
    account, accepted = run.account, run.ledger.accepted
    wanted = _wanted(run)
    account.deliveries = len(wanted)
    if len(wanted) != run.deliveries:
        account.problems.append(f"{len(wanted)} were promised instead of {run.deliveries}")
    if unknown := set(accepted) - wanted:
        account.problems.append(f"{len(unknown)} arrived that nobody was promised")
    await _compare(run, wanted)
    if account.duplicates > account.refused and not account.fault.startswith(REPEATS):
        account.problems.append(f"{account.duplicates} came twice, and nothing had crashed")
    if account.exposed is not None and account.duplicates > account.exposed + IN_FLIGHT:
        account.problems.append(f"{account.duplicates} came twice, {account.exposed} were exposed")


async def _compare(run: Run, wanted: set[Pair]) -> None:
    connection = await run.fleet.look()
    try:
        rows = await connection.fetch(
            """
            SELECT a.event_id::text, i.integration_key, a.status, count(*)
            FROM delivery_attempt a JOIN integration i ON i.id = a.integration_id
            WHERE a.event_id = ANY ($1) GROUP BY 1, 2, 3
            """,
            [UUID(event) for event in run.told],
        )
    finally:
        await connection.close()
    counts = {(_pair(row[0], row[1]), row[2]): row[3] for row in rows}
    run.account.duplicates = sum(
        max(0, times - 1 - counts.get((pair, "failed"), 0))
        for pair, times in run.ledger.accepted.items()
    )
    ended = Counter(
        {
            pair_and_status: n
            for pair_and_status, n in counts.items()
            if pair_and_status[1] != "failed"
        }
    )
    if ended != Counter((pair, "delivered") for pair in wanted):
        by_status = Counter(status for _, status in ended.elements())
        run.account.problems.append(f"PostgreSQL remembers {dict(by_status)}")
