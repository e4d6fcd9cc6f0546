"""What was sent, to whom, and how it went; newest first, as far back as one cares to scroll."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import ClassVar
from uuid import UUID

import msgspec
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType

from shared.contracts.changes import ChangeKind
from shared.contracts.deliveries import Delivery
from shared.contracts.pages import Page
from shared.errors import GuardianError, InvalidError
from tui.desk import Desk
from tui.filters import EXAMPLE, Filter, instant, parse
from tui.follow import follow, verdict
from tui.integration_named import integration_named
from tui.keys import bindings
from tui.marks import delivery_mark
from tui.messages import DeliveryChosen, ReplayWanted, Said
from tui.pages import longer, merged
from tui.screens.pane import Copy, PollingPane
from tui.text import NONE, Line, Span, at, number, short_at, visible, words
from tui.widgets.field import Field
from tui.widgets.lines import Lines
from tui.widgets.rows import Column, Row, Rows

PAGE = 100
MOST_ROWS = 2_000
"""Kept while somebody reads the newest page; who reads further down keeps what was fetched."""
FOLLOW_S = 1.0
COLUMNS = (
    Column("Time UTC", 11),
    Column("State", 11),
    Column("Event", 28),
    Column("Integration"),
    Column("Code", 4, is_number=True),
    Column("Try", 3, is_number=True, from_width=72),
    Column("Next try", 11, from_width=110),
    Column("Why", 24, from_width=130),
)


class DeliveriesPane(PollingPane):
    """The list, a filter in one line, and two lines on the row under the cursor."""

    PLACES = ("deliveries",)
    KINDS = frozenset({ChangeKind.DELIVERIES})
    BINDINGS: ClassVar[list[BindingType]] = bindings("deliveries")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with an empty list and no filter."""
        super().__init__(desk, id=id)
        self._deliveries: list[Delivery] | None = None
        self._next: str | None = None
        self._filter = Filter()
        self._integration_id: UUID | None = None
        self._is_following = False
        self._is_fetching = False
        self._is_anew = True
        with suppress(InvalidError):  # one of an earlier session may no longer be understood
            self._filter = parse(desk.deliveries_filter)

    def compose(self) -> ComposeResult:
        """The filter above, the list, the row's words below."""
        yield Lines(id="deliveries-filter")
        yield Field(id="deliveries-prompt", placeholder=EXAMPLE, submit=self._apply)
        yield Rows(COLUMNS, id="deliveries-rows")
        yield Lines(id="deliveries-reading")

    def on_mount(self) -> None:
        """The prompt comes with `/`."""
        self._prompt.display = False

    async def ask(self) -> None:
        """The newest page, laid over what was fetched before."""
        self.take_told()
        question, is_anew = self._filter, self._is_anew
        self._is_anew = False
        integration_id = self._integration_id
        if question.integration is not None and integration_id is None:
            integration_id = (await integration_named(self.desk.server, question.integration)).id
        page = await self._page(question, integration_id, None)
        if question is not self._filter:
            return  # the filter has changed meanwhile, and is asked for next
        self._integration_id = integration_id
        known = None if is_anew else self._deliveries
        self._deliveries, self._next = merged(known, self._next, page)
        if len(self._deliveries) > MOST_ROWS and self._reads_newest(page):
            # What has scrolled past is fetched again by whoever goes down to it.
            self._deliveries, self._next = list(page.items), page.next_cursor

    def take_keys(self) -> None:
        """The list gets the keys."""
        self.screen.set_focus(self.query_one(Rows))

    def forget(self) -> None:
        """Another tenant has other deliveries."""
        super().forget()
        self._filter, self._integration_id = Filter(), None
        self._is_following = False
        self._restart()

    def only(self, integration_id: UUID, integration_key: str) -> None:
        """Show those of one integration."""
        self._filter = Filter(text=f"int:{integration_key}", integration=integration_key)
        self._integration_id = integration_id
        self._restart()

    def anew(self) -> None:
        """Ask from the top, since older pages may have changed as well."""
        self._is_anew = True
        self.refetch()

    def draw(self) -> None:
        """Draw the list, its filter, and the words on its row."""
        now = self.desk.clock()
        known = self._deliveries
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        rows = None if known is None else [_row(one, day) for one in known]
        self.query_one(Rows).show(rows, is_stale=self.is_stale)
        if self._is_following and rows:
            self.query_one(Rows).action_jump(0)
        self.query_one("#deliveries-filter", Lines).show([self._filter_line()])
        self.query_one("#deliveries-reading", Lines).show(self._reading())

    def copies(self) -> Sequence[Copy]:
        """The delivery under the cursor."""
        chosen = self._chosen()
        if chosen is None:
            return ()
        return (
            Copy("delivery id", str(chosen.id)),
            Copy("webhook-id (event id)", str(chosen.event_id)),
            Copy("delivery as JSON", msgspec.json.encode(chosen).decode()),
        )

    def resource(self) -> object:
        """The rows that were fetched."""
        return self._deliveries

    def on_rows_moved(self) -> None:
        """Say what the row under the cursor is."""
        self.query_one("#deliveries-reading", Lines).show(self._reading())

    def on_rows_end_reached(self) -> None:
        """Fetch the page after the last row."""
        if self._next is not None and not self._is_fetching:
            self._is_fetching = True
            self._fetch_more(self._next)

    def action_open(self) -> None:
        """Show one delivery whole."""
        self.query_one(Rows).when_known(self._open)

    def _open(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self.tell(DeliveryChosen(chosen.id))

    def action_redeliver(self) -> None:
        """Send the row's event again, once, and watch how it goes."""
        chosen = self._chosen()
        if chosen is not None:
            self._redeliver(chosen)

    def action_replay(self) -> None:
        """Send a choice once more: what is filtered for, or the row's kind."""
        chosen = self._chosen()
        given = self._filter.text
        if self._filter.integration is None and chosen is not None:
            given = f"int:{chosen.integration_key} {given}".strip()
        self.tell(ReplayWanted(given))

    def action_follow(self) -> None:
        """Stay on the newest row and ask every second, or no longer."""
        self._is_following = not self._is_following
        self.draw()
        self.refetch()

    def action_filter(self) -> None:
        """Ask what is wanted."""
        prompt = self._prompt
        self._show_prompt(is_shown=True)
        prompt.value = self._filter.text
        prompt.action_end()
        self.screen.set_focus(prompt)

    def action_clear(self) -> None:
        """Leave the prompt, or else drop the filter."""
        if self._prompt.display:
            self._close_prompt()
        elif self._filter.text:
            self._filter, self._integration_id = Filter(), None
            self._restart()

    def _apply(self) -> None:
        """Filter by what was typed, or say what was not understood."""
        try:
            wanted = parse(self._prompt.value)
        except InvalidError as error:
            self.tell(Said(f"✗ {visible(error.detail)}", "bad"))
            return
        self._filter, self._integration_id = wanted, None
        self._close_prompt()
        self._restart()

    @work(exclusive=True, group="more")
    async def _fetch_more(self, cursor: str) -> None:
        try:
            page = await self._page(self._filter, self._integration_id, cursor)
        except GuardianError as error:
            self.tell(Said(f"✗ No more rows: {visible(error.detail)}", "bad"))
        else:
            self._deliveries = longer(self._deliveries or (), page)
            self._next = page.next_cursor
            self.draw()
        finally:
            self._is_fetching = False

    @work(group="redeliver")
    async def _redeliver(self, delivery: Delivery) -> None:
        what = f"{delivery.event_type} to {visible(delivery.integration_key)}"
        self.tell(Said(f"Redelivering {what} …"))
        try:
            new = await self.desk.server.redeliver(delivery.id)
            self.refetch()
            result = verdict(await follow(self.desk, new.id))
        except GuardianError as error:
            self.tell(Said(f"✗ Not redelivered: {visible(error.detail)}", "bad"))
            return
        self.tell(Said(f"{what}: {result.text}", result.tone))
        self.refetch()

    @property
    def hurry_s(self) -> float | None:
        """Whoever follows wants to see each row as it comes."""
        return FOLLOW_S if self._is_following else None

    async def _page(
        self, wanted: Filter, integration_id: UUID | None, cursor: str | None
    ) -> Page[Delivery]:
        now = self.desk.clock()
        return await self.desk.server.deliveries(
            status=wanted.status,
            integration_id=integration_id,
            event_type=wanted.event_type,
            since=instant(wanted.since, now),
            until=instant(wanted.until, now),
            cursor=cursor,
            limit=PAGE,
        )

    @property
    def _prompt(self) -> Field:
        return self.query_one("#deliveries-prompt", Field)

    def _restart(self) -> None:
        self.workers.cancel_group(self, "more")
        self._is_fetching = False
        self.desk.deliveries_filter = self._filter.text
        self._deliveries = None
        self._next = None
        self.draw()
        self.anew()

    def _close_prompt(self) -> None:
        self._show_prompt(is_shown=False)
        self.screen.set_focus(self.query_one(Rows))

    def _show_prompt(self, *, is_shown: bool) -> None:
        self._prompt.display = is_shown
        self.query_one("#deliveries-filter", Lines).display = not is_shown

    def _reads_newest(self, page: Page[Delivery]) -> bool:
        selected = self.query_one(Rows).selected
        return selected is None or any(str(one.id) == selected for one in page.items)

    def _chosen(self) -> Delivery | None:
        selected = self.query_one(Rows).selected
        return next((one for one in self._deliveries or () if str(one.id) == selected), None)

    def _filter_line(self) -> Line:
        wanted = self._filter
        status = Span("every status") if wanted.status is None else delivery_mark(wanted.status)
        parts = [one for one in wanted.text.split() if ":" in one and not one.startswith("state:")]
        others = visible(" ".join(parts))
        count = NONE if self._deliveries is None else number(len(self._deliveries))
        more = ", and more below" if self._next else ""
        return (
            Span(" / ", "accent"),
            status,
            Span(f"  {others}" if others else ""),
            Span(f"   {count} shown{more}", "dim"),
            Span("   follow on" if self._is_following else "", "good"),
            Span("   esc clears" if wanted.text else "", "dim"),
        )

    def _reading(self) -> Sequence[Line]:
        chosen = self._chosen()
        if chosen is None:
            return [(Span(f" {self._nothing()}", "dim"),)]
        reason = chosen.reason or chosen.error_class
        next_try = f", next {at(chosen.next_attempt_at)}" if chosen.next_attempt_at else ""
        replay = f", replays {chosen.replay_of}" if chosen.replay_of else ""
        mark = delivery_mark(chosen.status)
        return [
            (
                Span(f" {mark.text}{next_try}", mark.tone),
                Span(f"  {words(reason)}" if reason else "", "warn"),
            ),
            (Span(f" {chosen.id}  {at(chosen.created_at)}{replay}", "dim"),),
        ]

    def _nothing(self) -> str:
        if self._deliveries is None:
            return NONE
        if not self._filter.text:
            return "Nothing was sent yet. A test event is one key away: 2, then t."
        return "Nothing matches. esc clears the filter."


@lru_cache(2 * MOST_ROWS)
def _row(delivery: Delivery, day: datetime) -> Row:
    """The row, made once for each state of a delivery; `day` is the present one."""
    reason = delivery.reason or delivery.error_class
    return Row(
        id=str(delivery.id),
        cells=(
            Span(short_at(delivery.created_at, day), "dim"),
            delivery_mark(delivery.status),
            Span(delivery.event_type),
            Span(visible(delivery.integration_key)),
            Span(NONE if delivery.status_code is None else str(delivery.status_code)),
            Span(number(delivery.attempt_count)),
            Span(short_at(delivery.next_attempt_at, day), "dim"),
            Span(words(reason) if reason else NONE, "dim"),
        ),
    )
