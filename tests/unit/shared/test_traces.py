"""Contexts are read and written as W3C says; a collector that is away costs nothing."""

import time

import pytest

from shared.traces import QUEUE, Context, Exporter, Kind, Span, derived_context, new_context, parse
from tests.receiver import Receiver

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def _span(name: str = "claim") -> Span:
    return Span(new_context(), "", name, Kind.INTERNAL, 1, 2, {"guardian.attempt": 1})


@pytest.mark.parametrize("flags", ["00", "01", "ff"])
def test_a_context_is_read_as_it_was_written(flags: str) -> None:
    read = parse(f"00-{TRACE}-{SPAN}-{flags}")

    assert read == Context(TRACE, SPAN, flags != "00")
    assert read is not None
    assert parse(read.text) == read


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        "'; DROP TABLE event; --",
    ],
)
def test_what_is_no_context_is_left_alone(text: str | None) -> None:
    assert parse(text) is None


def test_a_derived_context_is_the_same_again_and_another_for_another_attempt() -> None:
    parent = new_context()

    assert derived_context(parent, "id", 1) == derived_context(parent, "id", 1)
    assert derived_context(parent, "id", 1).span_id != derived_context(parent, "id", 2).span_id
    assert derived_context(parent, "id", 1).trace_id == parent.trace_id


def test_a_collector_that_is_away_loses_spans_and_holds_nobody_up() -> None:
    exporter = Exporter("http://127.0.0.1:9/v1/traces", service="test", release="1")
    began = time.monotonic()
    for _ in range(QUEUE * 2):
        exporter.add(_span())
    assert time.monotonic() - began < 2

    exporter.close()


async def test_what_waits_is_sent_soon() -> None:
    async with Receiver() as collector:
        exporter = Exporter(collector.url, service="test", release="1")
        exporter.add(_span("last words"))

        await collector.wait_for(1)

        exporter.close()
    assert b"last words" in collector.received[0].body
