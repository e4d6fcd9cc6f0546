"""The history agrees, a thousand times, with a plain model that looks at every row.

The rows of all tenants go in at once and each tenant is asked many questions in one session, so a
thousand examples cost a few seconds. Instants stand where calendars break: at the edges of days,
weeks, months and years, of leap days, and one microsecond before them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from uuid import UUID

from api.services.history import Question, question, tell_history
from shared.contracts.success import Period, Spread
from shared.contracts.words import AdoptionStatus, Band, Granularity, PlanStatus, Scope
from shared.data.connection import Connection
from shared.data.session import acting_for
from shared.errors import InvalidError
from tests.conftest import Clock, make_tenant

SEED = 20240229
TENANTS = 25
QUESTIONS = 40
VALUED = (Scope.READINESS, Scope.EDITIONS, Scope.ADOPTION)
LEVELS = {
    Scope.READINESS: ("baseline", "mature"),
    Scope.EDITIONS: ("emerging", "aligned"),
    Scope.ADOPTION: ("light", "power"),
}
EDGES = [
    datetime(year, month, day, tzinfo=UTC)
    for year, month, day in (
        (2019, 12, 30),  # the Monday of the first ISO week of 2020
        (2020, 2, 29),
        (2020, 3, 1),
        (2020, 12, 28),  # the Monday of a 53rd week
        (2021, 1, 1),
        (2023, 12, 31),
        (2024, 1, 1),
        (2024, 2, 28),
        (2024, 2, 29),
        (2024, 3, 1),
        (2024, 3, 31),  # clocks change in Europe
        (2024, 12, 30),
        (2025, 1, 1),
        (2025, 2, 28),
        (2025, 3, 1),
    )
]


@dataclass(frozen=True)
class Value:
    """One observation that has a score."""

    id: UUID
    at: datetime
    score: float
    level: str
    formula_version: int


@dataclass(frozen=True)
class Task:
    """One task of a plan that is no draft."""

    seen_at: datetime
    done_at: datetime | None


@dataclass
class Past:
    """All that one tenant ever told."""

    values: dict[Scope, list[Value]] = field(default_factory=dict[Scope, list[Value]])
    reports: list[datetime] = field(default_factory=list[datetime])
    tasks: list[Task] = field(default_factory=list[Task])


async def test_it_agrees_with_looking_at_every_row(
    owner: Connection, clock: Clock, figure: Callable[[str], None]
) -> None:
    dice = Random(SEED)  # noqa: S311 - the same examples each time
    examples = 0
    for number in range(TENANTS):
        tenant_id = await make_tenant(f"Tenant {number}", clock=clock)
        past = await _tell(owner, tenant_id, dice)
        asked = [_ask(dice) for _ in range(QUESTIONS)]
        async with acting_for(tenant_id, is_read_only=True) as session:
            answers = [await tell_history(session, one, now=one.end) for one in asked]
        for one, answer in zip(asked, answers, strict=True):
            where = f"tenant {number}: {one.start} to {one.end}, {one.granularity}"
            _judge_cut(answer.periods, one, where)
            for period in answer.periods:
                assert period == _model(period, one, past), where
            examples += 1

    assert examples == TENANTS * QUESTIONS
    figure(f"history: {examples} examples agree with the plain model")


def _judge_cut(periods: list[Period], asked: Question, where: str) -> None:
    """The periods are exactly the range, each within one calendar period, none cut needlessly."""
    label = LABELS[asked.granularity]
    moment = timedelta(microseconds=1)
    assert periods[0].period_start == asked.start, where
    assert periods[-1].period_end == asked.end, where
    for one in periods:
        assert one.period_start < one.period_end, where
        assert label(one.period_start) == label(one.period_end - moment), where
    for one, after in pairwise(periods):
        assert one.period_end == after.period_start, where
        assert label(one.period_start) != label(after.period_start), where


def _model(period: Period, asked: Question, past: Past) -> Period:
    """What the period must say, judged row by row."""

    def is_within(at: datetime) -> bool:
        return period.period_start <= at < period.period_end

    told: dict[Scope, Value | None] = {}
    spreads: dict[Scope, Spread | None] = {}
    for domain in VALUED:
        within = [one for one in past.values[domain] if is_within(one.at)]
        last = max(within, key=lambda one: (one.at, one.id), default=None)
        told[domain] = last
        spreads[domain] = last and Spread(
            min=min(one.score for one in within),
            max=max(one.score for one in within),
            count=len(within),
            formula_version=last.formula_version,
        )
    total = sum(one.seen_at < period.period_end for one in past.tasks)
    done = sum(one.done_at is not None and is_within(one.done_at) for one in past.tasks)
    readiness, editions, adoption = (told[domain] for domain in VALUED)
    return Period(
        period_start=period.period_start,
        period_end=period.period_end,
        readiness_score=readiness and readiness.score,
        readiness_band=Band(readiness.level) if readiness else None,
        edition_fit_score=editions and editions.score,
        adoption_overall_status=AdoptionStatus(adoption.level) if adoption else None,
        adoption_score=adoption and adoption.score,
        uplift_tasks_done=done if total else None,
        uplift_tasks_total=total or None,
        report_count=sum(is_within(at) for at in past.reports),
        readiness_spread=spreads[Scope.READINESS],
        edition_fit_spread=spreads[Scope.EDITIONS],
        adoption_spread=spreads[Scope.ADOPTION],
    )


def _day(at: datetime) -> tuple[int, ...]:
    return at.year, at.month, at.day


def _week(at: datetime) -> tuple[int, ...]:
    return at.isocalendar()[:2]


def _month(at: datetime) -> tuple[int, ...]:
    return at.year, at.month


LABELS: dict[Granularity, Callable[[datetime], tuple[int, ...]]] = {
    Granularity.DAILY: _day,
    Granularity.WEEKLY: _week,
    Granularity.MONTHLY: _month,
}
"""In which day, ISO week or month an instant lies."""


def _instant(dice: Random) -> datetime:
    at = dice.choice(EDGES)
    match dice.randrange(4):
        case 0:
            return at
        case 1:
            return at - timedelta(microseconds=1)
        case 2:
            return at + timedelta(microseconds=dice.randrange(1, 86_400_000_000))
        case _:
            return at + timedelta(seconds=dice.randrange(-40 * 86_400, 40 * 86_400))


def _ask(dice: Random) -> Question:
    while True:
        start = _instant(dice)
        is_short = dice.random() < 0.8
        span = timedelta(seconds=dice.randrange(1, 60 * 86_400))
        end = start + span if is_short else _instant(dice)
        granularity = dice.choice(list(Granularity))
        try:
            return question(start.isoformat(), end.isoformat(), granularity, now=end)
        except InvalidError:
            continue  # the wrong way round, or too many periods


async def _tell(owner: Connection, tenant_id: UUID, dice: Random) -> Past:
    past = Past()
    for domain in VALUED:
        past.values[domain] = [
            Value(
                _id(dice),
                _instant(dice),
                dice.randrange(0, 10_001) / 100,
                dice.choice(LEVELS[domain]),
                dice.randrange(1, 4),
            )
            for _ in range(dice.randrange(60))
        ]
        # Told twice for the same instant: the later id is the last one.
        past.values[domain] += [
            Value(_id(dice), one.at, one.score / 2, one.level, 1)
            for one in past.values[domain][: dice.randrange(4)]
        ]
        await owner.executemany(
            OBSERVATION,
            [
                (
                    tenant_id,
                    one.id,
                    str(domain),
                    None,
                    one.at,
                    one.score,
                    one.level,
                    one.formula_version,
                )
                for one in past.values[domain]
            ],
        )
    past.reports = [_instant(dice) for _ in range(dice.randrange(12))]
    await owner.executemany(
        OBSERVATION,
        [
            (tenant_id, _id(dice), "executive_reports", _id(dice), at, None, None, 1)
            for at in past.reports
        ],
    )
    for _ in range(dice.randrange(4)):
        past.tasks += await _plan(owner, tenant_id, dice)
    return past


async def _plan(owner: Connection, tenant_id: UUID, dice: Random) -> list[Task]:
    """Store a plan; its tasks count unless it is a draft."""
    plan_id, observation_id, status = _id(dice), _id(dice), dice.choice(list(PlanStatus))
    tasks = [
        Task(_instant(dice), _instant(dice) if dice.random() < 0.5 else None)
        for _ in range(dice.randrange(8))
    ]
    at = _instant(dice)
    await owner.execute(
        OBSERVATION, tenant_id, observation_id, "uplift", plan_id, at, None, None, 1
    )
    await owner.execute(
        """
        INSERT INTO uplift_plan (tenant_id, id, title, status, created_at, changed_at,
          observation_id)
        VALUES ($1, $2, 'Plan', $3, $4, $4, $5)
        """,
        tenant_id,
        plan_id,
        str(status),
        at,
        observation_id,
    )
    await owner.executemany(
        """
        INSERT INTO uplift_task (tenant_id, plan_id, id, status, priority, category,
          first_seen_at, completed_at)
        VALUES ($1, $2, $3, $4, 'low', 'core', $5, $6)
        """,
        [
            (
                tenant_id,
                plan_id,
                _id(dice),
                "done" if one.done_at else "todo",
                one.seen_at,
                one.done_at,
            )
            for one in tasks
        ],
    )
    return [] if status is PlanStatus.DRAFT else tasks


def _id(dice: Random) -> UUID:
    return UUID(int=dice.getrandbits(128), version=4)


OBSERVATION = """
INSERT INTO observation (tenant_id, id, domain, subject_id, observed_at, received_at, score, level,
  is_derived, formula_version, body)
VALUES ($1, $2, $3, $4, $5, $5, $6, $7, false, $8, '{}')
"""
