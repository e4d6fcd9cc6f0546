"""All tenants beside one another: for operators, who pick from it whom to look at."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple
from uuid import UUID

from textual.app import ComposeResult
from textual.binding import BindingType

from shared.contracts.portfolio import Portfolio, TenantStanding
from shared.contracts.tenants import Tenant
from tui.desk import Desk
from tui.keys import bindings
from tui.marks import freshness_mark, severity_mark
from tui.messages import TenantChosen
from tui.screens.pane import Copy, PollingPane
from tui.text import NONE, Line, Span, age, change, evidence, number, visible, words
from tui.widgets.lines import Lines
from tui.widgets.rows import Column, Row, Rows

COLUMNS = (
    Column("Tenant"),
    Column("Stands", 20),
    Column("Now", 7, is_number=True),
    Column("1 week", 9, is_number=True),
    Column("4 weeks", 9, is_number=True),
    Column("Told", 12, is_number=True),
    Column("Why", 44, from_width=110),
)


class View(NamedTuple):
    """One list of the portfolio."""

    name: str
    empty: str


VIEWS = (
    View("all tenants", "There is no tenant yet: `guardian tenants create` makes one."),
    View("moved up", "Nobody moved up this week."),
    View("moved down", "Nobody moved down this week."),
    View("at risk", "Nobody is at risk."),
    View("silent", "Everybody's data is fresh."),
    View("deliveries", "Every endpoint takes what it is sent."),
)


class PortfolioPane(PollingPane):
    """Counts above, one of six lists below; `enter` looks at the row's tenant."""

    PLACES = ("portfolio",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("portfolio")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with the list of all."""
        super().__init__(desk, id=id)
        self._portfolio: Portfolio | None = None
        self._view = 0

    def compose(self) -> ComposeResult:
        """The counts, then the list."""
        yield Lines(id="portfolio-words")
        yield Rows(COLUMNS, id="portfolio-rows")

    async def ask(self) -> None:
        """All tenants, now."""
        self._portfolio = await self.desk.server.portfolio()

    def take_keys(self) -> None:
        """The list gets the keys."""
        self.screen.set_focus(self.query_one(Rows))

    def forget(self) -> None:
        """Another server has other tenants."""
        super().forget()
        self._portfolio = None

    def draw(self) -> None:
        """Draw the counts and the list."""
        known = self._portfolio
        now = self.desk.clock()
        rows = None if known is None else _rows(known, VIEWS[self._view].name, now)
        self.query_one(Rows).show(rows, is_stale=self.is_stale)
        lines = self.query_one(Lines)
        told = self._words(known, rows)
        lines.styles.height = len(told)
        lines.show(told, is_stale=self.is_stale)

    def copies(self) -> Sequence[Copy]:
        """The row's tenant."""
        chosen = self._chosen()
        if chosen is None:
            return ()
        return (Copy("tenant id", str(chosen[0])), Copy("tenant name", chosen[1]))

    def resource(self) -> object:
        """The portfolio, or the standings where rows are wanted."""
        return self._portfolio

    def action_view(self, by: int) -> None:
        """Show another list."""
        self._view = (self._view + by) % len(VIEWS)
        self.draw()
        self.query_one(Rows).action_jump(0)

    def action_choose(self) -> None:
        """Look at the row's tenant."""
        self.query_one(Rows).when_known(self._choose)

    def _choose(self) -> None:
        chosen = self._chosen()
        if chosen is not None and self._portfolio is not None:
            tenant_id, name = chosen
            tenant = Tenant(id=tenant_id, name=name, created_at=self._portfolio.as_of)
            self.tell(TenantChosen(tenant))

    def _chosen(self) -> tuple[UUID, str] | None:
        selected = (self.query_one(Rows).selected or "").partition(" ")[0]
        tenants = self._portfolio.tenants if self._portfolio else ()
        for one in tenants:
            if str(one.tenant_id) == selected:
                return one.tenant_id, one.tenant_name
        return None

    def _words(self, known: Portfolio | None, rows: Sequence[Row] | None) -> list[Line]:
        names = [
            Span(f" {view.name} ", "reverse" if place == self._view else "dim")
            for place, view in enumerate(VIEWS)
        ]
        views: Line = (Span(" "), *names)
        if known is None:
            return [(Span(f" {NONE}", "dim"),), (), (), views]
        told = [_bands(known), _health(known), _plans(known, self.desk.clock()), views]
        return told if rows else [*told, (), (Span(f" {VIEWS[self._view].empty}", "dim"),)]


def _bands(known: Portfolio) -> Line:
    spans = [Span(f" {number(len(known.tenants))} tenants", "bold")]
    for one in known.bands:
        went = one.tenants - one.tenants_1w_ago
        since = f" ({went:+d})" if went else ""
        spans.append(Span(f"   {words(one.band) if one.band else 'not known'} "))
        spans.append(Span(f"{number(one.tenants)}{since}", "accent"))
    return tuple(spans)


def _health(known: Portfolio) -> Line:
    sent = known.deliveries
    rate = NONE if sent.success_rate is None else f"{100 * sent.success_rate:.1f} %"
    return (
        Span(" 24 h ", "dim"),
        Span(f"✓ {number(sent.delivered)} delivered  ", "good" if sent.delivered else "dim"),
        Span(f"⊘ {number(sent.discarded)} discarded  ", "bad" if sent.discarded else "dim"),
        Span(f"… {number(sent.pending)} pending  ", "warn" if sent.pending else "dim"),
        Span(f"↻ {number(sent.failed)} failed  ", "warn" if sent.failed else "dim"),
        Span(f"arrived {rate}", "bold"),
    )


def _plans(known: Portfolio, now: datetime) -> Line:
    plans, oldest = known.completion, known.deliveries.oldest_waiting_since
    quartiles = "/".join(number(one) for one in (plans.p25, plans.p50, plans.p75))
    waits = f"   the oldest delivery waits {age(oldest, now)}" if oldest else ""
    return (Span(f" Plans done, by quarter of the tenants: {quartiles} %{waits}", "dim"),)


def _rows(known: Portfolio, view: str, now: datetime) -> list[Row]:
    standings = {one.tenant_id: one for one in known.tenants}
    match view:
        case "moved up":
            return [_row(one, now) for one in known.movers_up]
        case "moved down":
            return [_row(one, now) for one in known.movers_down]
        case "at risk":
            return [
                _row(
                    standings.get(one.tenant_id),
                    now,
                    row_id=f"{one.tenant_id} {one.code}",
                    name=one.tenant_name,
                    mark=Span(
                        f"{severity_mark(one.severity).text} {words(one.code)}",
                        severity_mark(one.severity).tone,
                    ),
                    why=", ".join(
                        f"{words(name)} {evidence(value)}" for name, value in one.evidence.items()
                    )
                    + f" → {words(one.action_code)}",
                )
                for one in known.at_risk
            ]
        case "silent":
            return [
                _row(
                    standings.get(one.tenant_id),
                    now,
                    row_id=str(one.tenant_id),
                    name=one.tenant_name,
                    mark=Span("▲ stale" if one.stale else "○ missing", "warn"),
                    why=", ".join(words(scope) for scope in one.stale) or "nothing was ever told",
                )
                for one in known.stale
            ]
        case "deliveries":
            return [
                _row(
                    standings.get(one.tenant_id),
                    now,
                    row_id=f"{one.tenant_id} {one.integration_id}",
                    name=f"{one.tenant_name}: {one.integration_key}",
                    mark=Span(f"⊘ {number(one.discarded)} ↻ {number(one.failed)}", "bad"),
                    why=one.last_error or NONE,
                )
                for one in known.deliveries.ailing
            ]
        case _:
            return [_row(one, now) for one in known.tenants]


def _row(
    standing: TenantStanding | None,
    now: datetime,
    *,
    row_id: str = "",
    name: str = "",
    mark: Span | None = None,
    why: str = "",
) -> Row:
    if standing is None:
        missing = Span(NONE, "dim")
        cells = (missing, missing, missing, missing)
    else:
        week, month = change(standing.delta_1w), change(standing.delta_4w)
        told = freshness_mark(standing.status, age(standing.as_of, now))
        cells = (Span(number(standing.overall_score, digits=1)), week, month, told)
        mark = mark or Span(words(standing.band) if standing.band else NONE)
        name, row_id = name or standing.tenant_name, row_id or str(standing.tenant_id)
    return Row(
        id=row_id,
        cells=(Span(visible(name)), mark or Span(NONE, "dim"), *cells, Span(visible(why), "dim")),
    )
