"""G1, G2, G3, G7, G10 and G21: from nothing to the first numbers, and back to the prompt."""

import sys
from collections.abc import Callable

from tests.bench_tui.goals import Reading
from tests.bench_tui.office import LARGE, SMALL, Office, Plan
from tests.bench_tui.watch import Watched

FRAME = "Metadata only"
DATA = "72.0"
ROUNDS = 12
FEW = 5


def measure(office: Office, _plan: Plan) -> list[Reading]:
    """Start it again and again, as a person does."""
    frames: list[float] = []
    data: list[float] = []
    quits: list[float] = []
    memory: list[float] = []
    first_paint: dict[tuple[int, int], list[float]] = {SMALL: [], LARGE: []}
    office.console().close()  # the files are in the cache from now on
    for size, rounds in ((SMALL, ROUNDS), (LARGE, FEW)):
        for _ in range(rounds):
            with office.console(size=size) as console:
                frames.append(1000 * (console.shows(FRAME) - console.began_at))
                data.append(1000 * (console.shows(DATA) - console.began_at))
                console.settle()
                first_paint[size].append(console.size)
                memory.append(console.memory_mb())
                quits.append(_quit(console))
    return [
        Reading(
            goal="G1",
            what="guardian tui to first frame",
            unit="ms",
            values=frames,
            middle=350,
            worst=600,
        ),
        Reading(
            goal="G2", what="guardian tui to first numbers", unit="ms", values=data, middle=500
        ),
        Reading(
            goal="G3",
            what="forked from a warm process to first frame",
            unit="ms",
            values=_warm(office),
            middle=100,
        ),
        Reading(
            goal="G7",
            what="first paint with its numbers, 80x24",
            unit="B",
            values=first_paint[SMALL],
            middle=6000,
        ),
        Reading(
            goal="G7",
            what="first paint with its numbers, 120x40",
            unit="B",
            values=first_paint[LARGE],
            middle=12000,
        ),
        Reading(
            goal="G10", what="resident memory at the start", unit="MB", values=memory, middle=45
        ),
        Reading(goal="G21", what="q to prompt", unit="ms", values=quits, middle=150),
        Reading(
            goal="G21",
            what="q to prompt with a call in flight",
            unit="ms",
            values=_quit_in_flight(office),
            middle=150,
        ),
    ]


def _quit(console: Watched) -> float:
    at = console.press("q")
    return 1000 * (console.ended() - at)


def _quit_in_flight(office: Office) -> list[float]:
    quits: list[float] = []
    for _ in range(FEW):
        with office.console() as console:
            console.shows(DATA)
            console.settle()
            with office.api_asleep():
                console.press("\x12")  # ctrl+r asks
                console.settle(quiet_s=0.1)
                quits.append(_quit(console))
    return quits


def _warm(office: Office) -> list[float]:
    """This process imports the console, and each round is a fork of it."""
    from tui.__main__ import leave, main  # noqa: PLC0415 - only this measure wants it here
    from tui.app import Console  # noqa: PLC0415 - imported before the fork, which is the point

    assert Console.CSS_PATH
    frames: list[float] = []
    for _ in range(FEW):
        with Watched(_in_child(main, leave), office.env(), width=80, height=24) as console:
            frames.append(1000 * (console.shows(FRAME) - console.began_at))
    return frames


def _in_child(main: Callable[[], int], leave: Callable[[int], None]) -> Callable[[], None]:
    def run() -> None:
        sys.argv = ["guardian tui"]
        leave(main())

    return run
