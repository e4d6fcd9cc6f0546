"""The tenant's keys: which there are, a new one told once, an old one ended."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType

from shared.contracts.keys import KeyInfo, NewKey
from shared.contracts.words import Role
from shared.errors import GuardianError
from tui.desk import Desk
from tui.keys import bindings
from tui.messages import Said, SecretShown, Typed, typed_to_confirm
from tui.pages import LARGEST_PAGE, all_of
from tui.screens.pane import Copy, PollingPane
from tui.text import NONE, Line, Span, age, at, visible
from tui.widgets.lines import Lines
from tui.widgets.rows import Column, Row, Rows

COLUMNS = (
    Column("State", 10),
    Column("Role", 9),
    Column("Label"),
    Column("Prefix", 18),
    Column("Last used", 10, is_number=True),
    Column("Age", 8, is_number=True),
    Column("Expires", 21, from_width=110),
)
ROLES = tuple(role for role in Role if role is not Role.OPERATOR)
HOW = f"New key: role ({', '.join(ROLES)}) and label:"


class KeysPane(PollingPane):
    """The list, and one line on the key under the cursor."""

    PLACES = ("keys",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("keys")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start with an empty list."""
        super().__init__(desk, id=id)
        self._keys: list[KeyInfo] | None = None

    def compose(self) -> ComposeResult:
        """The list above, the words below."""
        yield Rows(COLUMNS, id="keys-rows")
        yield Lines(id="keys-reading")

    async def ask(self) -> None:
        """Every key."""
        server = self.desk.server
        self._keys = await all_of(lambda cursor: server.keys(cursor=cursor, limit=LARGEST_PAGE))

    def take_keys(self) -> None:
        """The list gets the keys."""
        self.screen.set_focus(self.query_one(Rows))

    def forget(self) -> None:
        """Another tenant has other keys."""
        super().forget()
        self._keys = None

    def draw(self) -> None:
        """Draw the list and the words on its row."""
        now = self.desk.clock()
        known = self._keys
        rows = None if known is None else [_row(one, now) for one in known]
        self.query_one(Rows).show(rows, is_stale=self.is_stale)
        self.query_one(Lines).show([self._reading()])

    def copies(self) -> Sequence[Copy]:
        """The key under the cursor, as far as it is known."""
        chosen = self._chosen()
        if chosen is None:
            return ()
        return (Copy("key id", str(chosen.id)), Copy("prefix", chosen.prefix))

    def resource(self) -> object:
        """The keys, without the keys themselves."""
        return self._keys

    def on_rows_moved(self) -> None:
        """Say what the key under the cursor is."""
        self.query_one(Lines).show([self._reading()])

    def action_create(self) -> None:
        """Ask for a role and a label."""
        self.tell(Typed(HOW, self._create))

    def action_revoke(self) -> None:
        """End the key under the cursor, once its prefix was typed."""
        chosen = self._chosen()
        if chosen is None:
            return
        if chosen.revoked_at is not None:
            self.tell(Said("It is revoked already.", ""))
            return
        prefix = visible(chosen.prefix)
        self.tell(
            typed_to_confirm(
                f"Type {prefix} to revoke {visible(chosen.label, limit=40)}:",
                prefix,
                lambda: self._revoke(chosen),
                lambda why: self.tell(Said(why, "")),
            )
        )

    def _create(self, typed: str) -> None:
        role, _, label = typed.partition(" ")
        found = [one for one in ROLES if role and one.startswith(role.lower())]
        if not found or not label.strip():
            self.tell(Said("✗ Not made: say a role and a label, such as: reader BI team.", "bad"))
            return
        self._make(NewKey(role=found[0], label=label.strip()))

    @work(group="change")
    async def _make(self, new: NewKey) -> None:
        try:
            made = await self.desk.server.create_key(new)
        except GuardianError as error:
            self.tell(Said(f"✗ Not made: {visible(error.detail)}", "bad"))
            return
        self.tell(SecretShown(f"Key of role {made.role}: {visible(made.label)}", made.key))
        self.tell(Said("✓ The key is made. y copies it.", "good"))

    @work(group="change")
    async def _revoke(self, key: KeyInfo) -> None:
        try:
            await self.desk.server.revoke_key(key.id)
        except GuardianError as error:
            self.tell(Said(f"✗ Not revoked: {visible(error.detail)}", "bad"))
            return
        self.tell(Said(f"✓ {visible(key.label, limit=60)} is revoked.", "good"))
        self.refetch()

    def _chosen(self) -> KeyInfo | None:
        selected = self.query_one(Rows).selected
        return next((one for one in self._keys or () if str(one.id) == selected), None)

    def _reading(self) -> Line:
        chosen = self._chosen()
        if chosen is None:
            empty = NONE if self._keys is None else "No keys yet. c creates one."
            return (Span(f" {empty}", "dim"),)
        return (
            Span(f" {chosen.id}", "dim"),
            Span(f"  made {at(chosen.created_at)}", "dim"),
            Span(f"  last used {at(chosen.last_used_at)}", "dim"),
        )


def _row(key: KeyInfo, now: datetime) -> Row:
    return Row(
        id=str(key.id),
        cells=(
            _mark(key, now),
            Span(key.role),
            Span(visible(key.label)),
            Span(visible(key.prefix), "dim"),
            Span(age(key.last_used_at, now), "dim"),
            Span(age(key.created_at, now), "dim"),
            Span(at(key.expires_at), "dim"),
        ),
    )


def _mark(key: KeyInfo, now: datetime) -> Span:
    if key.revoked_at is not None:
        return Span("⊘ revoked", "dim")
    if key.expires_at is not None and key.expires_at <= now:
        return Span("○ expired", "warn")
    return Span("● valid", "good")
