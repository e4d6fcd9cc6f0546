"""Producers that never give up on an observation, and the account of what became of them."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from uuid import uuid4

import httpx

from tests.receiver import Receiver

PATH = "/api/guardian/meta/observations/lifecycle-runs"
LANES = 8
PATIENCE_S = 3.0
PAUSE_S = 0.1
SETTLE_S = 120.0


@dataclass
class Ledger:
    """What was promised with a 202, and what the receiver got.

    Attributes:
        endpoints: how many integrations each event goes to.
        accepted: ids of events, one for each observation.
        refusals: answers other than 202 and connections that failed; each was tried again.
    """

    endpoints: int
    accepted: set[str] = field(default_factory=set[str])
    refusals: int = 0

    def missing(self, receiver: Receiver) -> int:
        """Deliveries that were promised and did not arrive yet."""
        arrived = {(one.webhook_id, one.path) for one in receiver.received}
        wanted = self.accepted
        return len(wanted) * self.endpoints - sum(event in wanted for event, _ in arrived)

    async def settle(self, receiver: Receiver, *, within_s: float = SETTLE_S) -> None:
        """Wait until everything has arrived.

        Raises:
            AssertionError: it has not, in time.
        """
        deadline = monotonic() + within_s
        while self.missing(receiver):
            if monotonic() > deadline:
                raise AssertionError(f"{self.missing(receiver)} deliveries did not arrive")
            await asyncio.sleep(0.1)

    def told(self, name: str, receiver: Receiver) -> str:
        """The account in one line."""
        times = Counter((one.webhook_id, one.path) for one in receiver.received)
        unknown = len({event for event, _ in times} - self.accepted)
        return (
            f"{name}: {len(self.accepted)} events accepted for {self.endpoints} endpoints, "
            f"{len(times)} deliveries received, {sum(times.values()) - len(times)} of them twice, "
            f"{self.refusals} refusals tried again, {unknown} unknown; "
            f"ledger minus received = {self.missing(receiver)}"
        )


class Producer:
    """Posts observations in several lanes; each is repeated until it is accepted.

    A repetition carries the same `Idempotency-Key`, so that an answer lost on its way is asked for
    again and nothing is stored twice.
    """

    def __init__(self, urls: Sequence[str], key: str, ledger: Ledger, *, per_second: float) -> None:
        """Know the APIs' addresses, which are used in turn."""
        self.urls = list(urls)
        self._key = key
        self._ledger = ledger
        self._pause_s = LANES / per_second
        self._is_over = False
        self._turn = itertools.count()

    def stop(self) -> None:
        """Begin nothing new."""
        self._is_over = True

    async def run(self) -> None:
        """Produce until `stop`, and until what was begun is accepted."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(LANES):
                lanes.create_task(self._produce())

    async def _produce(self) -> None:
        headers = {"authorization": f"Bearer {self._key}"}
        async with httpx.AsyncClient(headers=headers, timeout=PATIENCE_S) as client:
            while not self._is_over:
                began = monotonic()
                self._ledger.accepted.update(await self._accepted(client, str(uuid4())))
                await asyncio.sleep(max(0.0, self._pause_s - (monotonic() - began)))

    async def _accepted(self, client: httpx.AsyncClient, once: str) -> Iterable[str]:
        body = {
            "run_at": "2026-11-01T06:00:00Z",
            "total_compacted": 1,
            "total_deleted": 0,
            "operations_successful": 1,
            "operations_failed": 0,
        }
        while True:
            url = self.urls[next(self._turn) % len(self.urls)]
            try:
                answer = await client.post(
                    f"{url}{PATH}", json=body, headers={"idempotency-key": once}
                )
            except httpx.TransportError:
                pass
            else:
                if answer.status_code == HTTPStatus.ACCEPTED:
                    return answer.json()["event_ids"]
                if answer.is_client_error and answer.status_code not in _TRY_AGAIN:
                    raise AssertionError(f"refused for good: {answer.text}")
            self._ledger.refusals += 1
            await asyncio.sleep(PAUSE_S)


_TRY_AGAIN = {HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
"""409 while the first try of the same key is still under way."""


@asynccontextmanager
async def under_load(producer: Producer) -> AsyncGenerator[None]:
    """Produce while the block lasts."""
    running = asyncio.create_task(producer.run())
    try:
        yield
        assert not running.done(), "the producer ended early"
        producer.stop()
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
