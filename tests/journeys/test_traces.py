"""One trace leads from an observation's POST to its receiver's answer, in the logs as well."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.words import Role
from shared.traces import new_context, parse
from tests.journeys.conftest import System, eventually
from tests.receiver import Receiver

OBSERVATION = {
    "run_at": "2026-11-01T06:00:00Z",
    "total_compacted": 1,
    "total_deleted": 0,
    "operations_successful": 1,
    "operations_failed": 0,
}


def _spans(collector: Receiver) -> list[dict[str, Any]]:
    """What the collector was told, each span with the name of its service."""
    return [
        {**span, "service": told["resource"]["attributes"][0]["value"]["stringValue"]}
        for request in collector.received
        for told in json.loads(request.body)["resourceSpans"]
        for scope in told["scopeSpans"]
        for span in scope["spans"]
    ]


def _values(span: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


async def _start_tracing(system: System, collector: Receiver, **settings: str) -> None:
    system.stop(system.running[0])
    system.env |= {"GUARDIAN_TRACES_URL": collector.url, "GUARDIAN_LOG_LEVEL": "debug", **settings}
    system.start("api")
    await eventually(system.serves, "the API traces")
    system.start("worker")


async def _observe(system: System, **headers: str) -> list[str]:
    async with system.speak(Role.INGEST) as client:
        answer = await client.post(
            "/observations/lifecycle-runs", json=OBSERVATION, headers=headers
        )
        assert answer.status_code == 202, answer.text
        return answer.json()["event_ids"]


async def test_one_trace_shows_an_observation_from_its_post_to_the_receivers_answer(
    system: System, tmp_path: Path
) -> None:
    async with Receiver() as collector, Receiver() as receiver:
        await _start_tracing(system, collector)
        await system.connect(receiver.url)
        producer = new_context()

        [event_id] = await _observe(system, traceparent=producer.text)

        [arrived] = await receiver.wait_for(1)
        assert "traceparent" not in arrived.headers

        def trace() -> dict[str, dict[str, Any]]:
            return {
                f"{one['service']} {one['name']}": one
                for one in _spans(collector)
                if one["traceId"] == producer.trace_id
            }

        await collector.wait_until(lambda: len(trace()) == 4)
        spans = trace()
    ingest = spans["guardian-api POST /api/guardian/meta/observations/lifecycle-runs"]
    claim, deliver = spans["guardian-worker claim"], spans["guardian-worker deliver"]
    send = spans["guardian-worker POST"]
    assert ingest["parentSpanId"] == producer.span_id
    assert deliver["parentSpanId"] == ingest["spanId"]
    assert [one["spanId"] for one in deliver["links"]] == [ingest["spanId"]]
    assert claim["parentSpanId"] == send["parentSpanId"] == deliver["spanId"]
    order = [ingest, claim, send, deliver]
    assert [int(one["startTimeUnixNano"]) <= int(one["endTimeUnixNano"]) for one in order] == [
        True
    ] * 4
    assert _values(ingest)["http.response.status_code"] == "202"
    assert _values(send)["http.response.status_code"] == "200"
    assert _values(deliver)["guardian.event_id"] == event_id
    assert not any(span["status"] for span in spans.values())

    lines = [
        json.loads(line)
        for line in (tmp_path / "processes.log").read_text().splitlines()
        if producer.trace_id in line
    ]
    [request] = [one for one in lines if one["event"] == "request"]
    [attempt] = [one for one in lines if one["event"] == "attempt"]
    assert request["event_ids"] == [attempt["event_id"]] == [event_id]
    assert request["request_id"] == _values(ingest)["guardian.request_id"]
    assert attempt["delivery_id"] == _values(send)["guardian.delivery_id"]
    assert (attempt["outcome"], attempt["status"], attempt["attempt"]) == ("delivered", 200, 1)


async def test_a_receiver_joins_the_trace_only_where_the_operator_wants_it(
    system: System,
) -> None:
    async with Receiver() as collector, Receiver(500) as receiver:
        await _start_tracing(system, collector, GUARDIAN_TRACES_TO_RECEIVERS="true")
        await system.connect(receiver.url)

        await _observe(system)

        [arrived] = await receiver.wait_for(1)
        told = parse(arrived.headers["traceparent"])
        assert told is not None

        def sent() -> list[dict[str, Any]]:
            return [one for one in _spans(collector) if one["spanId"] == told.span_id]

        await collector.wait_until(lambda: len(sent()) == 1)
        [span] = sent()
        assert (span["name"], span["traceId"]) == ("POST", told.trace_id)
        assert span["status"] == {"code": 2}


@pytest.mark.parametrize("ratio", ["0", "1"])
async def test_the_ratio_decides_for_those_who_do_not_decide_themselves(
    system: System, ratio: str
) -> None:
    async with Receiver() as collector, Receiver() as receiver:
        await _start_tracing(system, collector, GUARDIAN_TRACES_RATIO=ratio)
        await system.connect(receiver.url)
        own = new_context()

        await _observe(system)
        await _observe(system, traceparent=own.text)
        await _observe(system, traceparent=new_context(is_sampled=False).text)

        await receiver.wait_for(3)

        def delivered() -> set[str]:
            return {one["traceId"] for one in _spans(collector) if one["name"] == "deliver"}

        await collector.wait_until(lambda: len(delivered()) == 1 + int(ratio))
        assert own.trace_id in delivered()
