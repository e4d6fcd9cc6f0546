"""G4, G5, G6, G11 and G20: what a key costs, on every screen, with a long list, while it loads."""

import time

from tests.bench_tui.goals import Reading
from tests.bench_tui.office import LARGE, Office, Plan
from tests.bench_tui.starting import DATA
from tests.bench_tui.watch import Echo, Watched

KEYS = 40
SCREENS = {
    "integrations": ("2", "jk"),
    "deliveries": ("3", "jjjk"),
    "history": ("4", "hl"),
}
REACH = 25
PAGE_DOWN = "\x04"
"""ctrl+d"""


def measure(office: Office, _plan: Plan) -> list[Reading]:
    """Type as people do, 30 to 80 ms apart."""
    first: list[float] = []
    changes: list[float] = []
    screens: list[float] = []
    rows: list[float] = []
    pages: list[float] = []
    with office.console(size=LARGE) as console:
        console.shows(DATA)
        console.settle()
        for opens, keys in SCREENS.values():
            console.press(opens)
            console.settle(quiet_s=0.4)
            echoes = [_typed(office, console, keys[n % len(keys)]) for n in range(KEYS)]
            first += [echo.first_ms for echo in echoes if echo]
            if opens == "3":
                rows += [echo.size for echo in echoes if echo]
                paged = [console.echo(PAGE_DOWN, quiet_s=0.15) for _ in range(10)]
                first += [echo.first_ms for echo in paged if echo]
                pages += [echo.size for echo in paged if echo]
        for opens in "2341" * 5:
            echo = console.echo(opens, quiet_s=0.15)
            if echo:
                first.append(echo.first_ms)
                changes.append(echo.last_ms)
                screens.append(echo.size)
            console.settle(quiet_s=0.2)
    return [
        Reading(goal="G4", what="key to first byte", unit="ms", values=first, middle=6, worst=25),
        Reading(
            goal="G5",
            what="change of screen, key to last byte",
            unit="ms",
            values=changes,
            middle=40,
            worst=120,
        ),
        Reading(goal="G6", what="one number", unit="B", values=_number(office), middle=80),
        Reading(goal="G6", what="cursor down one row", unit="B", values=rows, middle=300),
        Reading(goal="G6", what="page down", unit="B", values=pages, middle=3000),
        Reading(goal="G6", what="another screen", unit="B", values=screens, middle=10000),
        Reading(
            goal="G20",
            what="keys typed while it loads and lost",
            unit="",
            values=[_lost(office)],
            middle=0,
            remark="walks of 100 keys, of 4, that ended elsewhere",
        ),
    ]


def _typed(office: Office, console: Watched, key: str) -> Echo | None:
    return console.echo(key, quiet_s=office.dice.uniform(0.03, 0.08), timeout_s=0.5)


def _number(office: Office) -> list[float]:
    """The readiness score changes by a point, and nobody is sent anything for it."""
    sizes: list[float] = []
    office.run(office.owner.execute("UPDATE integration SET is_enabled = false"))
    with office.console(size=LARGE) as console:
        console.shows(DATA)
        for score in (73, 74, 75, 76, 72):
            console.settle(quiet_s=0.4)
            before = console.size
            office.observe_now(score)
            console.shows(f"{score}.0", timeout_s=10)
            console.settle(quiet_s=0.2)
            sizes.append(console.size - before)
    office.run(office.owner.execute("UPDATE integration SET is_enabled = true"))
    return sizes


def _lost(office: Office) -> int:
    """Walk at random, from before the first frame on, and see whether the cursor is where it is."""
    lost = 0
    for _ in range(4):
        with office.console(size=LARGE) as console:
            console.press("3")
            place = 0
            console.shows(">")
            for _ in range(100):
                down = place == 0 or (place < REACH and office.dice.random() < 0.6)
                place += 1 if down else -1
                console.press("j" if down else "k")
                time.sleep(office.dice.uniform(0, 0.01))
            console.settle(quiet_s=0.5)
            lines = console.screen.lines
            head = next(number for number, line in enumerate(lines) if "Time UTC" in line)
            lost += 0 if lines[head + 1 + place].startswith(">") else 1
    return lost
