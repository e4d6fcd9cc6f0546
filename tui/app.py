"""The console: a bar that tells the truth about the link, one pane at a time, the keys below."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from rich.cells import cell_len
from rich.console import RenderableType
from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import ContentSwitcher

from shared.client import GuardianClient
from shared.errors import GuardianError, SettingError
from tui.desk import Desk
from tui.display import Changes, Frame, can_compare
from tui.driver import Terminal
from tui.glyphs import Ascii, Glyphs
from tui.link import Link, State
from tui.messages import (
    Asked,
    CommandChosen,
    DeliveriesWanted,
    DeliveryChosen,
    FormWanted,
    Said,
    SecretShown,
    SignedIn,
    TenantChosen,
)
from tui.palette import THEME, Colourless
from tui.screens.commands import Command, CommandsPane
from tui.screens.deliveries import DeliveriesPane
from tui.screens.delivery import DeliveryPane
from tui.screens.history import HistoryPane
from tui.screens.integration_form import IntegrationFormPane
from tui.screens.integrations import IntegrationsPane
from tui.screens.overview import OverviewPane
from tui.screens.pane import Pane
from tui.screens.secret import SecretPane
from tui.screens.sign_in import SignInPane
from tui.screens.tenants import TenantsPane
from tui.settings import Server, save_server
from tui.terminal import EXIT_CRASHED, end_with_terminal, stop_on_signals, write_crash
from tui.text import Line, Span, between, fit, visible
from tui.widgets.lines import Lines
from tui.widgets.question import MessageLine
from tui.widgets.rows import Rows

LEAST_WIDTH = 60
LEAST_HEIGHT = 16
MEDIUM = 80
WIDE = 110
SAFETY = "Metadata only. No core or personal data is shown or sent."
ROOTS = {
    "overview": "Overview",
    "integrations": "Integrations",
    "deliveries": "Deliveries",
    "history": "History",
}
SHORT = {"overview": "Over", "integrations": "Integ", "deliveries": "Deliv", "history": "Hist"}
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
    "commands": CommandsPane,
}
ALONE = frozenset({"sign-in", "tenants"})
"""Panes that stand before the tenant is known: their tabs lead nowhere yet."""


class Console(App[None]):
    """The whole console. It asks the API and nothing else, and writes to the terminal alone."""

    CSS_PATH = "guardian.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "go('overview')", "overview"),
        Binding("2", "go('integrations')", "integrations"),
        Binding("3", "go('deliveries')", "deliveries"),
        Binding("4", "go('history')", "history"),
        Binding("ctrl+r", "refetch", "ask now"),
        Binding("ctrl+l", "redraw", "draw everything anew"),
        Binding("question_mark", "keys", "keys that are valid here", key_display="?"),
        Binding("colon,ctrl+p", "commands", "commands", key_display=":"),
        Binding("q", "leave", "back, or leave"),
        Binding("ctrl+q", "quit", "leave at once", priority=True),
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
        glyphs: Glyphs = Glyphs.BLOCKS,
        interval_s: float = 5.0,
        watch_s: float = 0.3,
    ) -> None:
        """Prepare; nothing is asked before the first frame.

        Args:
            server: whom to ask; without a key, the sign-in pane asks for one.
            clock: now, in UTC.
            dice: uniform in [0, 1).
            env: where files are kept, and whether colours are wanted.
            refusal: why one must sign in, if there is a reason.
            is_full_paint: write whole regions, as Textual does by itself.
            glyphs: what this terminal can show.
            interval_s: seconds between two questions of the pane that is shown.
            watch_s: seconds between two looks at a delivery that is being watched.
        """
        super().__init__(driver_class=Terminal)
        self.register_theme(THEME)
        self.set_reactive(App.theme, THEME.name)
        self.animation_level = "none"
        self.desk = Desk(clock=clock, link=Link(interval_s, dice), watch_s=watch_s, glyphs=glyphs)
        self._server = server
        self._env = env
        self._refusal = refusal
        self._is_colourless = bool(env.get("NO_COLOR"))
        self._frame = None if is_full_paint else Frame()
        self._crash = ""
        self._is_interrupted = False
        self._has_notice = False
        self._said_at = datetime.min.replace(tzinfo=UTC)
        self._trail: list[str] = []
        if server is not None and server.key is not None:
            try:
                self.desk.client = GuardianClient(server.url, server.key)
            except SettingError as error:
                self._refusal = error.detail
        self._first = "sign-in" if self.desk.client is None else "overview"
        self._is_furnished = False

    def compose(self) -> ComposeResult:
        """The bar, the first pane, what was said, and the keys; the other panes come later."""
        yield Lines(id="bar")
        with ContentSwitcher(id="panes"):
            yield PANES[self._first](self.desk, id=self._first)
        yield MessageLine(id="said")
        yield Lines(id="hints")
        yield Lines(id="small")

    def on_mount(self) -> None:
        """Guard the terminal, then open the first pane."""
        if not self.is_headless:
            stop_on_signals(lambda code: self.exit(return_code=code))
            end_with_terminal()
        self.set_interval(1.0, self._tick)
        self._open(self._first)

    async def on_unmount(self) -> None:
        """Hang up."""
        if self.desk.client is not None:
            await self.desk.client.close()

    @property
    def pane(self) -> Pane:
        """The pane on screen."""
        return self._named(self._switcher.current or "overview")

    def get_line_filters(self) -> Sequence[LineFilter]:
        """No colour code under NO_COLOR, greys included; no glyph that the terminal lacks."""
        filters = [Colourless()] if self._is_colourless else super().get_line_filters()
        return [*filters, Ascii()] if self.desk.glyphs is Glyphs.ASCII else filters

    async def on_event(self, event: events.Event) -> None:
        """A key may lead to any pane, so all of them stand before the first is obeyed."""
        if isinstance(event, events.Key):
            await self._furnish()
        await super().on_event(event)

    # What the panes say

    def on_link_changed(self) -> None:
        """Tell how the link stands; at the very start, a refused key leads to the sign-in pane."""
        link = self.desk.link
        if not self.query("#bar"):
            return
        if link.state is State.SIGNED_OUT and link.last_good_at is None:
            self._refusal = self.pane.trouble
            self._open("sign-in")
        self._draw_frame()

    def on_said(self, said: Said) -> None:
        """Put it on the message line."""
        self._said_at = self.desk.clock()
        self.query_one(MessageLine).say(said.text, said.tone)

    def on_asked(self, asked: Asked) -> None:
        """Put the question on the message line."""
        self.query_one(MessageLine).ask(asked.question, asked.act)

    def on_delivery_chosen(self, chosen: DeliveryChosen) -> None:
        """Open it."""
        self.query_one(DeliveryPane).open(chosen.delivery_id)
        self._open_over("delivery")

    def on_form_wanted(self, wanted: FormWanted) -> None:
        """Open the form."""
        self._open_over("form")
        self.query_one(IntegrationFormPane).open(wanted.integration_id, wanted.field)

    def on_secret_shown(self, shown: SecretShown) -> None:
        """Show it; the pane asks before it is left."""
        self._open_over("secret")
        self.query_one(SecretPane).open(shown.title, shown.secret)

    def on_deliveries_wanted(self, wanted: DeliveriesWanted) -> None:
        """Show one integration's deliveries."""
        self.query_one(DeliveriesPane).only(wanted.integration_id, wanted.integration_key)
        self._open("deliveries")

    def on_left(self) -> None:
        """Go back, unless something would be lost."""
        self._leave_then(self._go_back)

    async def on_command_chosen(self, chosen: CommandChosen) -> None:
        """Go back, and do there what was chosen."""
        self._go_back()
        pane = self.pane
        for place in (pane, *pane.query(Rows), self):
            if await self.run_action(chosen.action, default_namespace=place):
                return

    async def on_signed_in(self, signed_in: SignedIn) -> None:
        """Speak to this server from now on; offer to keep it."""
        await self._become(GuardianClient(signed_in.url, signed_in.key), tenant_name="")
        self._open("tenants" if signed_in.is_operator else "overview")
        self.query_one(MessageLine).ask(
            "Save this server? The key goes into a file that only you can read.",
            lambda: self._save(signed_in),
        )

    def on_tenant_needed(self) -> None:
        """An operator picks a tenant first."""
        self._open("tenants")

    async def on_tenant_chosen(self, chosen: TenantChosen) -> None:
        """Look at this tenant from now on."""
        client = self.desk.server.acting_for(chosen.tenant.id)
        await self._become(client, tenant_name=chosen.tenant.name)
        self._open("overview")

    # What the keys do

    def action_go(self, name: str) -> None:
        """Show a pane by name."""
        if self._switcher.current not in ALONE:
            self._leave_then(lambda: self._open(name))

    def action_refetch(self) -> None:
        """Ask now."""
        self.pane.anew()

    def action_redraw(self) -> None:
        """Write every cell anew, whatever the terminal may show."""
        if self._frame is not None:
            self._frame.forget()
        self.refresh(layout=True)

    def action_keys(self) -> None:
        """List the keys that are valid here."""
        self._list("Keys valid here", self._keys_here(), is_typing=False)

    def action_commands(self) -> None:
        """Type a command."""
        extra = [
            Command("", "sign in to another server", "everywhere", "sign_in"),
            Command("", "choose a tenant (operators)", "everywhere", "choose_tenant"),
        ]
        self._list("Commands", [*self._keys_here(), *extra], is_typing=True)

    def action_sign_in(self) -> None:
        """Sign in elsewhere."""
        self._refusal = ""
        self._open("sign-in")

    def action_choose_tenant(self) -> None:
        """Look at another tenant; the server refuses those who are no operators."""
        self._open("tenants")

    def action_leave(self) -> None:
        """Back to where this pane was opened from; from a root pane, out."""
        if self._trail:
            self._leave_then(self._go_back)
        elif self._switcher.current == "sign-in" and self.desk.link.last_good_at is not None:
            self._open("overview")
        else:
            self.exit()

    def action_interrupt(self) -> None:
        """Leave at the second time, in case the first was a slip."""
        if self._is_interrupted:
            self.exit()
        self._is_interrupted = True
        self.query_one(MessageLine).say("ctrl+c again leaves; so does q.", "warn")

    def on_key(self, event: events.Key) -> None:
        """Any other key takes the slip back."""
        if event.key != "ctrl+c":
            self._is_interrupted = False

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
        if self.query("#bar") and self._switcher.current is not None:
            self._draw_frame()
            if self.desk.link.is_stale(self.desk.clock()):
                self.pane.draw()

    def _draw_frame(self) -> None:
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
        chip = (
            f" {fit(name, min(cell_len(name), 32 if width >= WIDE else width // 4))} "
            if name
            else ""
        )
        if current in ALONE:
            left = (Span(chip, "reverse"), Span(" Guardian", "bold"))
            return between(left, (self._link_word(current), Span(" ")), width)
        titles = ROOTS if width >= WIDE else SHORT
        tabs: list[Span] = []
        for place, (pane, title) in enumerate(titles.items(), start=1):
            is_current = pane == (self._trail[0] if self._trail else current)
            tone = "bold" if is_current else "dim"
            tabs += [
                Span(f"{place} {title}" if is_current or width >= MEDIUM else f"{place}", tone)
            ]
            tabs += [Span("  ")]
        return between(
            (Span(chip, "reverse"), Span(" "), *tabs),
            (self._link_word(current), Span(f"  {now:%H:%M}Z ", "dim")),
            width,
        )

    def _link_word(self, current: str) -> Span:
        """Nobody is connected who has not signed in."""
        if current == "sign-in":
            return Span("⊘ signed out", "bad")
        return self.desk.link.word(self.desk.clock())

    def _hints(self) -> Line:
        spans: list[Span] = [Span(" ")]
        leaves = "back" if self._trail else "leave"
        for binding in _shown(self.pane):
            spans += [Span(_key(binding), "accent"), Span(f" {binding.description}  ")]
        if self._switcher.current != "sign-in":
            for key, does in ((":", "commands"), ("?", "keys"), ("q", leaves)):
                spans += [Span(key, "accent"), Span(f" {does}  ", "dim")]
        return tuple(spans)

    def _keys_here(self) -> list[Command]:
        pane = self.pane
        here = [_command(binding, "here") for binding in _bindings(pane)]
        lists = [
            _command(binding, "in the list")
            for rows in pane.query(Rows)
            for binding in _bindings(rows)
        ]
        return [*here, *lists, *(_command(binding, "everywhere") for binding in _bindings(self))]

    def _list(self, title: str, commands: Sequence[Command], *, is_typing: bool) -> None:
        if self._switcher.current == "commands":
            return
        self._open_over("commands")
        self.query_one(CommandsPane).open(title, commands, is_typing=is_typing)

    def _leave_then(self, go: Callable[[], object]) -> None:
        """Go; after a question, if the pane would lose something."""
        pane = self.pane
        doubt = pane.doubt()

        def lose_and_go() -> None:
            pane.forget()
            go()

        if doubt:
            self.query_one(MessageLine).ask(doubt, lose_and_go)
        else:
            go()

    def _open(self, name: str) -> None:
        """Open a pane from which `q` leaves."""
        self._trail.clear()
        self._show(name)

    def _open_over(self, name: str) -> None:
        """Open a pane that leads back to the present one."""
        current = self._switcher.current
        if current is not None and current != name:
            self._trail.append(current)
            self._show(name)

    def _go_back(self) -> None:
        self._show(self._trail.pop() if self._trail else "overview")

    def _show(self, name: str) -> None:
        switcher = self._switcher
        if switcher.current == name:
            return
        if switcher.current is not None:
            self._named(switcher.current).leave()
        switcher.current = name
        pane = self._named(name)
        if isinstance(pane, SignInPane):
            pane.prefill(self._server.url if self._server else "", self._refusal)
        self.query_one(MessageLine).say("", "")
        pane.enter()
        pane.take_keys()
        self._draw_frame()

    async def _become(self, client: GuardianClient, *, tenant_name: str) -> None:
        old, self.desk.client = self.desk.client, client
        self.desk.tenant_name = tenant_name
        self.desk.link.reset()
        for pane in self.query(Pane):
            pane.forget()
        if old is not None:
            await old.close()

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
        """Make the panes that the first frame could do without."""
        if not self._is_furnished:
            self._is_furnished = True
            rest = [kind(self.desk, id=name) for name, kind in PANES.items() if name != self._first]
            for pane in rest:
                pane.display = False
            await self._switcher.mount_all(rest)

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


def _bindings(node: Pane | Rows | App[None]) -> list[Binding]:
    return [one for one in type(node).BINDINGS if isinstance(one, Binding)]


def _shown(pane: Pane) -> list[Binding]:
    return [one for one in _bindings(pane) if one.show]


def _key(binding: Binding) -> str:
    return binding.key_display or binding.key.replace("escape", "esc").partition(",")[0]


def _command(binding: Binding, where: str) -> Command:
    keys = binding.key_display or binding.key.replace("escape", "esc").replace(",", ", ")
    return Command(keys, binding.description, where, binding.action)
