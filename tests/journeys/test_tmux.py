"""The journey an admin makes most, in tmux at 80x24: why was it lost, mend it, see it arrive."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.client import GuardianClient
from shared.contracts.observations import CapabilityScore, ReadinessObservation
from shared.contracts.words import DeliveryStatus, Role
from tests.journeys.conftest import ROOT, System
from tests.receiver import Receiver
from tests.tmux import OurOwn, in_terminal

MOST_KEYS = 30
SAVE = "\x13"
"""ctrl+s"""


async def observe(system: System) -> None:
    async with GuardianClient(system.api_url, system.keys[Role.INGEST]) as producer:
        await producer.observe_readiness(
            ReadinessObservation(
                computed_at=datetime.now(UTC),
                capabilities=[CapabilityScore(key="guardian.core.rules", score=72)],
            )
        )


@pytest.mark.parametrize(
    "look",
    [
        {"TERM": "tmux-256color"},
        {"TERM": "xterm", "NO_COLOR": "1"},
        {"TERM": "screen-256color"},
    ],
    ids=lambda look: " ".join(look.values()),
)
async def test_a_lost_delivery_is_found_mended_and_delivered_in_under_thirty_keys(
    system: System, tmp_path: Path, look: dict[str, str]
) -> None:
    system.start("worker")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    screen = in_terminal([sys.executable, "-m", "tui"], {**env, "HOME": str(tmp_path), **look})
    try:
        async with Receiver(otherwise=410) as gone, Receiver(otherwise=204) as receiver:
            await system.connect(gone.url)
            await observe(system)

            await screen.shows("Sign in")
            screen.type(system.api_url)
            screen.press("\r")
            screen.type(system.keys[Role.ADMIN])
            screen.press("\r")
            await screen.shows("72.0")
            await screen.shows("y/N")
            screen.press("n")
            assert await screen.has_colours() is ("NO_COLOR" not in look)

            screen.press("3/")
            await screen.shows("state:")
            screen.type("discarded")
            screen.press("\r")
            await screen.shows("⊘ discarded")
            screen.press("\r")
            await screen.shows("✗ 410")
            screen.press("e")
            await screen.shows("Edit bi_dashboard")
            screen.type(receiver.url)
            screen.press(SAVE)
            await screen.shows("✓ bi_dashboard is saved.")

            screen.press("2")
            await screen.shows(">■ tripped")
            screen.press(" ")
            await screen.shows("✓ bi_dashboard is on.")
            screen.press("3")
            await screen.shows("⊘ discarded")
            screen.press("\r")
            await screen.shows("✗ 410")
            screen.press("r")
            await screen.shows("✓ delivered 204 in")

            assert len(receiver.received) == 1
        assert screen.keys < MOST_KEYS
    finally:
        screen.close()

    async with GuardianClient(system.api_url, system.keys[Role.ADMIN]) as client:
        stored = (await client.deliveries()).items
    assert [one.status for one in stored] == [DeliveryStatus.DELIVERED, DeliveryStatus.DISCARDED]
    assert stored[0].replay_of == stored[1].id


async def test_where_tmux_is_missing_our_own_terminal_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    screen = in_terminal([sys.executable, "-c", "print('here'); input()"], {"TERM": "xterm"})
    try:
        assert isinstance(screen, OurOwn)
        await screen.shows("here")
    finally:
        screen.close()
