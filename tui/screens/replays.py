"""Sending a choice of events once more: counted first, watched while it runs, ended by a key."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

import msgspec
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType

from shared.contracts.changes import ChangeKind
from shared.contracts.replays import NewReplay, Replay, ReplayStatus
from shared.errors import GuardianError
from tui.desk import Desk
from tui.integration_named import integration_named
from tui.keys import bindings
from tui.messages import Asked, Said, Typed
from tui.replay_words import EXAMPLE, read_replay
from tui.screens.pane import Copy, PollingPane
from tui.text import NONE, Line, Span, at, number, short_at, visible, words
from tui.widgets.lines import Lines
from tui.widgets.rows import Column, Row, Rows

PAGE = 100
WATCH_S = 1.0
BAR = 10
COLUMNS = (
    Column("Begun UTC", 11),
    Column("State", 11),
    Column("Integration"),
    Column("Progress", 10),
    Column("Sent", 8, is_number=True),
    Column("Of", 8, is_number=True),
    Column("Skipped", 8, is_number=True, from_width=90),
)
_MARKS = {
    ReplayStatus.RUNNING: Span("… running", "warn"),
    ReplayStatus.DONE: Span("✓ done", "good"),
    ReplayStatus.CANCELLED: Span("⊘ cancelled", "bad"),
}


class ReplaysPane(PollingPane):
    """The list, and two lines on the replay under the cursor."""

    PLACES = ("replays",)
    KINDS = frozenset({ChangeKind.REPLAYS, ChangeKind.DELIVERIES})
    BINDINGS: ClassVar[list[BindingType]] = bindings("replays")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with an empty list."""
        super().__init__(desk, id=id)
        self._replays: list[Replay] | None = None

    def compose(self) -> ComposeResult:
        """The list above, the words below."""
        yield Rows(COLUMNS, id="replays-rows")
        yield Lines(id="replays-reading")

    async def ask(self) -> None:
        """The newest replays."""
        self._replays = (await self.desk.server.replays(limit=PAGE)).items

    def take_keys(self) -> None:
        """The list gets the keys."""
        self.screen.set_focus(self.query_one(Rows))

    def forget(self) -> None:
        """Another tenant has other replays."""
        super().forget()
        self._replays = None

    @property
    def hurry_s(self) -> float | None:
        """Progress is worth watching while there is any."""
        is_running = any(one.status is ReplayStatus.RUNNING for one in self._replays or ())
        return WATCH_S if is_running else None

    def draw(self) -> None:
        """Draw the list and the words on its row."""
        now = self.desk.clock()
        known = self._replays
        rows = None if known is None else [_row(one, now) for one in known]
        self.query_one(Rows).show(rows, is_stale=self.is_stale)
        self.query_one(Lines).show(self._reading())

    def copies(self) -> Sequence[Copy]:
        """The replay under the cursor."""
        chosen = self._chosen()
        if chosen is None:
            return ()
        as_json = msgspec.json.encode(chosen).decode()
        return (Copy("replay id", str(chosen.id)), Copy("replay as JSON", as_json))

    def resource(self) -> object:
        """The replays."""
        return self._replays

    def on_rows_moved(self) -> None:
        """Say what the replay under the cursor chose."""
        self.query_one(Lines).show(self._reading())

    def action_replay(self) -> None:
        """Ask what to send once more."""
        self.ask_for("")

    def ask_for(self, given: str) -> None:
        """Ask what to send once more; `given` stands there already."""
        self.tell(Typed(f"Replay ({EXAMPLE}):", self._count, given=given))

    def action_cancel(self) -> None:
        """End the replay under the cursor, after a question."""
        chosen = self._chosen()
        if chosen is None:
            return
        if chosen.status is not ReplayStatus.RUNNING:
            self.tell(Said("It has ended already.", ""))
            return
        left = number(chosen.count - chosen.sent)
        question = (
            f"Make no more of the {left} deliveries left to {visible(chosen.integration_key)}?"
        )
        self.tell(Asked(question, lambda: self._cancel(chosen)))

    @work(exclusive=True, group="count")
    async def _count(self, typed: str) -> None:
        try:
            asked = read_replay(typed)
            server, now = self.desk.server, self.desk.clock()
            integration = await integration_named(server, asked.integration)
            wanted = asked.at(now, integration.id)
            count = (await server.count_replay(wanted)).count
        except GuardianError as error:
            self.tell(Said(f"✗ Not replayed: {visible(error.detail)}", "bad"))
            return
        key = visible(integration.integration_key)
        if not count:
            self.tell(Said(f"Nothing to send to {key}: no event of that time matches.", "warn"))
            return
        what = "1 event" if count == 1 else f"{number(count)} events"
        self.tell(Asked(f"Send {what} once more to {key}?", lambda: self._start(wanted, key)))

    @work(group="change")
    async def _start(self, wanted: NewReplay, key: str) -> None:
        try:
            begun = await self.desk.server.start_replay(wanted)
        except GuardianError as error:
            self.tell(Said(f"✗ Not replayed: {visible(error.detail)}", "bad"))
            return
        self._replays = [begun, *(one for one in self._replays or () if one.id != begun.id)]
        self.draw()
        self.tell(Said(f"✓ Replaying {number(begun.count)} to {key}. D ends it.", "good"))
        self.refetch()

    @work(group="change")
    async def _cancel(self, replay: Replay) -> None:
        try:
            await self.desk.server.cancel_replay(replay.id)
        except GuardianError as error:
            self.tell(Said(f"✗ Not cancelled: {visible(error.detail)}", "bad"))
            return
        self.tell(Said(f"✓ Cancelled; {number(replay.sent)} were made before.", "good"))
        self.refetch()

    def _chosen(self) -> Replay | None:
        selected = self.query_one(Rows).selected
        return next((one for one in self._replays or () if str(one.id) == selected), None)

    def _reading(self) -> list[Line]:
        chosen = self._chosen()
        if chosen is None:
            empty = NONE if self._replays is None else "No replays yet. R sends events once more."
            return [(Span(f" {empty}", "dim"),)]
        what = "what was missed" if chosen.only_missing else ", ".join(chosen.statuses)
        types = ", ".join(chosen.event_types) or "every type"
        reason = f"  {words(chosen.reason)}" if chosen.reason else ""
        return [
            (
                Span(f" {what}", "bold"),
                Span(f"  {types}"),
                Span(f"  {at(chosen.since)} to {at(chosen.until)}", "dim"),
            ),
            (
                Span(f" {chosen.id}", "dim"),
                Span(f"  ended {at(chosen.finished_at)}", "dim"),
                Span(reason, "warn"),
            ),
        ]


def progress(sent: int, count: int) -> str:
    """How far it is, in ten cells."""
    done = BAR if count <= 0 else min(BAR, BAR * sent // count)
    return "█" * done + "·" * (BAR - done)


def _row(replay: Replay, now: datetime) -> Row:
    mark = _MARKS[replay.status]
    return Row(
        id=str(replay.id),
        cells=(
            Span(short_at(replay.created_at, now), "dim"),
            mark,
            Span(visible(replay.integration_key)),
            Span(progress(replay.sent + replay.skipped, replay.count), mark.tone),
            Span(number(replay.sent)),
            Span(number(replay.count)),
            Span(number(replay.skipped), "warn" if replay.skipped else "dim"),
        ),
    )
