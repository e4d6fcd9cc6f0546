"""Who did what, and what it changed; newest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType

from shared.contracts.audit import AuditEntry
from shared.errors import GuardianError
from tui.desk import Desk
from tui.keys import bindings
from tui.messages import RootWanted, Said
from tui.pages import longer, merged
from tui.screens.pane import Copy, PollingPane
from tui.text import NONE, Line, Span, at, short_at, visible, words
from tui.widgets.lines import Lines
from tui.widgets.rows import Column, Row, Rows

PAGE = 100
COLUMNS = (
    Column("Time UTC", 11),
    Column("Who"),
    Column("Did", 28),
    Column("To", 26, from_width=72),
    Column("Outcome", 9),
)
DONE = "done"
MOST_CHANGES = 4
PANE_OF = {"integration": "integrations", "key": "keys", "replay": "replays"}
"""Where the things stand that an act is about."""


class AuditPane(PollingPane):
    """The list, and what the act under the cursor changed."""

    PLACES = ("audit",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("audit")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with an empty list."""
        super().__init__(desk, id=id)
        self._entries: list[AuditEntry] | None = None
        self._next: str | None = None
        self._is_fetching = False

    def compose(self) -> ComposeResult:
        """The list above, the change below."""
        yield Rows(COLUMNS, id="audit-rows")
        yield Lines(id="audit-reading")

    async def ask(self) -> None:
        """The newest page, laid over what was fetched before."""
        page = await self.desk.server.audit(limit=PAGE)
        self._entries, self._next = merged(self._entries, self._next, page)

    def take_keys(self) -> None:
        """The list gets the keys."""
        self.screen.set_focus(self.query_one(Rows))

    def forget(self) -> None:
        """Another tenant has another past."""
        super().forget()
        self._entries, self._next = None, None

    def draw(self) -> None:
        """Draw the list and the words on its row."""
        now = self.desk.clock()
        known = self._entries
        rows = None if known is None else [_row(one, now) for one in known]
        self.query_one(Rows).show(rows, is_stale=self.is_stale)
        self.query_one(Lines).show(self._reading())

    def copies(self) -> Sequence[Copy]:
        """The entry under the cursor."""
        chosen = self._chosen()
        if chosen is None:
            return ()
        return (
            Copy("audit id", str(chosen.id)),
            Copy("target", chosen.target_id),
            Copy("entry as JSON", msgspec.json.encode(chosen).decode()),
        )

    def resource(self) -> object:
        """The entries that were fetched."""
        return self._entries

    def on_rows_moved(self) -> None:
        """Say what the act under the cursor changed."""
        self.query_one(Lines).show(self._reading())

    def on_rows_end_reached(self) -> None:
        """Fetch the page after the last row."""
        if self._next is not None and not self._is_fetching:
            self._is_fetching = True
            self._fetch_more(self._next)

    def action_target(self) -> None:
        """Go where the thing stands that was changed."""
        chosen = self._chosen()
        name = PANE_OF.get(chosen.target_kind) if chosen else None
        if name is not None:
            self.tell(RootWanted(name))
        elif chosen is not None:
            self.tell(Said(f"{words(chosen.target_kind)} has no screen of its own.", ""))

    @work(exclusive=True, group="more")
    async def _fetch_more(self, cursor: str) -> None:
        try:
            page = await self.desk.server.audit(cursor=cursor, limit=PAGE)
        except GuardianError as error:
            self.tell(Said(f"✗ No more rows: {visible(error.detail)}", "bad"))
        else:
            self._entries = longer(self._entries or (), page)
            self._next = page.next_cursor
            self.draw()
        finally:
            self._is_fetching = False

    def _chosen(self) -> AuditEntry | None:
        selected = self.query_one(Rows).selected
        return next((one for one in self._entries or () if str(one.id) == selected), None)

    def _reading(self) -> list[Line]:
        chosen = self._chosen()
        if chosen is None:
            empty = NONE if self._entries is None else "Nothing was done yet."
            return [(Span(f" {empty}", "dim"),)]
        request = f", request {visible(chosen.request_id)}" if chosen.request_id else ""
        head: Line = (
            Span(f" {visible(chosen.action)}", "bold"),
            Span(f" of {visible(chosen.target_kind)} {visible(chosen.target_id)}"),
            Span(f", {at(chosen.at)}{request}", "dim"),
        )
        return [head, *_changes(chosen.before or {}, chosen.after or {})]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Line]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    lines: list[Line] = [
        (
            Span(f"   {visible(name)} ", "accent"),
            Span(_value(before, name), "dim"),
            Span(" → "),
            Span(_value(after, name)),
        )
        for name in names[:MOST_CHANGES]
    ]
    left_over = len(names) - MOST_CHANGES
    if left_over > 0:
        lines[-1] = (*lines[-1], Span(f"   … and {left_over} more: o shows all", "dim"))
    return lines


def _value(side: Mapping[str, Any], name: str) -> str:
    return visible(msgspec.json.encode(side[name]).decode(), limit=60) if name in side else NONE


def _row(entry: AuditEntry, now: datetime) -> Row:
    return Row(
        id=str(entry.id),
        cells=(
            Span(short_at(entry.at, now), "dim"),
            Span(visible(f"{entry.actor_kind} {entry.actor_label}")),
            Span(visible(entry.action)),
            Span(visible(f"{entry.target_kind} {entry.target_id}"), "dim"),
            Span(visible(entry.outcome), "dim" if entry.outcome == DONE else "warn"),
        ),
    )
