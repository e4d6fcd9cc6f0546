"""What a measure brings home: values of several rounds, and what they should be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        values: one per round.
        goal: what the median should be, as text such as `>= 100`; empty when it is only told.
    """

    name: str
    unit: str
    values: Sequence[float]
    goal: str = ""

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return median(self.values)

    @property
    def holds(self) -> bool | None:
        """Whether the median meets the goal; None without one."""
        if not self.goal:
            return None
        sign, _, bound = self.goal.partition(" ")
        return _COMPARED[sign](self.median, float(bound))


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def table(figures: Sequence[Figure]) -> str:
    """The figures as lines of text."""
    width = max(len(one.name) for one in figures)
    lines = [f"{'measure':<{width}}  {'median':>10} {'min':>10} {'max':>10}  unit        goal"]
    for one in figures:
        verdict = {None: "", True: "holds", False: "MISSED"}[one.holds]
        numbers = " ".join(
            f"{_short(n):>10}" for n in (one.median, min(one.values), max(one.values))
        )
        line = f"{one.name:<{width}}  {numbers}  {one.unit:<10}  {one.goal:<8} {verdict}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _at_least(value: float, bound: float) -> bool:
    return value >= bound


def _at_most(value: float, bound: float) -> bool:
    return value <= bound


_COMPARED: dict[str, Callable[[float, float], bool]] = {">=": _at_least, "<=": _at_most}


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.2f}"
