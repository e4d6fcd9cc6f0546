"""Who hears about the tenant, and whether it reaches them; switched and tested by one key."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

import msgspec
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType

from shared.contracts.changes import ChangeKind
from shared.contracts.integrations import (
    Integration,
    IntegrationChange,
    QueuedTest,
    SecretRotation,
    TestsQueued,
)
from shared.errors import GuardianError
from tui.desk import Desk
from tui.follow import follow, verdict
from tui.integration_rows import COLUMNS, integration_row
from tui.keys import bindings
from tui.messages import (
    Asked,
    DeliveriesWanted,
    FormWanted,
    PreviewWanted,
    Said,
    SecretShown,
    typed_to_confirm,
)
from tui.pages import LARGEST_PAGE, all_of
from tui.screens.pane import Copy, PollingPane
from tui.text import Line, Span, at, clock_time, number, visible, words
from tui.widgets.lines import Lines
from tui.widgets.rows import Rows

TIME_TO_UNDO = timedelta(seconds=10)


class IntegrationsPane(PollingPane):
    """The list, and three lines on the row under the cursor."""

    PLACES = ("integrations",)
    KINDS = frozenset({ChangeKind.DELIVERIES, ChangeKind.INTEGRATIONS})
    BINDINGS: ClassVar[list[BindingType]] = bindings("integrations")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with an empty list."""
        super().__init__(desk, id=id)
        self._integrations: list[Integration] | None = None
        self._wanted: dict[UUID, bool] = {}
        self._results: dict[UUID, Span] = {}
        self._switched: tuple[UUID, datetime] | None = None

    def compose(self) -> ComposeResult:
        """The list above, the row's words below."""
        yield Rows(COLUMNS, id="integrations-rows")
        yield Lines(id="integrations-reading")

    async def ask(self) -> None:
        """Every integration, page by page."""
        server = self.desk.server
        self._integrations = await all_of(
            lambda cursor: server.integrations(cursor=cursor, limit=LARGEST_PAGE)
        )

    def take_keys(self) -> None:
        """The list gets the keys."""
        self.screen.set_focus(self.query_one(Rows))

    def forget(self) -> None:
        """Another tenant has other integrations."""
        super().forget()
        self._integrations = None
        self._wanted.clear()
        self._results.clear()
        self._switched = None

    def draw(self) -> None:
        """Draw the list and the words on its row."""
        now = self.desk.clock()
        known = self._integrations
        rows = None
        if known is not None:
            rows = [integration_row(one, now=now, mark=self._mark(one)) for one in known]
        self.query_one(Rows).show(rows, is_stale=self.is_stale)
        self.query_one(Lines).show(self._reading())

    def copies(self) -> Sequence[Copy]:
        """The row's names."""
        chosen = self._chosen()
        if chosen is None:
            return ()
        return (
            Copy("integration id", str(chosen.id)),
            Copy("key", chosen.integration_key),
            Copy("integration as JSON", msgspec.json.encode(chosen).decode()),
        )

    def resource(self) -> object:
        """The integrations."""
        return self._integrations

    def on_rows_moved(self) -> None:
        """Say what the row under the cursor is."""
        self.query_one(Lines).show(self._reading())

    def action_switch(self) -> None:
        """Switch the row on or off; shown at once, taken back if the server refuses."""
        chosen = self._chosen()
        if chosen is not None and chosen.id not in self._wanted:
            self._wanted[chosen.id] = not chosen.is_enabled
            self.draw()
            self._switch(chosen, is_enabled=not chosen.is_enabled)

    def action_test(self) -> None:
        """Send a test event to the row, and watch it arrive."""
        chosen = self._chosen()
        if chosen is not None:
            self._test(chosen.id)

    def action_test_all(self) -> None:
        """Send a test event to every integration that is on, after a question."""
        count = sum(one.is_enabled for one in self._integrations or ())
        if not count:
            self.tell(Said("No integration is on: space switches the row on.", "warn"))
            return
        what = "1 integration" if count == 1 else f"{number(count)} integrations"
        self.tell(Asked(f"Send a test event to {what}?", self._test_every_one))

    def action_edit(self) -> None:
        """Change the row."""
        chosen = self._chosen()
        if chosen is not None:
            self.tell(FormWanted(chosen.id, "label"))

    def action_create(self) -> None:
        """Make one."""
        self.tell(FormWanted(None, "key"))

    def action_preview(self) -> None:
        """Show what the row would get."""
        chosen = self._chosen()
        if chosen is not None:
            self.tell(PreviewWanted(chosen.id, chosen.integration_key))

    def action_rotate(self) -> None:
        """Make a new signing secret, once the key was typed."""
        chosen = self._chosen()
        if chosen is not None:
            key = visible(chosen.integration_key)
            question = f"Type {key} to give it a new secret:"
            self._confirm(question, key, lambda: self._rotate(chosen))

    def action_delete(self) -> None:
        """Remove the row, once the key was typed."""
        chosen = self._chosen()
        if chosen is not None:
            key = visible(chosen.integration_key)
            question = f"Type {key} to delete it for good:"
            self._confirm(question, key, lambda: self._delete(chosen))

    def action_undo(self) -> None:
        """Switch the last switched one back, while there is time."""
        switched, self._switched = self._switched, None
        if switched is None or self.desk.clock() - switched[1] > TIME_TO_UNDO:
            self._say("There is nothing to undo.", "")
            return
        for one in self._integrations or ():
            if one.id == switched[0] and one.id not in self._wanted:
                self._wanted[one.id] = not one.is_enabled
                self.draw()
                self._switch(one, is_enabled=not one.is_enabled)

    def action_deliveries(self) -> None:
        """Show what was sent to the row."""
        chosen = self._chosen()
        if chosen is not None:
            self.tell(DeliveriesWanted(chosen.id, chosen.integration_key))

    @work(group="change")
    async def _switch(self, integration: Integration, *, is_enabled: bool) -> None:
        key = visible(integration.integration_key)
        try:
            changed = await self.desk.server.update_integration(
                integration.id,
                IntegrationChange(is_enabled=is_enabled),
                version=integration.version,
            )
        except GuardianError as error:
            stays = "on" if integration.is_enabled else "off"
            self._say(f"✗ {key} stays {stays}: {visible(error.detail)}", "bad")
        else:
            self._replace(changed)
            self._switched = (changed.id, self.desk.clock())
            state = "on" if changed.is_enabled else "off"
            self._say(f"✓ {key} is {state}. u undoes it.", "good")
        finally:
            self._wanted.pop(integration.id, None)
            self.draw()
            self.refetch()

    @work(group="change")
    async def _rotate(self, integration: Integration) -> None:
        key = visible(integration.integration_key)
        try:
            new = await self.desk.server.rotate_secret(integration.id, SecretRotation())
        except GuardianError as error:
            self._say(f"✗ Not rotated: {visible(error.detail)}", "bad")
            return
        old = new.previous_secret_until
        until = f"; the old one signs too until {at(old)}" if old else ""
        if new.signing_secret is not None:
            self.tell(SecretShown(f"New signing secret of {key}{until}", new.signing_secret))
            self._say(f"✓ {key} has a new secret. y copies it.", "good")
        else:
            self._say(f"✓ {key} signs with a new key: {visible(new.verifying_key or '')}", "good")
        self.refetch()

    @work(group="change")
    async def _delete(self, integration: Integration) -> None:
        key = visible(integration.integration_key)
        try:
            await self.desk.server.delete_integration(integration.id, version=integration.version)
        except GuardianError as error:
            self._say(f"✗ {key} stays: {visible(error.detail)}", "bad")
            return
        self._integrations = [one for one in self._integrations or () if one.id != integration.id]
        self.draw()
        self._say(f"✓ {key} is deleted.", "good")
        self.refetch()

    def _confirm(self, question: str, key: str, act: Callable[[], object]) -> None:
        self.tell(typed_to_confirm(question, key, act, lambda why: self._say(why, "")))

    def _test_every_one(self) -> None:
        self._test(None)

    @work(group="test")
    async def _test(self, integration_id: UUID | None) -> None:
        try:
            queued = await self.desk.server.test_integrations(integration_id)
        except GuardianError as error:
            self._say(f"✗ Not tested: {visible(error.detail)}", "bad")
            return
        for one in queued.integrations:
            self._results[one.integration_id] = Span("… on its way", "warn")
            self._watch(one)
        self._say(_queued(queued), "")
        self.draw()

    @work(group="watch")
    async def _watch(self, test: QueuedTest) -> None:
        key = visible(test.integration_key)
        try:
            result = verdict(await follow(self.desk, test.delivery_id))
        except GuardianError as error:
            result = Span(f"▲ lost sight of it: {visible(error.detail)}", "warn")
        self._results[test.integration_id] = Span(
            f"{result.text}, at {clock_time(self.desk.clock())}", result.tone
        )
        self._say(f"Test of {key}: {result.text}", result.tone)
        self.draw()
        self.refetch()

    def _say(self, text: str, tone: str) -> None:
        self.tell(Said(text, tone))

    def _replace(self, changed: Integration) -> None:
        self._integrations = [
            changed if one.id == changed.id else one for one in self._integrations or ()
        ]

    def _chosen(self) -> Integration | None:
        """The integration under the cursor, by id, so that a refresh cannot swap it."""
        selected = self.query_one(Rows).selected
        return next((one for one in self._integrations or () if str(one.id) == selected), None)

    def _mark(self, integration: Integration) -> Span | None:
        wanted = self._wanted.get(integration.id)
        if wanted is None:
            return None
        return Span("● on …" if wanted else "○ off …", "warn")

    def _reading(self) -> Sequence[Line]:
        chosen = self._chosen()
        if chosen is None:
            empty = "No integrations yet. c creates one."
            return [(Span(" -" if self._integrations is None else f" {empty}", "dim"),)]
        config = chosen.config_summary
        stats = chosen.webhook_stats
        error = chosen.disabled_reason or stats.last_error
        return [
            (
                Span(f" {visible(chosen.integration_key)}", "bold"),
                Span(f"  {visible(chosen.label, limit=60)}"),
                Span(f"  {visible(config.webhook_host)}/…{visible(config.url_hint)}", "dim"),
                Span(f"  {config.format}, {visible(config.signature)}", "dim"),
            ),
            (
                Span(" Last error ", "dim"),
                Span(words(error) if error else "-", "warn" if error else "dim"),
                Span(f"   last delivered {at(stats.last_delivered_at)}", "dim"),
            ),
            (Span(" Test       ", "dim"), self._results.get(chosen.id, Span("-", "dim"))),
        ]


def _queued(queued: TestsQueued) -> str:
    if queued.test_events_created == 1 and queued.integrations:
        return f"Test of {visible(queued.integrations[0].integration_key)}: … on its way"
    return f"{number(queued.test_events_created)} test events are on their way."
