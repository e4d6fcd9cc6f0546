"""The console: a bar that tells the truth about the link, one pane at a time, the keys below."""

import shlex
import subprocess
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

import msgspec
from rich.cells import cell_len
from rich.console import RenderableType
from textual import events, work
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import ContentSwitcher

from shared.client import GuardianClient
from shared.contracts.changes import Change, Live, Notice, Reset
from shared.errors import GuardianError, InvalidError, SettingError
from tui.copying import copy, state_folder, write_private
from tui.desk import Desk
from tui.display import Changes, Frame, can_compare, erases_in_colour
from tui.driver import Terminal
from tui.exporting import export
from tui.glyphs import Ascii, Glyphs
from tui.keys import EVERYWHERE, IN_LISTS, MOST_HINTS, TABLE, bindings, written
from tui.link import Link, State
from tui.messages import (
    Asked,
    CommandChosen,
    DeliveriesWanted,
    DeliveryChosen,
    FormWanted,
    Left,
    LinkChanged,
    PaneWanted,
    PreviewWanted,
    ReplayWanted,
    RootWanted,
    Said,
    SecretShown,
    SignedIn,
    TenantChosen,
    TenantNeeded,
    Typed,
)
from tui.palette import THEME, THEMES, Colourless, Retoned
from tui.screens.api_keys import KeysPane
from tui.screens.audit import AuditPane
from tui.screens.commands import Command, CommandsPane
from tui.screens.deliveries import DeliveriesPane
from tui.screens.delivery import DeliveryPane
from tui.screens.history import HistoryPane
from tui.screens.integration_form import IntegrationFormPane
from tui.screens.integrations import IntegrationsPane
from tui.screens.overview import OverviewPane
from tui.screens.pane import Pane, PollingPane
from tui.screens.portfolio import PortfolioPane
from tui.screens.preview import PreviewPane
from tui.screens.replays import ReplaysPane
from tui.screens.secret import SecretPane
from tui.screens.sign_in import SignInPane
from tui.screens.story import StoryPane
from tui.screens.tenants import TenantsPane
from tui.settings import NO_WISHES, Server, Wishes, keep_session, save_server
from tui.sheet import Sheet
from tui.terminal import EXIT_CRASHED, end_with_terminal, stop_on_signals, write_crash
from tui.text import Line, Span, between, fit, number, visible
from tui.widgets.field import Field
from tui.widgets.lines import Lines
from tui.widgets.prompt import Prompt
from tui.widgets.question import MessageLine
from tui.widgets.rows import Rows

LEAST_WIDTH = 60
LEAST_HEIGHT = 16
MEDIUM = 80
WIDE = 100
WIDEST = 150
SAFETY = "Metadata only. No core or personal data is shown or sent."
ROOTS = {
    "overview": "Overview",
    "integrations": "Integrations",
    "deliveries": "Deliveries",
    "history": "History",
    "replays": "Replays",
    "keys": "Keys",
    "audit": "Audit",
    "portfolio": "Portfolio",
}
SHORT = {name: title[:3] for name, title in ROOTS.items()}
FOR_OPERATORS = frozenset({"portfolio"})
"""Roots that a tenant's own key has no use for; its bar does not name them."""

TIME_TO_READ = timedelta(seconds=8)
"""How long the result of a key stands before the trouble with the link takes its line."""

PANES: Mapping[str, type[Pane]] = {
    "overview": OverviewPane,
    "integrations": IntegrationsPane,
    "deliveries": DeliveriesPane,
    "history": HistoryPane,
    "delivery": DeliveryPane,
    "form": IntegrationFormPane,
    "secret": SecretPane,
    "sign-in": SignInPane,
    "tenants": TenantsPane,
    "replays": ReplaysPane,
    "keys": KeysPane,
    "audit": AuditPane,
    "portfolio": PortfolioPane,
    "preview": PreviewPane,
    "story": StoryPane,
    "commands": CommandsPane,
}
P = TypeVar("P", bound=Pane)

ALONE = frozenset({"sign-in", "tenants"})
"""Panes that stand before the tenant is known: their tabs lead nowhere yet."""


class Console(App[None]):
    """The whole console. It asks the API and nothing else, and writes to the terminal alone."""

    CSS_PATH = "guardian.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(EVERYWHERE),
        Binding("ctrl+c", "interrupt", "twice: leave", show=False, priority=True),
    ]

    def __init__(
        self,
        server: Server | None,
        *,
        clock: Callable[[], datetime],
        dice: Callable[[], float],
        env: Mapping[str, str],
        refusal: str = "",
        is_full_paint: bool = False,
        is_read_only: bool = False,
        glyphs: Glyphs = Glyphs.BLOCKS,
        interval_s: float = 5.0,
        watch_s: float = 0.3,
        wishes: Wishes = NO_WISHES,
    ) -> None:
        """Prepare; nothing is asked before the first frame.

        Args:
            server: whom to ask; without a key, the sign-in pane asks for one.
            clock: now, in UTC.
            dice: uniform in [0, 1).
            env: where files are kept, and whether colours are wanted.
            refusal: why one must sign in, if there is a reason.
            is_full_paint: write whole regions, as Textual does by itself.
            is_read_only: change nothing, whatever the key.
            glyphs: what this terminal can show.
            interval_s: seconds between two questions of the pane that is shown.
            watch_s: seconds between two looks at a delivery that is being watched.
            wishes: what the user's files say: theme, keys, and where the last session ended.
        """
        super().__init__(driver_class=Terminal)
        self.register_theme(THEME)
        self.set_reactive(App.theme, THEME.name)
        self.animation_level = "none"
        self.desk = Desk(
            clock=clock,
            link=Link(interval_s, dice),
            watch_s=watch_s,
            tell=self.hear,
            glyphs=glyphs,
            keymap=wishes.keymap,
            deliveries_filter=wishes.filter,
        )
        self.set_keymap(dict(wishes.keymap))
        self._server = server
        self._is_read_only = is_read_only
        self._env = env
        self._refusal = refusal
        self._retoned = Retoned(wishes.theme)
        self._theme = wishes.theme
        self._is_colourless = bool(env.get("NO_COLOR"))
        self._frame = (
            None if is_full_paint else Frame(erases_in_colour=erases_in_colour(env.get("TERM", "")))
        )
        self._crash = ""
        self._is_interrupted = False
        self._has_notice = False
        self._said_at = datetime.min.replace(tzinfo=UTC)
        self._trail: list[str] = []
        if server is not None and server.key is not None:
            try:
                self.desk.client = GuardianClient(server.url, server.key, is_read_only=is_read_only)
            except SettingError as error:
                self._refusal = error.detail
        last = wishes.screen if wishes.screen in ROOTS else "overview"
        self._first = "sign-in" if self.desk.client is None else last
        self._listened_to: GuardianClient | None = None
        self._switcher_name = ""
        self._is_in_key = False
        self._acts: deque[Callable[[], Awaitable[object]]] = deque()

    def compose(self) -> ComposeResult:
        """The bar, the first pane, what was said, and the keys; the other panes come later."""
        yield Lines(id="bar")
        with ContentSwitcher(id="panes"):
            yield PANES[self._first](self.desk, id=self._first)
        yield MessageLine(id="said")
        yield Prompt(id="prompt")
        yield Lines(id="hints")
        yield Lines(id="small")

    async def on_mount(self) -> None:
        """Guard the terminal, then open the first pane."""
        if not self.is_headless:
            stop_on_signals(lambda code: self.exit(return_code=code))
            end_with_terminal()
            self.app_resume_signal.subscribe(self, self._come_back)
        self.set_interval(1.0, self._tick)
        await self._open(self._first)

    async def on_unmount(self) -> None:
        """Note where the session ended, and hang up."""
        root = self._trail[0] if self._trail else self._switcher_name
        if root in ROOTS:
            keep_session(self._env, self._theme, root, self.desk.deliveries_filter)
        if self.desk.client is not None:
            await self.desk.client.close()

    @property
    def is_up(self) -> bool:
        """Whether there is a frame to draw into, which is taken down while the console ends."""
        return not self._exit and bool(self.query("#bar"))

    @property
    def pane(self) -> Pane:
        """The pane on screen."""
        return self._named(self._switcher.current or "overview")

    def get_line_filters(self) -> Sequence[LineFilter]:
        """No colour code under NO_COLOR, greys included; no glyph that the terminal lacks."""
        filters = [Colourless()] if self._is_colourless else [self._retoned]
        return [*filters, Ascii()] if self.desk.glyphs is Glyphs.ASCII else filters

    def get_default_screen(self) -> Screen[None]:
        """The one that paints at once."""
        return Sheet()

    # What the panes say

    def hear(self, message: object) -> None:
        """Take what a pane tells; it is heeded in order, and before another key is read."""
        self._later(partial(self._heed, message))

    async def _heed(self, message: object) -> None:  # noqa: C901, PLR0912 - a message a case
        match message:
            case LinkChanged():
                await self._show_link()
            case Said(text, tone):
                self._said_at = self.desk.clock()
                self.query_one(MessageLine).say(text, tone)
            case Asked(question, act):
                self.query_one(MessageLine).ask(question, act)
            case Typed(question, act, given):
                self.query_one(Prompt).ask(question, act, given=given)
            case DeliveryChosen(delivery_id):
                (await self._made(DeliveryPane)).open(delivery_id)
                await self._open_over("delivery")
            case FormWanted(integration_id, field):
                await self._open_over("form")
                self.query_one(IntegrationFormPane).open(integration_id, field)
            case SecretShown(title, secret):
                await self._open_over("secret")
                self.query_one(SecretPane).open(title, secret)
            case DeliveriesWanted(integration_id, integration_key):
                (await self._made(DeliveriesPane)).only(integration_id, integration_key)
                await self._open("deliveries")
            case PreviewWanted(integration_id, integration_key):
                (await self._made(PreviewPane)).open(integration_id, integration_key)
                await self._open_over("preview")
            case ReplayWanted(given):
                await self._open("replays")
                self.query_one(ReplaysPane).ask_for(given)
            case PaneWanted(name):
                await self._open_over(name)
            case RootWanted(name):
                await self._open(name)
            case Left():
                await self._leave_then(self._go_back)
            case CommandChosen(action):
                await self._run_command(action)
            case SignedIn():
                await self._sign_in(message)
            case TenantNeeded():
                self.desk.is_operator = True
                await self._open("tenants")
            case TenantChosen(tenant):
                self._become(self.desk.server.acting_for(tenant.id), tenant_name=tenant.name)
                await self._open("overview")
            case _:
                raise TypeError(message)

    async def _show_link(self) -> None:
        """Tell how the link stands; at the very start, a refused key leads to the sign-in pane."""
        link = self.desk.link
        if link.state is State.SIGNED_OUT and link.last_good_at is None:
            self._refusal = self.pane.trouble
            await self._open("sign-in")
        elif link.state is State.POLLING and self._listened_to is not self.desk.client:
            self._listened_to = self.desk.client
            self._listen(self.desk.server)
        self._draw_frame()

    @work(exclusive=True, group="stream")
    async def _listen(self, server: GuardianClient) -> None:
        """Hear what changes; where the server refuses to tell, polling goes on."""
        with suppress(GuardianError):
            async for notice in server.stream():
                self._heed_notice(notice)
        self._heed_notice(Live(is_live=False))

    def _heed_notice(self, notice: Notice) -> None:
        pane = self.pane
        match notice:
            case Live(is_live=is_live):
                self.desk.link.is_told = is_live
            case Reset():
                pass
            case Change(kind=kind):
                if isinstance(pane, PollingPane):
                    pane.hear(kind)
                return
        if isinstance(pane, PollingPane):
            pane.refetch()
        self._draw_frame()

    async def _run_command(self, action: str) -> None:
        """Go back, and do there what was chosen."""
        await self._go_back()
        pane = self.pane
        for place in (pane, *pane.query(Rows), self):
            if await self.run_action(action, default_namespace=place):
                return

    async def _sign_in(self, signed_in: SignedIn) -> None:
        """Speak to this server from now on; offer to keep it."""
        client = GuardianClient(signed_in.url, signed_in.key, is_read_only=self._is_read_only)
        self._become(client, tenant_name="")
        self.desk.is_operator = signed_in.is_operator
        await self._open("tenants" if signed_in.is_operator else "overview")
        self.query_one(MessageLine).ask(
            "Save this server? The key goes into a file that only you can read.",
            lambda: self._save(signed_in),
        )

    # What the keys do

    async def action_go(self, name: str) -> None:
        """Show a pane by name."""
        if self._switcher.current not in ALONE:
            await self._leave_then(partial(self._open, name))

    def action_refetch(self) -> None:
        """Ask now."""
        self.pane.anew()

    def _come_back(self, _app: App[object]) -> None:
        """The shell has written over the screen meanwhile."""
        self.action_redraw()

    def action_redraw(self) -> None:
        """Write every cell anew, whatever the terminal may show."""
        if self._frame is not None:
            self._frame.forget()
        self.refresh(layout=True)

    async def action_keys(self) -> None:
        """List the keys that are valid here."""
        await self._list("Keys valid here", self._keys_here(), is_typing=False)

    async def action_commands(self) -> None:
        """Type a command."""
        extra = [
            Command("", "sign in to another server", "everywhere", "sign_in"),
            Command("", "choose a tenant (operators)", "everywhere", "choose_tenant"),
        ]
        await self._list("Commands", [*self._keys_here(), *extra], is_typing=True)

    async def action_sign_in(self) -> None:
        """Sign in elsewhere."""
        self._refusal = ""
        await self._open("sign-in")

    async def action_choose_tenant(self) -> None:
        """Look at another tenant; the server refuses those who are no operators."""
        await self._open("tenants")

    async def action_leave(self) -> None:
        """Back to where this pane was opened from; from a root pane, out."""
        if self._trail:
            await self._leave_then(self._go_back)
        elif self._switcher.current == "sign-in" and self.desk.link.last_good_at is not None:
            await self._open("overview")
        else:
            self.exit()

    async def action_copy(self) -> None:
        """Copy what is likeliest wanted."""
        await self.action_copy_nth(0)

    async def action_copy_nth(self, place: int) -> None:
        """Copy one of what the pane offers, and say which way it went."""
        copies = self.pane.copies()
        message = self.query_one(MessageLine)
        self._said_at = self.desk.clock()
        if place >= len(copies):
            message.say("There is nothing to copy here.", "")
            return
        chosen = copies[place]
        told = await copy(chosen.text, self._env, self._send, is_secret=chosen.is_secret)
        message.say(f"{told[:1]} {chosen.name}: {told[2:]}", "good" if told[0] == "✓" else "bad")

    async def action_copy_menu(self) -> None:
        """Choose what to copy."""
        commands = [
            Command("", one.name, f"{number(len(one.text))} chars", f"copy_nth({place})")
            for place, one in enumerate(self.pane.copies())
        ]
        await self._list("Copy", commands, is_typing=False)

    def action_open(self) -> None:
        """Read what the pane shows, as JSON, in the pager."""
        resource = self.pane.resource()
        message = self.query_one(MessageLine)
        if resource is None:
            message.say("There is nothing to open here.", "")
            return
        text = msgspec.json.format(msgspec.json.encode(resource), indent=2).decode()
        path = state_folder(self._env) / "opened.json"
        pager = shlex.split(self._env.get("PAGER") or "less")
        if not write_private(path, text):
            message.say(f"✗ Not opened: {path} cannot be written.", "bad")
            return
        try:
            with self.suspend():
                subprocess.run([*pager, str(path)], check=False)  # noqa: S603 - the user's own pager
        except SuspendNotSupported:
            message.say(f"This terminal cannot be lent; it is in {path}.", "warn")
        except OSError as error:
            message.say(f"✗ Not opened: {pager[0]}: {error.strerror}; it is in {path}.", "bad")
        if self._frame is not None:
            self._frame.forget()
        self.refresh(layout=True)

    def action_export(self) -> None:
        """Ask for a file's name, and write what the pane shows into it."""
        if self.pane.resource() is None:
            self.query_one(MessageLine).say("There is nothing to export here.", "")
            return
        name = f"{self._switcher.current}-{self.desk.clock():%Y%m%dT%H%M%SZ}.csv"
        self.query_one(Prompt).ask("Write to (.csv, .json, .ndjson):", self._export, given=name)

    def _export(self, name: str) -> None:
        message = self.query_one(MessageLine)
        self._said_at = self.desk.clock()
        try:
            path = Path(name).expanduser()
            count = export(self.pane.resource(), path)
        except (InvalidError, RuntimeError) as error:
            message.say(f"✗ Not written: {visible(str(error))}", "bad")
        else:
            message.say(f"✓ {number(count)} rows are in {path.resolve()}.", "good")

    def _send(self, sequence: str) -> None:
        """To the terminal, past the screen."""
        if self._driver is not None:
            self._driver.write(sequence)

    def action_theme(self) -> None:
        """Draw in the next theme's colours; it is kept for the next session."""
        after = THEMES.index(self._theme) + 1
        self._theme = THEMES[after % len(THEMES)]
        self._retoned = Retoned(self._theme)
        self.query_one(MessageLine).say(f"Theme: {self._theme}.", "")
        self.action_redraw()

    def action_interrupt(self) -> None:
        """Leave at the second time, in case the first was a slip."""
        if self._is_interrupted:
            self.exit()
        self._is_interrupted = True
        self.query_one(MessageLine).say("ctrl+c again leaves; so does q.", "warn")

    # Keys, one at a time

    async def on_event(self, event: events.Event) -> None:
        """Do all that a key does before the next one is read.

        Textual hands a key to the widget that has the keys and lets it rise from there, which takes
        several turns of the loop; a fast hand's next key would meanwhile reach the old widget.
        """
        if isinstance(event, events.Key) and not event.is_forwarded:
            self._is_interrupted = self._is_interrupted and event.key == "ctrl+c"
            self._is_in_key = True
            try:
                await self._do_key(event)
                await self._catch_up()
            finally:
                self._is_in_key = False
        elif isinstance(event, events.Paste) and not event.is_forwarded:
            if isinstance(self.focused, Field):
                self.focused.paste(event)
        else:
            await super().on_event(event)

    async def _do_key(self, event: events.Key) -> None:
        if await self._check_bindings(event.key, priority=True):
            return
        taker = self.focused
        if not isinstance(taker, Field | MessageLine) or not await taker.take(event):
            await self._check_bindings(event.key)

    def _later(self, act: Callable[[], Awaitable[object]]) -> None:
        """Do it in the app's own turn, in order: within a key, before the next one."""
        self._acts.append(act)
        if not self._is_in_key:
            self.call_later(self._catch_up)

    async def _catch_up(self) -> None:
        while self._acts and self.is_up:
            await self._acts.popleft()()

    # Drawing

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the new size, or say what size is needed."""
        width, height = event.size
        is_small = width < LEAST_WIDTH or height < LEAST_HEIGHT
        was_small = self.screen.has_class("-small")
        self.screen.set_class(is_small, "-small")
        if is_small:
            said = f"needs {LEAST_WIDTH}x{LEAST_HEIGHT}, has {width}x{height}"
            middle = [(Span(said.center(width)),), (Span("q leaves".center(width), "dim"),)]
            self.query_one("#small", Lines).show([()] * max(0, height // 2 - 1) + middle)
        elif was_small:
            self.pane.take_keys()
        self._draw_frame()

    def _tick(self) -> None:
        """Ages and countdowns move on, until the widgets are taken down."""
        if self.is_up and self._switcher.current is not None:
            self._draw_frame()
            if self.desk.link.is_stale(self.desk.clock()):
                self.pane.draw()

    def _draw_frame(self) -> None:
        if self._switcher.current is None:
            return  # the first pane is on its way
        width = self.size.width
        self.query_one("#bar", Lines).show([self._bar(width), (Span(f" {SAFETY}", "warn"),)])
        self.query_one("#hints", Lines).show([self._hints()])
        notice = self.pane.notice()
        message = self.query_one(MessageLine)
        is_reading = self.desk.clock() - self._said_at < TIME_TO_READ
        if notice and not is_reading:
            message.say(notice, "warn")
            self._has_notice = True
        elif self._has_notice and not notice:
            message.say("", "")
            self._has_notice = False

    def _bar(self, width: int) -> Line:
        now = self.desk.clock()
        current = self._switcher.current or ""
        client = self.desk.client
        name = visible(
            self.desk.tenant_name or (urlsplit(client.base_url).netloc if client else "")
        )
        share = 12 if self.desk.is_operator else 8
        room = 32 if width >= WIDE else width // share
        chip = f" {fit(name, min(cell_len(name), room))} " if name else ""
        if current in ALONE:
            left = (Span(chip, "reverse"), Span(" Guardian", "bold"))
            return between(left, (self._link_word(current), Span(" ")), width)
        titles = ROOTS if width >= WIDEST else SHORT
        root = self._trail[0] if self._trail else current
        tabs: list[Span] = []
        for place, (pane, title) in enumerate(titles.items(), start=1):
            if pane in FOR_OPERATORS and not self.desk.is_operator:
                continue
            is_current = pane == root
            told = f"{place} {ROOTS[pane] if is_current and width >= WIDE else title}"
            is_named = is_current or width >= MEDIUM
            tabs += [
                Span(told if is_named else f"{place}", "bold" if is_current else "dim"),
                Span("  " if width >= WIDE else " "),
            ]
        read_only = (Span(" RO ", "reverse"), Span(" ")) if self._is_read_only else ()
        return between(
            (Span(chip, "reverse"), Span(" "), *read_only, *tabs),
            (self._link_word(current), Span(f"  {now:%H:%M}Z ", "dim")),
            width,
        )

    def _link_word(self, current: str) -> Span:
        """Nobody is connected who has not signed in."""
        if current == "sign-in":
            return Span("⊘ signed out", "bad")
        return self.desk.link.word(self.desk.clock())

    def _hints(self) -> Line:
        """The keys that matter most here, as many as fit; whole ones only."""
        pane = self.pane
        wanted = [
            (written(key, self.desk.keymap, place), key.does)
            for place in pane.PLACES
            for key in TABLE[place]
            if key.is_hinted
        ]
        ends = [("q", "back" if self._trail else "leave")]
        if self._switcher.current != "sign-in":
            ends = [(":", "commands"), ("?", "keys"), *ends]
        spans: list[Span] = [Span(" ")]
        room = self.size.width - 1 - sum(len(key) + len(does) + 3 for key, does in ends)
        for key, does in wanted[:MOST_HINTS]:
            taken = cell_len(key) + cell_len(does) + 3
            if taken <= room:
                spans += [Span(key, "accent"), Span(f" {does}  ")]
                room -= taken
        if self._switcher.current != "sign-in":
            for key, does in ends:
                spans += [Span(key, "accent"), Span(f" {does}  ", "dim")]
        return tuple(spans)

    def _keys_here(self) -> list[Command]:
        pane = self.pane
        places = [(place, "here") for place in pane.PLACES]
        if pane.query(Rows):
            places.append((IN_LISTS, "in the list"))
        return [
            Command(written(key, self.desk.keymap, place), key.does, where, key.action)
            for place, where in (*places, (EVERYWHERE, "everywhere"))
            for key in TABLE[place]
        ]

    async def _list(self, title: str, commands: Sequence[Command], *, is_typing: bool) -> None:
        if self._switcher.current == "commands":
            return
        await self._open_over("commands")
        self.query_one(CommandsPane).open(title, commands, is_typing=is_typing)

    async def _leave_then(self, go: Callable[[], Awaitable[object]]) -> None:
        """Go; after a question, if the pane would lose something."""
        pane = self.pane
        doubt = pane.doubt()

        def lose_and_go() -> None:
            pane.forget()
            self._later(go)

        if doubt:
            self.query_one(MessageLine).ask(doubt, lose_and_go)
        else:
            await go()

    async def _open(self, name: str) -> None:
        """Open a pane from which `q` leaves."""
        self._trail.clear()
        await self._show(name)

    async def _open_over(self, name: str) -> None:
        """Open a pane that leads back to the present one."""
        current = self._switcher.current
        if current is not None and current != name:
            self._trail.append(current)
            await self._show(name)

    async def _go_back(self) -> None:
        await self._show(self._trail.pop() if self._trail else "overview")

    async def _show(self, name: str) -> None:
        switcher = self._switcher
        if switcher.current == name:
            return
        pane = await self._made(PANES[name])
        if switcher.current is not None:
            self._named(switcher.current).leave()
        switcher.current = self._switcher_name = name
        if isinstance(pane, SignInPane):
            pane.prefill(self._server.url if self._server else "", self._refusal)
        self.query_one(MessageLine).say("", "")
        self.query_one(Prompt).close()
        pane.enter()
        pane.take_keys()
        self._draw_frame()

    async def _made(self, kind: type[P]) -> P:
        """The pane of that kind; it is made at its first use, so that the start is short."""
        for pane in self.query(kind):
            return pane
        name = next(name for name, one in PANES.items() if one is kind)
        pane = kind(self.desk, id=name)
        pane.display = False
        await self._switcher.mount(pane)
        return pane

    def _become(self, client: GuardianClient, *, tenant_name: str) -> None:
        old, self.desk.client = self.desk.client, client
        self.desk.tenant_name = tenant_name
        self.desk.link.reset()
        self.workers.cancel_group(self, "stream")
        for pane in self.query(Pane):
            pane.forget()
        if old is not None:
            self.run_worker(old.close())

    def _save(self, signed_in: SignedIn) -> None:
        try:
            folder = save_server(self._env, signed_in.url, signed_in.key)
        except GuardianError as error:
            self.query_one(MessageLine).say(f"✗ Not saved: {error.detail}", "bad")
        else:
            self.query_one(MessageLine).say(f"✓ Saved in {folder}.", "good")

    @property
    def _switcher(self) -> ContentSwitcher:
        return self.query_one(ContentSwitcher)

    def _named(self, name: str) -> Pane:
        return self.query_one(f"#{name}", Pane)

    async def _furnish(self) -> None:
        """Make the panes that the first frame could do without, one between two keys."""
        for kind in PANES.values() if self.is_up else ():
            if not self.query(kind):
                await self._made(kind)
                self.call_later(self._furnish)
                return

    # The terminal

    def _display(self, screen: Screen[None], renderable: RenderableType | None) -> None:
        if not self.desk.is_drawn.is_set():
            self.call_later(self._furnish)
            self.desk.is_drawn.set()
        frame = self._frame
        if frame is not None and isinstance(renderable, CompositorUpdate):
            if can_compare(renderable):
                renderable = Changes(renderable, frame)
            else:
                frame.forget()
        super()._display(screen, renderable)

    def _fatal_error(self) -> None:
        """One line instead of Textual's traceback, whose local values would show secrets."""
        path = write_crash(self._env, self.desk.clock())
        where = f"; what happened is in {path}" if path else ""
        self._crash = f"guardian tui: it stopped because of a mistake of its own{where}."
        self._return_code = EXIT_CRASHED
        self._close_messages_no_wait()

    @property
    def crash(self) -> str:
        """What to say after a crash, once the terminal is restored; empty if there was none."""
        return self._crash
