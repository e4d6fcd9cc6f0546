"""The console's goals, and what a measurement says of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from tests.bench.figures import percentile

GOALS = {
    "G1": "exec to first frame, cold",
    "G2": "exec to first data",
    "G3": "forked from a warm process to first frame",
    "G4": "key to first byte, 100,000 rows in the database",
    "G5": "change of screen, key to last byte",
    "G6": "bytes at 120x40: number, row, page, screen",
    "G7": "bytes of the first paint, with its data",
    "G8": "an hour live, one change a second, 120x40",
    "G9": "idle: CPU and bytes",
    "G10": "resident memory",
    "G11": "a list of 1,000,000 rows",
    "G12": "commit to glyph",
    "G13": "150 ms round trip, 32 kB/s",
    "G14": "signals, crash, no such program: terminal restored",
    "G15": "the terminal vanishes",
    "G16": "the line stalls, then returns",
    "G17": "40 resizes in 0.8 s",
    "G18": "NO_COLOR",
    "G19": "copy",
    "G20": "keys while it loads and refreshes",
    "G21": "q to prompt",
    "G22": "time of the tests",
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One line of the table.

    Attributes:
        goal: `G1` to `G22`.
        what: which part of the goal.
        unit: of all numbers.
        values: every sample.
        middle: what the median must not exceed; None: it is only told.
        worst: what the 99th percentile must not exceed; None: it is only told.
        remark: what a reader must know of how it was measured.
    """

    goal: str
    what: str
    unit: str
    values: Sequence[float]
    middle: float | None = None
    worst: float | None = None
    remark: str = ""

    @property
    def p50(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def p99(self) -> float:
        """The 99th percentile, which is the worst of fewer than a hundred samples."""
        return percentile(self.values, 0.99)

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met; None: nothing was promised."""
        bounds = [(self.p50, self.middle), (self.p99, self.worst)]
        verdicts = [value <= bound for value, bound in bounds if bound is not None]
        return all(verdicts) if verdicts else None


def lines(readings: Sequence[Reading]) -> list[str]:
    """The table's lines."""
    shown: list[str] = []
    for one in readings:
        bounds = " / ".join(_short(bound) for bound in (one.middle, one.worst) if bound is not None)
        verdict = {None: "told", True: "ok", False: "MISSED"}[one.holds]
        shown.append(
            f"{one.goal:<4} {one.what:<46} {_short(one.p50):>9} {_short(one.p99):>9} "
            f"{one.unit:<6} {bounds:>15}  {verdict}  {one.remark}".rstrip()
        )
    return shown


def head() -> str:
    """The table's head."""
    return f"{'':<4} {'measure':<46} {'p50':>9} {'p99':>9} {'unit':<6} {'goal':>15}"


def record(machine: dict[str, object], readings: Sequence[Reading]) -> bytes:
    """The same as JSON."""
    figures = [asdict(one) | {"p50": one.p50, "p99": one.p99, "ok": one.holds} for one in readings]
    return json.dumps({"machine": machine, "goals": GOALS, "readings": figures}, indent=2).encode()


def _short(number: float) -> str:
    if number >= 100 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.2f}"
