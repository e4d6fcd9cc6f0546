"""G8, G9, G10, G16 and G17: what it costs while nobody types, and when line or window move."""

import time

from tests.bench_tui.goals import Reading
from tests.bench_tui.office import LARGE, Office, Plan
from tests.bench_tui.starting import DATA
from tests.bench_tui.watch import Watched

IDLE_S = 20.0
LIVE_S = 30.0
STALL_S = 8.0
RESIZES = 40
WIRE_BYTES = 70
"""What SSH adds to one write, as measured once with a real client and a counting proxy."""


def measure(office: Office, plan: Plan) -> list[Reading]:
    """Leave it alone, then trouble it."""
    with office.console(size=LARGE) as console:
        console.shows(DATA)
        console.settle(quiet_s=1)
        readings = [*_idle(console), *_live(office, console), *_stalled(office, console)]
        readings += _resized(console)
    return [*readings, *_soaked(office, plan.soak_s)]


def _idle(console: Watched) -> list[Reading]:
    cpu, size, at = console.cpu_s(), console.size, time.perf_counter()
    time.sleep(IDLE_S)
    spent = time.perf_counter() - at
    cpu_share = 100 * (console.cpu_s() - cpu) / spent
    rate = (console.size - size) / spent
    return [
        Reading(
            goal="G9",
            what="idle CPU, asking every 5 s",
            unit="%",
            values=[cpu_share],
            middle=0.5,
            remark="with its clock and ages",
        ),
        Reading(goal="G9", what="idle bytes", unit="B/s", values=[rate], middle=60),
    ]


def _live(office: Office, console: Watched) -> list[Reading]:
    """A score that changes every second."""
    before, writes = console.size, console.writes
    ends = time.perf_counter() + LIVE_S
    score = 10
    while time.perf_counter() < ends:
        score = score + 1 if score < 90 else 10
        office.observe_now(score)
        time.sleep(1)
    wire = console.size - before + WIRE_BYTES * (console.writes - writes)
    hour = wire / LIVE_S * 3600 / 1e6
    office.observe_now(72)
    return [
        Reading(
            goal="G8",
            what="bytes of an hour, SSH's included",
            unit="MB",
            values=[hour],
            middle=0.6,
            remark=f"from {LIVE_S:g} s; {WIRE_BYTES} B of SSH a write",
        ),
    ]


def _stalled(office: Office, console: Watched) -> list[Reading]:
    console.press("\x12")
    console.shows(DATA)
    memory = console.memory_mb()
    console.is_reading = False
    for score in range(20, 20 + int(STALL_S)):
        office.observe_now(score)
        time.sleep(1)
    office.observe_now(55)
    time.sleep(6)
    grown = console.memory_mb() - memory
    at = time.perf_counter()
    console.is_reading = True
    right = 1000 * (console.shows("55.0") - at)
    office.observe_now(72)
    return [
        Reading(
            goal="G16",
            what="memory grown while the line stalled",
            unit="MB",
            values=[grown],
            middle=1,
            remark=f"{STALL_S + 6:g} s, a change each second",
        ),
        Reading(
            goal="G16",
            what="right screen after it returned",
            unit="ms",
            values=[right],
            middle=1000,
        ),
    ]


def _resized(console: Watched) -> list[Reading]:
    console.settle(quiet_s=0.5)
    before = console.size
    for step in range(RESIZES):
        console.resize(100 + step % 20, 30 + step % 10)
        time.sleep(0.02)
    console.resize(*LARGE)
    console.settle(quiet_s=0.5)
    size = console.size - before
    console.shows("Metadata only")
    return [
        Reading(
            goal="G17", what="bytes of 40 resizes in 0.8 s", unit="B", values=[size], middle=60_000
        )
    ]


def _soaked(office: Office, soak_s: float) -> list[Reading]:
    """Twenty events a second while it shows the newest deliveries."""
    with office.console(size=LARGE) as console, office.storm(per_s=20):
        console.shows("Metadata only")
        console.press("3")
        console.press("F")
        time.sleep(10)
        memory, descriptors, cpu = console.memory_mb(), console.descriptors(), console.cpu_s()
        time.sleep(soak_s)
        grown = console.memory_mb() - memory
        office.observe_now(72)
        share = 100 * (console.cpu_s() - cpu) / soak_s
        return [
            Reading(
                goal="G10",
                what="memory after the soak",
                unit="MB",
                values=[console.memory_mb()],
                middle=60,
                remark=f"{soak_s:g} s, 20 events/s",
            ),
            Reading(
                goal="G10",
                what="slope of it",
                unit="MB/min",
                values=[60 * grown / soak_s],
                middle=0.5,
            ),
            Reading(
                goal="G10",
                what="open files grown",
                unit="",
                values=[console.descriptors() - descriptors],
                middle=0,
            ),
            Reading(goal="G9", what="CPU at 20 events/s, following", unit="%", values=[share]),
        ]
