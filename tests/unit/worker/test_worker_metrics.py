"""A worker tells a scraper what came of its attempts, and nothing of any tenant."""

import asyncio

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.errors import StartError
from tests.receiver import Receiver
from tests.unit.worker.conftest import Builder, engine, eventually
from worker.metrics import Metrics, serve


async def _figures(port: int) -> dict[str, float]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    return {
        " ".join([one.name, *one.labels.values()]): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
        if not one.name.endswith("_bucket")
    }


async def test_outcomes_and_times_are_told(builder: Builder) -> None:
    async with (
        Receiver(500) as receiver,
        engine(builder) as running,
        serve(Metrics(running.pump), "127.0.0.1", 0) as port,
    ):
        made = await builder.integration(receiver.url)
        await builder.deliveries(made, count=3)
        await receiver.wait_for(3)

        async def is_told() -> bool:
            figures = await _figures(port)
            return sum(v for n, v in figures.items() if "outcomes_total" in n) == 3

        await eventually(is_told)
        figures = await _figures(port)

    assert figures["guardian_worker_outcomes_total delivered"] == 2
    assert figures["guardian_worker_outcomes_total failed"] == 1
    assert figures["guardian_worker_attempt_seconds_count delivered"] == 2
    assert figures["guardian_worker_arrival_seconds_count"] == 2
    assert figures["guardian_worker_shards"] == 64
    assert figures["guardian_worker_paused"] == 0
    assert figures["guardian_worker_breakers closed"] == 1


async def test_nothing_else_is_answered_and_a_silent_caller_is_not_waited_for(
    builder: Builder,
) -> None:
    async with engine(builder) as running, serve(Metrics(running.pump), "127.0.0.1", 0) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/")).status_code == 404
            assert (await client.post("/metrics")).status_code == 404
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 20_000)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_a_port_that_is_taken_is_told_in_one_sentence(builder: Builder) -> None:
    async with engine(builder) as running, serve(Metrics(running.pump), "127.0.0.1", 0) as port:
        with pytest.raises(StartError, match=f"127.0.0.1:{port}"):
            async with serve(Metrics(running.pump), "127.0.0.1", port):
                pass
