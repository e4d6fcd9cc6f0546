"""What was sent, to whom, and how it went; newest first, as far back as one cares to scroll."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from shared.contracts.deliveries import Delivery
from shared.contracts.pages import Page
from shared.contracts.words import DeliveryStatus
from shared.errors import GuardianError
from tui.desk import Desk
from tui.follow import follow, verdict
from tui.marks import delivery_mark
from tui.messages import DeliveryChosen, Said
from tui.screens.pane import PollingPane
from tui.text import NONE, Line, Span, at, number, short_at, visible, words
from tui.widgets.lines import Lines
from tui.widgets.rows import Column, Row, Rows

PAGE = 100
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
    """The list, a filter by status, and two lines on the row under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open"),
        Binding("r", "redeliver", "redeliver"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("escape", "clear", "clear the filter", show=False),
    ]

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with an empty list and no filter."""
        super().__init__(desk, id=id)
        self._deliveries: list[Delivery] | None = None
        self._next: str | None = None
        self._status: DeliveryStatus | None = None
        self._integration: tuple[UUID, str] | None = None
        self._is_fetching = False
        self._is_anew = True

    def compose(self) -> ComposeResult:
        """The filter above, the list, the row's words below."""
        yield Lines(id="deliveries-filter")
        yield Input(
            id="deliveries-prompt",
            compact=True,
            select_on_focus=False,
            placeholder="pending, failed, delivered or discarded; empty for all",
        )
        yield Rows(COLUMNS, id="deliveries-rows")
        yield Lines(id="deliveries-reading")

    def on_mount(self) -> None:
        """The prompt comes with `/`, and its cursor stands still."""
        prompt = self.query_one(Input)
        prompt.cursor_blink = False
        prompt.display = False

    async def ask(self) -> None:
        """The newest page, laid over what was fetched before."""
        question, is_anew = (self._status, self._integration), self._is_anew
        self._is_anew = False
        page = await self._page(None)
        if question != (self._status, self._integration):
            return  # the filter has changed meanwhile, and is asked for next
        known = None if is_anew else self._deliveries
        self._deliveries, self._next = merged(known, self._next, page)

    def take_keys(self) -> None:
        """The list gets the keys."""
        self.screen.set_focus(self.query_one(Rows))

    def forget(self) -> None:
        """Another tenant has other deliveries."""
        super().forget()
        self._restart()
        self._status = self._integration = None

    def only(self, integration_id: UUID, integration_key: str) -> None:
        """Show those of one integration."""
        self._integration = (integration_id, integration_key)
        self._restart()

    def anew(self) -> None:
        """Ask from the top, since older pages may have changed as well."""
        self._is_anew = True
        self.refetch()

    def draw(self) -> None:
        """Draw the list, its filter, and the words on its row."""
        now = self.desk.clock()
        rows = [_row(one, now) for one in self._deliveries or ()]
        is_stale = self.is_stale and self._deliveries is not None
        self.query_one(Rows).show(rows, is_stale=is_stale)
        self.query_one("#deliveries-filter", Lines).show([self._filter_line()])
        self.query_one("#deliveries-reading", Lines).show(self._reading())

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
        chosen = self._chosen()
        if chosen is not None:
            self.post_message(DeliveryChosen(chosen.id))

    def action_redeliver(self) -> None:
        """Send the row's event again, once, and watch how it goes."""
        chosen = self._chosen()
        if chosen is not None:
            self._redeliver(chosen)

    def action_filter(self) -> None:
        """Ask for a status."""
        prompt = self.query_one(Input)
        self._show_prompt(is_shown=True)
        prompt.value = "" if self._status is None else str(self._status)
        prompt.action_end()
        self.screen.set_focus(prompt)

    def action_clear(self) -> None:
        """Leave the prompt, or else drop the filter."""
        if self.query_one(Input).display:
            self._close_prompt()
        elif self._status is not None or self._integration is not None:
            self._status = self._integration = None
            self._restart()

    def on_input_submitted(self, submitted: Input.Submitted) -> None:
        """Filter by the status that begins so."""
        wanted = submitted.value.strip().lower()
        status = next((one for one in DeliveryStatus if one.startswith(wanted)), None)
        if wanted and status is None:
            known = ", ".join(DeliveryStatus)
            self.post_message(Said(f"✗ No such status. There are {known}.", "bad"))
            return
        self._status = status if wanted else None
        self._close_prompt()
        self._restart()

    @work(exclusive=True, group="more")
    async def _fetch_more(self, cursor: str) -> None:
        try:
            page = await self._page(cursor)
        except GuardianError as error:
            self.post_message(Said(f"✗ No more rows: {visible(error.detail)}", "bad"))
        else:
            known = {one.id for one in self._deliveries or ()}
            self._deliveries = [
                *(self._deliveries or ()),
                *(one for one in page.items if one.id not in known),
            ]
            self._next = page.next_cursor
            self.draw()
        finally:
            self._is_fetching = False

    @work(group="redeliver")
    async def _redeliver(self, delivery: Delivery) -> None:
        what = f"{delivery.event_type} to {visible(delivery.integration_key)}"
        self.post_message(Said(f"Redelivering {what} …"))
        try:
            new = await self.desk.server.redeliver(delivery.id)
            self.refetch()
            result = verdict(await follow(self.desk, new.id))
        except GuardianError as error:
            self.post_message(Said(f"✗ Not redelivered: {visible(error.detail)}", "bad"))
            return
        self.post_message(Said(f"{what}: {result.text}", result.tone))
        self.refetch()

    async def _page(self, cursor: str | None) -> Page[Delivery]:
        return await self.desk.server.deliveries(
            status=self._status,
            integration_id=self._integration[0] if self._integration else None,
            cursor=cursor,
            limit=PAGE,
        )

    def _restart(self) -> None:
        self.workers.cancel_group(self, "more")
        self._is_fetching = False
        self._deliveries = None
        self._next = None
        self.draw()
        self.anew()

    def _close_prompt(self) -> None:
        self._show_prompt(is_shown=False)
        self.screen.set_focus(self.query_one(Rows))

    def _show_prompt(self, *, is_shown: bool) -> None:
        self.query_one(Input).display = is_shown
        self.query_one("#deliveries-filter", Lines).display = not is_shown

    def _chosen(self) -> Delivery | None:
        selected = self.query_one(Rows).selected
        return next((one for one in self._deliveries or () if str(one.id) == selected), None)

    def _filter_line(self) -> Line:
        status = Span("every status") if self._status is None else delivery_mark(self._status)
        whose = f" of {visible(self._integration[1])}" if self._integration else ""
        count = NONE if self._deliveries is None else number(len(self._deliveries))
        more = ", and more below" if self._next else ""
        is_filtered = self._status is not None or self._integration is not None
        return (
            Span(" / ", "accent"),
            status,
            Span(whose),
            Span(f"   {count} shown{more}", "dim"),
            Span("   esc clears" if is_filtered else "", "dim"),
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
        if self._status is None and self._integration is None:
            return "Nothing was sent yet. A test event is one key away: 2, then t."
        return "Nothing matches. esc clears the filter."


def merged(
    known: Sequence[Delivery] | None, next_cursor: str | None, newest: Page[Delivery]
) -> tuple[list[Delivery], str | None]:
    """What is known with the newest page laid over it, and where the next page starts.

    Rows below the page stay as they were fetched. If the page does not reach the known rows,
    there is a hole between them, and the page stands alone.
    """
    fresh = {one.id for one in newest.items}
    if not known or not any(one.id in fresh for one in known):
        return list(newest.items), newest.next_cursor
    last = max(place for place, one in enumerate(known) if one.id in fresh)
    older = [one for one in known[last + 1 :] if one.id not in fresh]
    return [*newest.items, *older], next_cursor if older else newest.next_cursor


def _row(delivery: Delivery, now: datetime) -> Row:
    reason = delivery.reason or delivery.error_class
    return Row(
        id=str(delivery.id),
        cells=(
            Span(short_at(delivery.created_at, now), "dim"),
            delivery_mark(delivery.status),
            Span(delivery.event_type),
            Span(visible(delivery.integration_key)),
            Span(NONE if delivery.status_code is None else str(delivery.status_code)),
            Span(number(delivery.attempt_count)),
            Span(short_at(delivery.next_attempt_at, now), "dim"),
            Span(words(reason) if reason else NONE, "dim"),
        ),
    )
