"""A tenant's admin runs Guardian from a terminal of 80x24, by keys alone."""

import os
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.client import GuardianClient
from shared.contracts.observations import (
    AdoptionObservation,
    AdoptionScore,
    CapabilityScore,
    ReadinessObservation,
)
from shared.contracts.words import Dimension, Role
from tests.journeys.conftest import ROOT, System
from tests.receiver import Receiver
from tests.terminal import Process


@pytest.fixture
def console(system: System, tmp_path: Path) -> Generator[Process, None, None]:
    process = Process(
        [sys.executable, "-m", "tui"],
        {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "GUARDIAN_API_URL": system.api_url,
            "GUARDIAN_API_KEY": system.keys[Role.ADMIN],
        },
    )
    yield process
    process.close()


async def observe(system: System) -> None:
    now = datetime.now(UTC)
    async with GuardianClient(system.api_url, system.keys[Role.INGEST]) as producer:
        await producer.observe_readiness(
            ReadinessObservation(
                computed_at=now, capabilities=[CapabilityScore(key="guardian.core.rules", score=72)]
            )
        )
        await producer.observe_adoption(
            AdoptionObservation(
                computed_at=now,
                scores=[
                    AdoptionScore(dimension=Dimension.CORE, sub_dimension="rules_usage", score=65.5)
                ],
            )
        )


async def test_an_admin_reads_the_scores_tests_and_switches_an_integration_and_leaves(
    system: System, console: Process
) -> None:
    system.start("worker")
    async with Receiver(otherwise=204) as receiver:
        await system.connect(receiver.url)
        await observe(system)

        await console.shows("72.0")
        await console.shows("65.5")
        await console.shows("● live")
        await console.shows("Metadata only. No core or personal data is shown or sent.")
        await console.shows("○ missing")
        await console.shows("bi_dashboard")

        console.press("2")
        await console.shows(">● on")
        console.press("t")
        await console.shows("Test of bi_dashboard: ✓ delivered 204 in")
        assert b'"test"' in receiver.received[-1].body

        console.press(" ")
        await console.shows("✓ bi_dashboard is off.")
        await console.shows(">○ off")
        console.press("t")
        await console.shows("✗ Not tested:")

        console.press("3")
        await console.shows("readiness_updated")
        console.press("\r")
        await console.shows("Attempts  1")
        await console.shows("✓ 204")

        console.press("r")
        await console.shows("edeliver")
        console.press("qq")
        assert await console.ended() == 0

    async with GuardianClient(system.api_url, system.keys[Role.ADMIN]) as client:
        [integration] = (await client.integrations()).items
        acts = [one.action for one in (await client.audit()).items]
    assert not integration.is_enabled
    assert "integration.update" in acts


async def test_an_api_that_goes_and_comes_back_is_told_and_found_again(
    system: System, console: Process
) -> None:
    await observe(system)
    await console.shows("72.0")
    [api] = system.running

    system.kill(api)
    await console.shows("✗ offline, retry in")
    assert "72.0" in console.screen.text, "the last numbers stay"

    system.start("api")
    await console.shows("● live", timeout_s=60)
    console.press("q")
    assert await console.ended() == 0


async def test_an_admin_mends_an_address_and_sees_the_lost_delivery_arrive(
    system: System, console: Process
) -> None:
    """Twelve keys besides what is typed."""
    system.start("worker")
    async with Receiver(otherwise=410) as gone, Receiver(otherwise=204) as receiver:
        await system.connect(gone.url)
        await observe(system)
        await console.shows("72.0")

        console.press("3")
        await console.shows("⊘ discarded adoption_scores_computed")
        console.press("/")
        await console.shows("state:failed int:crm")
        console.press("disc\r")
        await console.shows("esc clears")
        console.press("\r")
        await console.shows("✗ 410")
        console.press("e")
        await console.shows("Edit bi_dashboard")
        console.press(receiver.url)
        console.press("\x13")  # ctrl+s
        await console.shows("✓ bi_dashboard is saved.")

        console.press("2")
        await console.shows(">■ tripped")
        console.press(" ")
        await console.shows("✓ bi_dashboard is on.")
        console.press("3")
        await console.shows("⊘ discarded")
        console.press("\r")
        await console.shows("✗ 410")
        console.press("r")
        await console.shows("✓ delivered 204 in")
        assert receiver.received

        console.press("qq")
        assert await console.ended() == 0
