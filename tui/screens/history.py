"""How the scores went: one series as a line, and all of them as numbers below it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType

from shared.contracts.success import History, Period
from shared.contracts.words import Granularity
from tui.desk import Desk
from tui.keys import bindings
from tui.screens.pane import DOMAINS, PollingPane
from tui.text import NONE, Line, Span, change, number, words
from tui.widgets.chart import Chart, Dates
from tui.widgets.lines import Lines
from tui.widgets.rows import Column, Row, Rows

COLUMNS = (
    Column("From", 10),
    Column("Readiness", 9, is_number=True),
    Column("Band", 19, from_width=72),
    Column("Adoption", 8, is_number=True),
    Column("Edition fit", 11, is_number=True),
    Column("Uplift %", 8, is_number=True),
    Column("Tasks", 9, is_number=True, from_width=90),
    Column("Reports", 7, is_number=True),
)
PERIODS = {Granularity.DAILY: 90, Granularity.WEEKLY: 52, Granularity.MONTHLY: 24}
"""How many periods a window holds; the newest window ends with the present one."""

STEP = 2
"""A window moves by its own length divided by this, so that half of it stays in sight."""

TALL = 18
"""From so many lines on, the chart takes half of them."""

LOW_CHART = 8


class Series(NamedTuple):
    """One line that can be drawn."""

    name: str
    of: Callable[[Period], float | None]


def uplift_percent(period: Period) -> float | None:
    """How much of the plans was done; none where no task was known."""
    if period.uplift_tasks_done is None or not period.uplift_tasks_total:
        return None
    return 100 * period.uplift_tasks_done / period.uplift_tasks_total


SERIES = (
    Series("Readiness", attrgetter("readiness_score")),
    Series("Adoption", attrgetter("adoption_score")),
    Series("Edition fit", attrgetter("edition_fit_score")),
    Series("Uplift %", uplift_percent),
    Series("Reports", attrgetter("report_count")),
)


class HistoryPane(PollingPane):
    """The cursor of the table is the cursor of the chart."""

    PLACES = ("history",)
    KINDS = DOMAINS
    BINDINGS: ClassVar[list[BindingType]] = bindings("history")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with weeks up to now."""
        super().__init__(desk, id=id)
        self._history: History | None = None
        self._series = 0
        self._grain = Granularity.WEEKLY
        self._back = 0

    def compose(self) -> ComposeResult:
        """What is drawn, the chart, the numbers."""
        yield Lines(id="history-words")
        yield Chart(self.desk.glyphs, id="history-chart")
        yield Rows(COLUMNS, id="history-rows")

    async def ask(self) -> None:
        """The window's periods."""
        question = (self._grain, self._back)
        start, end = window(self.desk.clock(), self._grain, self._back)
        history = await self.desk.server.history(start=start, end=end, granularity=self._grain)
        if question == (self._grain, self._back):
            self._history = history

    def take_keys(self) -> None:
        """The table gets the keys."""
        self.screen.set_focus(self.query_one(Rows))

    def forget(self) -> None:
        """Another tenant has another history."""
        super().forget()
        self._history = None
        self._back = 0

    def draw(self) -> None:
        """Draw the table, then what depends on its cursor."""
        height = self.size.height
        self.query_one(Chart).styles.height = height // 2 if height >= TALL else LOW_CHART
        rows = None
        if self._history is not None:
            rows = [_row(period) for period in reversed(self._periods)]
        self.query_one(Rows).show(rows, is_stale=self.is_stale)
        self._draw_chart()

    def resource(self) -> object:
        """The periods."""
        return self._history.periods if self._history else None

    def on_rows_moved(self) -> None:
        """Read the period under the cursor."""
        self._draw_chart()

    def action_series(self, by: int) -> None:
        """Draw another series."""
        self._series = (self._series + by) % len(SERIES)
        self._draw_chart()

    def action_grain(self) -> None:
        """Count by days, weeks or months in turn."""
        grains = list(Granularity)
        self._grain = grains[(grains.index(self._grain) + 1) % len(grains)]
        self._back = 0
        self._ask_anew()

    def action_shift(self, by: int) -> None:
        """Look further back, or towards now."""
        if self._back + by >= 0:
            self._back += by
            self._ask_anew()

    def action_read(self, by: int) -> None:
        """Read the period before or after."""
        self.query_one(Rows).action_move(by)

    @property
    def _periods(self) -> Sequence[Period]:
        return self._history.periods if self._history else ()

    def _ask_anew(self) -> None:
        self._history = None
        self.draw()
        self.refetch()

    def _draw_chart(self) -> None:
        series, periods = SERIES[self._series], self._periods
        values = [series.of(period) for period in periods]
        selected = self.query_one(Rows).selected
        places = (place for place, one in enumerate(periods) if _id(one) == selected)
        cursor = next(places, None)
        self.query_one(Chart).plot(values, _dates(periods), cursor)
        title = _title(series, values, self._grain)
        self.query_one(Lines).show([title, _read_out(series, periods, cursor)])


def window(now: datetime, grain: Granularity, back: int) -> tuple[datetime, datetime]:
    """`[start, end)` in UTC, `back` half windows before the one that ends with this period."""
    count = PERIODS[grain]
    ended = back * count // STEP
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if grain is Granularity.MONTHLY:
        end = _months_before(midnight.replace(day=1), ended - 1)
        return _months_before(end, count), end
    days = 1 if grain is Granularity.DAILY else 7
    first = midnight if days == 1 else midnight - timedelta(days=midnight.weekday())
    end = first + timedelta(days=days * (1 - ended))
    return end - timedelta(days=days * count), end


def _months_before(first: datetime, months: int) -> datetime:
    year, month = divmod(first.year * 12 + first.month - 1 - months, 12)
    return first.replace(year=year, month=month + 1)


def _title(series: Series, values: Sequence[float | None], grain: Granularity) -> Line:
    known = [value for value in values if value is not None]
    gaps = len(values) - len(known)
    return (
        Span(f" {series.name}", "bold"),
        Span(f"  {grain}", "dim"),
        Span(f"  last {number(known[-1] if known else None, digits=1)}"),
        Span(f"  min {number(min(known, default=None), digits=1)}", "dim"),
        Span(f"  max {number(max(known, default=None), digits=1)}", "dim"),
        Span(f"  {number(gaps)} without data" if gaps else "", "dim"),
    )


def _read_out(series: Series, periods: Sequence[Period], cursor: int | None) -> Line:
    if cursor is None:
        return (Span(f" {NONE}", "dim"),)
    period = periods[cursor]
    value = series.of(period)
    before = series.of(periods[cursor - 1]) if cursor else None
    went = change(None if value is None or before is None else value - before)
    reading = "no data" if value is None else number(value, digits=1)
    return (
        Span(f" > {_id(period)}", "bold"),
        Span(f"  {series.name} {reading}"),
        Span(f"  {went.text}", went.tone),
        Span(f"  {words(period.readiness_band)}" if period.readiness_band else "", "dim"),
    )


def _dates(periods: Sequence[Period]) -> Dates:
    if not periods:
        return ("", "", "")
    return (_id(periods[0]), _id(periods[len(periods) // 2]), _id(periods[-1]))


def _id(period: Period) -> str:
    return f"{period.period_start.astimezone(UTC):%Y-%m-%d}"


def _row(period: Period) -> Row:
    done, total = period.uplift_tasks_done, period.uplift_tasks_total
    return Row(
        id=_id(period),
        cells=(
            Span(_id(period), "dim"),
            Span(number(period.readiness_score, digits=1)),
            Span(words(period.readiness_band) if period.readiness_band else NONE, "dim"),
            Span(number(period.adoption_score, digits=1)),
            Span(number(period.edition_fit_score, digits=1)),
            Span(number(uplift_percent(period))),
            Span(NONE if total is None else f"{number(done)}/{number(total)}", "dim"),
            Span(number(period.report_count)),
        ),
    )
