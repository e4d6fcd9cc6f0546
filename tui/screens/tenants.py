"""Whom an operator wants to look at."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from shared.contracts.tenants import Tenant
from tui.desk import Desk
from tui.keys import bindings
from tui.messages import TenantChosen
from tui.pages import LARGEST_PAGE, all_of
from tui.screens.pane import PollingPane
from tui.text import Span, age, visible
from tui.widgets.lines import Lines
from tui.widgets.rows import Column, Row, Rows

COLUMNS = (Column("Tenant"), Column("Id", 36), Column("Age", 8, is_number=True))


class TenantsPane(PollingPane):
    """The list of tenants; `enter` takes one."""

    PLACES = ("tenants",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("tenants")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with an empty list."""
        super().__init__(desk, id=id)
        self._tenants: list[Tenant] | None = None

    def compose(self) -> ComposeResult:
        """A sentence and the list."""
        yield Lines(id="tenants-words")
        yield Rows(COLUMNS, id="tenants-rows")

    async def ask(self) -> None:
        """Every tenant, page by page."""
        server = self.desk.server
        self._tenants = await all_of(
            lambda cursor: server.tenants(cursor=cursor, limit=LARGEST_PAGE)
        )

    def take_keys(self) -> None:
        """The list gets the keys."""
        self.screen.set_focus(self.query_one(Rows))

    def draw(self) -> None:
        """Draw the list."""
        now = self.desk.clock()
        words = " This is an operator's key. Whom do you want to look at?"
        if self._tenants == []:
            words = " There is no tenant yet: `guardian tenants create` makes one."
        self.query_one(Lines).show([(Span(words),), ()])
        rows = [
            Row(
                id=str(one.id),
                cells=(
                    Span(visible(one.name)),
                    Span(str(one.id), "dim"),
                    Span(age(one.created_at, now), "dim"),
                ),
            )
            for one in self._tenants or ()
        ]
        known = None if self._tenants is None else rows
        self.query_one(Rows).show(known, is_stale=self.is_stale)

    def action_choose(self) -> None:
        """Take the row."""
        self.query_one(Rows).when_known(self._choose)

    def _choose(self) -> None:
        selected = self.query_one(Rows).selected
        for one in self._tenants or ():
            if str(one.id) == selected:
                self.tell(TenantChosen(one))
