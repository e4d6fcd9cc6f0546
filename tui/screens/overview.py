"""How a tenant stands: six key figures, what threatens them, and who hears about them."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple

import msgspec
from textual.app import ComposeResult
from textual.binding import BindingType

from shared.contracts.changes import ChangeKind
from shared.contracts.integrations import Integration
from shared.contracts.narrative import Narrative, Source
from shared.contracts.success import (
    AdoptionBlock,
    Block,
    EditionsBlock,
    ExecutiveBlock,
    LifecycleBlock,
    Overview,
    ReadinessBlock,
    Risk,
    UpliftBlock,
)
from shared.contracts.words import Freshness, Trend
from tui.desk import Desk
from tui.integration_rows import COLUMNS, integration_row
from tui.keys import bindings
from tui.marks import freshness_mark, severity_mark
from tui.messages import LinkChanged, PaneWanted
from tui.screens.pane import DOMAINS, Copy, PollingPane
from tui.screens.story import story_lines
from tui.text import (
    NONE,
    Line,
    Span,
    age,
    between,
    change,
    evidence,
    fit,
    number,
    sparkline,
    visible,
    words,
)
from tui.widgets.lines import Lines
from tui.widgets.rows import head_of, line_of

NAMES = ("Readiness", "Adoption", "Uplift", "Editions", "Reports", "Lifecycle")
NAME_WIDTH = 10
VALUE_WIDTH = 7
CHANGE_WIDTH = 8
WORDS_WIDTH = 21
WEEKS = 18
AGE_WIDTH = 12
TALL = 34
"""From so many lines on, the story is told whole."""

MOST_SPARE = 40
LEAST_INTEGRATIONS = 3
"""Lines the integrations keep, however many the risks are: title, head and one row."""


class Figure(NamedTuple):
    """One key figure, ready to be drawn.

    Attributes:
        series: weekly values for the bars, if the domain has them.
        remarks: what stands beside them, or in their place, as far as there is room.
    """

    value: str
    change: Span
    words: str
    series: Sequence[float | None]
    remarks: Sequence[str]
    freshness: Span


class OverviewPane(PollingPane):
    """The first screen. It is read from top to bottom and has no cursor."""

    PLACES = ("overview",)
    KINDS = DOMAINS | {ChangeKind.NARRATIVE, ChangeKind.DELIVERIES, ChangeKind.INTEGRATIONS}
    BINDINGS: ClassVar[list[BindingType]] = bindings("overview")
    can_focus = True

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with dashes."""
        super().__init__(desk, id=id)
        self.overview: Overview | None = None
        self.integrations: list[Integration] | None = None
        self.narrative: Narrative | None = None

    def compose(self) -> ComposeResult:
        """One block of lines."""
        yield Lines(id="overview-lines")

    async def ask(self) -> None:
        """The success overview, and the integrations beside it; of these, what changed."""
        told = self.take_told()
        if not told or told & DOMAINS:
            await self._ask_success()
        if not told or told - DOMAINS - {ChangeKind.NARRATIVE}:
            self.integrations = (await self.desk.server.integrations(limit=200)).items
        if not told or told - {ChangeKind.DELIVERIES, ChangeKind.INTEGRATIONS}:
            self.narrative = await self.desk.server.narrative()

    async def _ask_success(self) -> None:
        self.overview = await self.desk.server.overview()
        if self.overview.tenant_name and self.overview.tenant_name != self.desk.tenant_name:
            self.desk.tenant_name = self.overview.tenant_name
            self.tell(LinkChanged())

    def copies(self) -> Sequence[Copy]:
        """The overview as JSON."""
        return (Copy("overview", msgspec.json.encode(self.overview).decode()),)

    def resource(self) -> object:
        """The overview."""
        return self.overview

    def action_story(self) -> None:
        """Read how the tenant stands."""
        self.tell(PaneWanted("story"))

    def forget(self) -> None:
        """Back to dashes."""
        super().forget()
        self.overview = None
        self.narrative = None
        self.integrations = None

    def draw(self) -> None:
        """Draw what is known for the size there is."""
        lines = overview_lines(
            self.overview,
            self.integrations,
            self.narrative,
            now=self.desk.clock(),
            width=self.size.width,
            height=self.size.height,
        )
        self.query_one(Lines).show(lines, is_stale=self.is_stale and self.overview is not None)


def overview_lines(
    overview: Overview | None,
    integrations: Sequence[Integration] | None,
    narrative: Narrative | None,
    *,
    now: datetime,
    width: int,
    height: int,
) -> list[Line]:
    """The whole screen: figures, the story, every risk that fits, then integrations."""
    lines = [_head(width), *(_figure_line(*one, width) for one in _figures(overview, now))]
    is_roomy = height >= 2 * len(lines)
    lines += _story_lines(narrative, now, width, is_long=height >= TALL)
    if is_roomy:
        lines.append(())
    risks = None if overview is None else overview.risks
    kept = LEAST_INTEGRATIONS if height >= 2 * LEAST_INTEGRATIONS + len(lines) else 1
    lines += _risk_lines(risks, now, width, height - len(lines) - kept)
    if is_roomy and height - len(lines) > LEAST_INTEGRATIONS:
        lines.append(())
    lines += _integration_lines(integrations, now, width, height - len(lines))
    return lines


def _story_lines(told: Narrative | None, now: datetime, width: int, *, is_long: bool) -> list[Line]:
    """The headline with its source and age; on a tall screen the whole story."""
    if told is None:
        return [(Span(" Story", "bold"), Span("  -", "dim"))]
    if is_long:
        return [(), *story_lines(told, now, max(20, min(110, width - 4)))]
    who = "model" if told.source is Source.AI else "rules"
    by = Span(f"{who}, {age(told.generated_at, now)} ago ", "dim")
    return [between((Span(f" {visible(told.headline, limit=200)}", "bold"),), (by,), width)]


def _figures(overview: Overview | None, now: datetime) -> list[tuple[str, Figure | None]]:
    if overview is None:
        return [(name, None) for name in NAMES]
    figures = (
        _readiness(overview.readiness, now),
        _adoption(overview.adoption, now),
        _uplift(overview.uplift, now),
        _editions(overview.editions, now),
        _reports(overview.executive, now),
        _lifecycle(overview.lifecycle, now),
    )
    return list(zip(NAMES, figures, strict=True))


def _readiness(block: ReadinessBlock, now: datetime) -> Figure:
    return _figure(
        block,
        now,
        value=number(block.overall_score, digits=1),
        says=words(block.band) if block.band else "",
        series=block.series,
        remarks=(f"{number(block.capability_count)} capabilities",),
    )


def _adoption(block: AdoptionBlock, now: datetime) -> Figure:
    worst = f"weakest: {words(block.worst_dimension)}" if block.worst_dimension else ""
    return _figure(
        block,
        now,
        value=number(block.overall_score, digits=1),
        says=words(block.overall_status),
        series=block.series,
        remarks=(worst,),
    )


def _uplift(block: UpliftBlock, now: datetime) -> Figure:
    percent = block.completion_percentage
    says = f"{number(block.tasks_done)}/{number(block.tasks_total)} tasks"
    if block.tasks_overdue:
        says += f", {number(block.tasks_overdue)} late"
    expected = block.expected_percentage
    remarks = (
        f"plan {expected} %" if expected is not None else "",
        f"{number(block.tasks_blocked)} blocked" if block.tasks_blocked else "",
        f"{number(block.active_plans)} active" if block.active_plans is not None else "",
        f"{number(block.draft_plans)} draft" if block.draft_plans else "",
    )
    return _figure(
        block,
        now,
        value=NONE if percent is None else f"{percent} %",
        says=says,
        remarks=remarks,
    )


def _editions(block: EditionsBlock, now: datetime) -> Figure:
    best = block.items[0] if block.items else None
    return _figure(
        block,
        now,
        value=number(best.fit_score if best else None, digits=1),
        says=visible(best.label, limit=40) if best else "",
        series=block.series,
        remarks=(words(best.fit_status),) if best else (),
    )


def _reports(block: ExecutiveBlock, now: datetime) -> Figure:
    health = block.overall_health_score
    trend = "" if block.health_trend is Trend.UNKNOWN else f", {block.health_trend}"
    return _figure(
        block,
        now,
        value=number(block.reports_last_90d),
        says="in 90 days" if health is None else f"health {number(health, digits=0)}{trend}",
        remarks=(f"to {block.last_period_end}",) if block.last_period_end else (),
    )


def _lifecycle(block: LifecycleBlock, now: datetime) -> Figure:
    done, failed = block.operations_successful, block.operations_failed
    return _figure(
        block,
        now,
        value=number(block.total_compacted),
        says=f"compacted, {number(block.total_deleted)} gone",
        remarks=(f"{number(done)} ok", f"{number(failed)} failed"),
    )


def _figure(
    block: Block,
    now: datetime,
    *,
    value: str,
    says: str,
    remarks: Sequence[str],
    series: Sequence[float | None] = (),
) -> Figure:
    freshness = freshness_mark(block.status, age(block.as_of, now))
    if block.status is Freshness.MISSING:
        return Figure(NONE, Span(NONE, "dim"), "no data yet", (), (), freshness)
    return Figure(value, change(block.delta_4w), says, series, remarks, freshness)


def _head(width: int) -> Line:
    words_width, bars_width = _widths(width)
    heads = (
        " " * (1 + NAME_WIDTH),
        fit("Now", VALUE_WIDTH, is_number=True),
        "  ",
        fit("4 weeks", CHANGE_WIDTH),
        " ",
        fit("", words_width),
        fit("18 weeks", bars_width),
        fit("Age", AGE_WIDTH, is_number=True),
    )
    return (Span("".join(heads), "dim"),)


def _figure_line(name: str, figure: Figure | None, width: int) -> Line:
    title = Span(" " + fit(name, NAME_WIDTH), "accent")
    if figure is None:
        return (title, Span(fit(NONE, VALUE_WIDTH, is_number=True), "dim"))
    words_width, bars_width = _widths(width)
    bars = sparkline(figure.series, min(WEEKS, bars_width))
    room = bars_width - len(bars) - 2 if bars else bars_width - 1
    told = f"{bars}  {_remark(figure.remarks, room)}" if bars else _remark(figure.remarks, room)
    return (
        title,
        Span(fit(figure.value, VALUE_WIDTH, is_number=True), "bold"),
        Span("  "),
        Span(fit(figure.change.text, CHANGE_WIDTH), figure.change.tone),
        Span(" "),
        Span(fit(figure.words, words_width - 1) + " "),
        Span(fit(told.rstrip(), bars_width), "accent" if bars else "dim"),
        Span(fit(figure.freshness.text, AGE_WIDTH, is_number=True), figure.freshness.tone),
    )


def _remark(remarks: Sequence[str], room: int) -> str:
    """As many whole remarks as fit, the most telling first."""
    told = ""
    for remark in filter(None, remarks):
        longer = f"{told}, {remark}" if told else remark
        if len(longer) > room:
            break
        told = longer
    return told


def _widths(width: int) -> tuple[int, int]:
    """Cells for the words and for the bars; a narrow screen goes without the bars."""
    taken = 1 + NAME_WIDTH + VALUE_WIDTH + 2 + CHANGE_WIDTH + 1 + AGE_WIDTH
    spare = width - taken - WORDS_WIDTH - WEEKS
    if spare < 0:
        return max(0, width - taken), 0
    spare = min(spare, MOST_SPARE)
    return WORDS_WIDTH + spare // 3, WEEKS + spare - spare // 3


def _risk_lines(risks: Sequence[Risk] | None, now: datetime, width: int, room: int) -> list[Line]:
    if risks is None:
        return [(Span(" Risks", "bold"), Span("  -", "dim"))]
    if not risks:
        return [(Span(" Risks", "bold"), Span("  ✓ none", "good"))]
    shown = risks if len(risks) < room else risks[: max(0, room - 2)]
    left_over = len(risks) - len(shown)
    lines: list[Line] = [(Span(" Risks", "bold"), Span(f"  {number(len(risks))}", "warn"))]
    lines += [_risk_line(risk, now, width) for risk in shown]
    if left_over:
        lines.append((Span(f"   … and {number(left_over)} more", "dim"),))
    return lines


def _risk_line(risk: Risk, now: datetime, width: int) -> Line:
    mark = severity_mark(risk.severity)
    facts = ", ".join(f"{words(name)} {evidence(value)}" for name, value in risk.evidence.items())
    since = f"{age(risk.since, now)} ago" if risk.since else ""
    action = f"→ {words(risk.action_code)}"
    room = max(0, min(60, width - 1 - 11 - 19 - len(action) - 2))
    return (
        Span(" "),
        Span(fit(mark.text, 11), mark.tone),
        Span(fit(words(risk.code), 19)),
        Span(fit(", ".join(part for part in (facts, since) if part), room), "dim"),
        Span(" "),
        Span(action, "accent"),
    )


def _integration_lines(
    integrations: Sequence[Integration] | None, now: datetime, width: int, room: int
) -> list[Line]:
    title = Span(" Integrations", "bold")
    if integrations is None:
        return [(title, Span("  -", "dim"))]
    if not integrations:
        return [(title, Span("  none yet: 2, then c, makes one", "dim"))]
    stats = [one.webhook_stats for one in integrations]
    counts: Line = (
        title,
        Span(f"  {number(sum(one.is_enabled for one in integrations))}", "good"),
        Span(f"/{number(len(integrations))} on  "),
        _total("… pending", sum(one.pending for one in stats), "warn"),
        _total("↻ failed", sum(one.failed for one in stats), "warn"),
        _total("⊘ discarded", sum(one.discarded for one in stats), "bad"),
    )
    counts = (*counts, Span(f"24 h {number(sum(one.events_last_24h for one in stats))}", "dim"))
    places = room - 2
    shown = integrations if len(integrations) <= places else integrations[: max(0, places - 1)]
    lines = [counts, head_of(COLUMNS, width)][:room]
    lines += [line_of(COLUMNS, integration_row(one, now=now), width) for one in shown]
    if len(shown) < len(integrations) and places > 0:
        more = number(len(integrations) - len(shown))
        lines.append((Span(f"   … and {more} more: 2 shows all", "dim"),))
    return lines


def _total(what: str, count: int, tone: str) -> Span:
    return Span(f"{what} {number(count)}  ", tone if count else "dim")
