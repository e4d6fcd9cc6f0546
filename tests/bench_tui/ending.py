"""G14, G15 and G18: how it ends, and what it is without colours."""

import os
import re
import signal
import time

from tests.bench_tui.goals import Reading
from tests.bench_tui.office import Office, Plan
from tests.bench_tui.starting import DATA
from tests.bench_tui.watch import Watched

MODES_THAT_HARM = {"1049", "1000", "1002", "1003", "1006", "2004", "2048", "1004"}
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
CRASHING = """
import sys
from tui.app import Console
from tui.__main__ import main, leave

def fail(self):
    secret = "gms_live_topsecret"
    raise ValueError(secret)

Console.action_refetch = fail
leave(main())
"""
DEAF = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "tui"])
"""
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")


def measure(office: Office, plan: Plan) -> list[Reading]:
    """End it in every way there is."""
    rounds = plan.rounds
    spoilt = 0
    ends: list[float] = []
    for number in SIGNALS * rounds:
        with office.console() as console:
            console.shows(DATA)
            at = console.signal(number)
            ends.append(1000 * (console.ended() - at))
            spoilt += not _is_restored(console) or console.exit_code != 128 + number
    for _ in range(rounds):
        with office.console(command=CRASHING) as console:
            console.shows(DATA)
            at = console.press("\x12")
            ends.append(1000 * (console.ended() - at))
            has_leaked = b"topsecret" in console.sent or b"Traceback" in console.sent
            spoilt += not _is_restored(console) or console.exit_code != 70 or has_leaked
    for _ in range(rounds):
        with office.console(command="raise SystemExit(127)") as console:
            console.ended()
            spoilt += not _is_restored(console)
    return [
        Reading(
            goal="G14",
            what="ends that left the terminal or the code wrong",
            unit="",
            values=[spoilt],
            middle=0,
            remark=f"of {6 * rounds}: 4 signals, crash, no program",
        ),
        Reading(goal="G14", what="signal or crash to the end", unit="ms", values=ends, worst=1000),
        *_vanished(office, rounds),
        *_colourless(office),
    ]


def _vanished(office: Office, rounds: int) -> list[Reading]:
    gone: list[float] = []
    for command in ("", DEAF) * rounds:
        with office.console(command=command) as console:
            console.shows(DATA)
            at = console.hang_up()
            gone.append(console.ended(timeout_s=30) - at)
    return [
        Reading(
            goal="G15",
            what="terminal gone to process gone",
            unit="s",
            values=gone,
            worst=3,
            remark="half of them with SIGHUP ignored",
        )
    ]


def _colourless(office: Office) -> list[Reading]:
    with office.console(NO_COLOR="1") as console:
        console.shows(DATA)
        for key in "23412":
            console.press(key)
            console.settle(quiet_s=0.3)
        codes = len(COLOUR.findall(console.sent))
    return [
        Reading(
            goal="G18",
            what="colour codes under NO_COLOR",
            unit="",
            values=[codes],
            middle=0,
            remark="states by glyph and word: tests/unit/tui/test_colours.py",
        )
    ]


def _is_restored(console: Watched) -> bool:
    time.sleep(0.02)
    return not console.screen.modes & MODES_THAT_HARM


def orphans(office: Office) -> int:
    """Consoles of this office that run on."""
    mark = f"HOME={office.home}".encode()
    found = 0
    for process in os.scandir("/proc"):
        if process.name.isdecimal():
            try:
                with open(f"/proc/{process.name}/environ", "rb") as file:  # noqa: PTH123 - it may be gone
                    found += mark in file.read()
            except OSError:
                continue
    return found
