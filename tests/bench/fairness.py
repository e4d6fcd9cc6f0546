"""What the healthy notice of others: some that hang, and one with a long backlog.

The same steady traffic each time; a fresh worker each time, so that nothing is known of the bad
ones yet, which is when they hurt most.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.bench.figures import Figure, percentile
from tests.bench.seeding import Seeder
from tests.bench.size import Size
from tests.bench.stand import Bench, Stand
from tests.bench.steady import settled, stamps, steady

LANES = 50
HANGING = 5
RATE = 200
WARM_UP_S = 1.0


@dataclass
class Case:
    """One of the neighbourhoods, and how long the healthy waited in it.

    Attributes:
        path: how the receiver of the bad ones treats a request; empty where all are well.
        backlog: deliveries that wait for the first of the bad ones.
        is_served: whether the steady traffic goes to the bad ones too.
        good: ports of a receiver that answers at once and keeps the instants.
        bad: ports of another one.
    """

    name: str
    path: str = ""
    count: int = 0
    backlog: int = 0
    is_served: bool = False
    good: Sequence[int] = ()
    bad: Sequence[int] = ()
    medians: list[float] = field(default_factory=list[float])
    tails: list[float] = field(default_factory=list[float])


async def measure(stand: Stand, *, rounds: int, size: Size) -> list[Figure]:
    """Interleave the neighbourhoods, round by round."""
    seconds = size.pick(tiny=0.3, usual=6.0, full=20.0)
    backlog = size.pick(tiny=300, usual=100_000, full=200_000)
    alone = Case("all well")
    cases = [
        Case("a tenth hang", path="hang", count=HANGING, is_served=True),
        Case(f"a backlog of {backlog:,}, 50 ms each", path="wait/50", count=1, backlog=backlog),
        Case(f"a backlog of {backlog:,}, answered at once", path="ok", count=1, backlog=backlog),
    ]
    cases = size.pick(tiny=cases[-1:], usual=cases, full=cases)
    async with stand.database("fairness") as bench:
        with stand.receiver(plain=LANES) as good, stand.receiver(plain=HANGING) as bad:
            for case in (alone, *cases):
                case.good, case.bad = good.plain, bad.plain
            for _ in range(rounds):
                for case in (alone, *cases):
                    await _try(stand, bench, case, seconds)
    figures = [
        Figure(name=f"healthy, {alone.name}: p50", unit="ms", values=alone.medians),
        Figure(name=f"healthy, {alone.name}: p99", unit="ms", values=alone.tails),
    ]
    for case in cases:
        figures += [
            Figure(name=f"healthy, {case.name}: p50", unit="ms", values=case.medians),
            Figure(name=f"healthy, {case.name}: p99", unit="ms", values=case.tails),
            Figure(
                name=f"p50, {case.name} / {alone.name}",
                unit="x",
                values=_ratios(case.medians, alone.medians),
                goal="<= 1.1",
            ),
            Figure(
                name=f"p99, {case.name} / {alone.name}",
                unit="x",
                values=_ratios(case.tails, alone.tails),
                goal="<= 2" if case.backlog else "<= 3",
            ),
        ]
    return figures


async def _try(stand: Stand, bench: Bench, case: Case, seconds: float) -> None:
    seeder = Seeder(bench.owner, stand.ring)
    await seeder.tenant()
    healthy = await seeder.integrations(
        [f"http://127.0.0.1:{port}/stamp" for port in case.good[: LANES - case.count]]
    )
    others = await seeder.integrations(
        [f"http://127.0.0.1:{port}/{case.path}" for port in case.bad[: case.count]]
    )
    served = [*healthy, *others] if case.is_served else healthy
    async with stand.worker(bench):
        if case.backlog:
            await seeder.deliveries(others, case.backlog)
        await steady(stand, seeder, served, rate=RATE, seconds=min(WARM_UP_S, seconds))
        stamps(case.good[0])
        commits = await steady(stand, seeder, served, rate=RATE, seconds=seconds)
        await settled(seeder, except_for=others)
        waits = _waits(commits, stamps(case.good[0]))
    case.medians.append(percentile(waits, 0.5))
    case.tails.append(percentile(waits, 0.99))
    await bench.owner.execute("TRUNCATE delivery_due")


def _waits(commits: dict[UUID, float], arrived: dict[UUID, float]) -> list[float]:
    return [(arrived[one] - at) * 1e3 for one, at in commits.items() if one in arrived]


def _ratios(mine: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(mine, theirs, strict=True)]
