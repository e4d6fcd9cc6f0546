"""G11 and G12: a long list, and how soon a change is seen."""

import time

from tests.bench_tui.goals import Reading
from tests.bench_tui.office import LARGE, Office, Plan
from tests.bench_tui.starting import DATA


def measure(office: Office, plan: Plan) -> list[Reading]:
    """With the whole history in the database."""
    opened: list[float] = []
    ends: list[float] = []
    memory: list[float] = []
    for _ in range(3):
        with office.console(size=LARGE) as console:
            console.shows(DATA)
            console.settle()
            at = console.press("3")
            opened.append(1000 * (console.shows("readiness_updated") - at))
            console.settle()
            for _ in range(10):
                echo = console.echo("G", quiet_s=0.2)
                ends += [echo.first_ms] if echo else []
            memory.append(console.memory_mb())
    return [
        Reading(goal="G11", what="list opened, rows seen", unit="ms", values=opened, middle=450),
        Reading(
            goal="G11", what="end of what is loaded, first byte", unit="ms", values=ends, middle=40
        ),
        Reading(
            goal="G10",
            what="memory after scrolling the list",
            unit="MB",
            values=memory,
            middle=60,
        ),
        *_commits(office, plan.samples),
    ]


def _commits(office: Office, samples: int) -> list[Reading]:
    seen: list[float] = []
    with office.console(size=LARGE) as console:
        console.shows(DATA)
        console.settle()
        for number in range(samples):
            score = 20 + number % 70
            office.observe_now(score)
            at = time.perf_counter()
            seen.append(max(0.0, 1000 * (console.shows(f"{score}.0", timeout_s=15) - at)))
            time.sleep(office.dice.uniform(0.1, 0.6))
        office.observe_now(72)
    return [
        Reading(
            goal="G12",
            what="commit to glyph",
            unit="ms",
            values=seen,
            middle=50,
            worst=250,
            remark=f"{samples} samples",
        )
    ]
