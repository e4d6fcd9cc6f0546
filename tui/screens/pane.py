"""What the panes have in common: one polling loop, the last good answer, and why it is old."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import ClassVar, NamedTuple

from textual import work
from textual.containers import Vertical
from textual.css.query import NoMatches

from shared.contracts.changes import ChangeKind
from shared.errors import GuardianError, InvalidError
from tui.desk import Desk
from tui.link import SAFETY_S
from tui.messages import LinkChanged, TenantNeeded
from tui.text import clock_time, visible
from tui.widgets.rows import Rows


class Copy(NamedTuple):
    """Something that can be copied; a secret is kept out of files."""

    name: str
    text: str
    is_secret: bool = False


class Pane(Vertical):
    """A screenful. While it is shown it asks again and again; hidden, it is silent."""

    PLACES: ClassVar[tuple[str, ...]] = ()
    """Where in the table of keys its own stand, the first ones first in the footer."""

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Take a place at the desk; nothing is asked before `enter`."""
        super().__init__(id=id)
        self.desk = desk
        self.trouble = ""
        """Why the numbers are not fresh; empty while they are."""
        self.data_at: datetime | None = None
        """When the numbers on screen were answered."""
        self._wake = asyncio.Event()

    @abstractmethod
    def draw(self) -> None:
        """Draw what is known; called after every answer, key and change of size."""

    def enter(self) -> None:
        """Come on screen."""
        self.draw()

    def take_keys(self) -> None:
        """Give the keys to the widget that wants them, before the next key is read."""
        self.screen.set_focus(self)

    def leave(self) -> None:
        """Go off screen."""

    def doubt(self) -> str:
        """What to ask before this pane is left for good; empty: nothing would be lost."""
        return ""

    def forget(self) -> None:
        """Drop the last answer: another server or tenant is asked from now on."""
        self.trouble = ""
        self.data_at = None

    def copies(self) -> Sequence[Copy]:
        """What can be copied here, the likeliest first."""
        return ()

    def resource(self) -> object:
        """What is shown, as the server told it; None: nothing that could be written down."""
        return None

    def tell(self, message: object) -> None:
        """Tell the app one of `tui.messages`."""
        self.desk.tell(message)

    def refetch(self) -> None:
        """Ask now, for everything."""
        self._wake.set()

    def anew(self) -> None:
        """Ask now, for everything: somebody pressed the key for it."""
        self.refetch()

    @property
    def is_stale(self) -> bool:
        """Whether what is on screen may no longer be so."""
        return bool(self.trouble) or self.desk.link.is_stale(self.desk.clock())

    def notice(self) -> str:
        """One sentence on why the numbers are not fresh, or none."""
        if not self.trouble:
            return ""
        seen = f" Shown: {clock_time(self.data_at)}." if self.data_at else ""
        return visible(self.trouble) + seen

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.draw()


DOMAINS = frozenset(
    {
        ChangeKind.READINESS,
        ChangeKind.UPLIFT,
        ChangeKind.EDITIONS,
        ChangeKind.EXECUTIVE_REPORTS,
        ChangeKind.ADOPTION,
        ChangeKind.LIFECYCLE,
    }
)
"""What the overview, the history and the story rest on."""


class PollingPane(Pane):
    """A pane whose numbers come from the server."""

    KINDS: ClassVar[frozenset[ChangeKind]] = frozenset()
    """What its numbers depend on, as far as the server tells its changes; empty: it must look."""

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Everything is to be asked for."""
        super().__init__(desk, id=id)
        self._told: set[ChangeKind] = set()

    def hear(self, kind: ChangeKind) -> None:
        """Something of this kind changed: ask again, if it is shown here."""
        if kind in self.KINDS:
            self._told.add(kind)
            self._wake.set()

    def take_told(self) -> frozenset[ChangeKind]:
        """What was told to have changed since the last question; empty: ask for everything."""
        told, self._told = frozenset(self._told), set()
        return told

    @abstractmethod
    async def ask(self) -> None:
        """Fetch what the pane shows.

        Raises:
            GuardianError: it could not be had; the last answer stays on screen.
        """

    def enter(self) -> None:
        """Start to ask."""
        self._told.clear()
        super().enter()
        self.poll()

    def leave(self) -> None:
        """Stop asking; keys that wait for rows are not meant for later."""
        self.workers.cancel_group(self, "poll")
        self._drop_held()

    def forget(self) -> None:
        """Drop the last answer, and one that may be on its way."""
        self.workers.cancel_group(self, "poll")
        super().forget()

    @work(exclusive=True, group="poll")
    async def poll(self) -> None:
        """Ask, rest, ask again. One loop, so a slow server is never asked twice at a time."""
        await self.desk.is_drawn.wait()
        while True:
            self._wake.clear()
            rest_s = await self._ask_once()
            try:
                self.draw()
            except NoMatches:
                return  # the console is being taken down
            self.tell(LinkChanged())
            with suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self._wake.wait()

    async def _ask_once(self) -> float:
        try:
            await self.ask()
        except GuardianError as error:
            if isinstance(error, InvalidError) and self._lacks_tenant():
                self.tell(TenantNeeded())
            self.trouble = error.detail
            self._drop_held()
            return self.desk.link.failed(error, self.desk.clock())
        self.trouble = ""
        self.data_at = self.desk.clock()
        rest_s = self.desk.link.answered(self.data_at)
        if self.desk.link.is_told and self.KINDS:
            return SAFETY_S
        return rest_s if self.hurry_s is None else min(rest_s, self.hurry_s)

    @property
    def hurry_s(self) -> float | None:
        """Seconds to rest at most after a good answer; None: as long as the link says."""
        return None

    def _drop_held(self) -> None:
        for rows in self.query(Rows):
            rows.drop_held()

    def _lacks_tenant(self) -> bool:
        return self.desk.workspace_id is None
