"""Which server, which key. A refusal stands below the fields, in words."""

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Label

from shared.client import GuardianClient
from shared.errors import ForbiddenError, GuardianError, InvalidError
from tui.desk import Desk
from tui.keys import bindings
from tui.messages import SignedIn
from tui.screens.pane import Pane
from tui.text import Span, visible
from tui.widgets.field import Field
from tui.widgets.lines import Lines

PATIENCE_S = 10.0


class SignInPane(Pane):
    """Two fields. The key is never shown, and is saved only if asked for."""

    PLACES = ("sign-in",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("sign-in")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start empty."""
        super().__init__(desk, id=id)
        self._refusal = ""

    def compose(self) -> ComposeResult:
        """A sentence, two fields, and the refusal."""
        yield Lines(id="sign-in-words")
        with Horizontal(classes="field"):
            yield Label("  Address ", markup=False)
            yield Field(
                id="sign-in-url",
                placeholder="http://127.0.0.1:8080",
                max_length=512,
                submit=self.action_submit,
            )
        with Horizontal(classes="field"):
            yield Label("  Key     ", markup=False)
            yield Field(
                id="sign-in-key", is_password=True, max_length=512, submit=self.action_submit
            )
        yield Lines(id="sign-in-refusal")

    def take_keys(self) -> None:
        """The first empty field gets the keys."""
        url = self.query_one("#sign-in-url", Field)
        key = self.query_one("#sign-in-key", Field)
        self.screen.set_focus(key if url.value else url)

    def prefill(self, url: str, refusal: str) -> None:
        """Start from a known address, and say why one is asked."""
        self.query_one("#sign-in-url", Field).value = url
        self._refuse(refusal)

    def draw(self) -> None:
        """Draw the words around the fields."""
        self.query_one("#sign-in-words", Lines).show(
            [
                (),
                (Span("  Sign in", "bold"),),
                (),
                (Span("  Guardian's address, and a key of a tenant or operator."),),
                (Span("  `guardian keys create` makes one.", "dim"),),
                (),
            ]
        )
        shown = visible(self._refusal, limit=300)
        self.query_one("#sign-in-refusal", Lines).show([(), (Span(f"  {shown}", "bad"),)])

    def action_submit(self) -> None:
        """Go to a field that is empty; else try the key."""
        url = self.query_one("#sign-in-url", Field).value.strip()
        key = self.query_one("#sign-in-key", Field).value.strip()
        if not url:
            self.screen.set_focus(self.query_one("#sign-in-url", Field))
        elif not key:
            self.screen.set_focus(self.query_one("#sign-in-key", Field))
        else:
            self._refuse("")
            self._try(url, key)

    @work(exclusive=True, group="sign-in")
    async def _try(self, url: str, key: str) -> None:
        self.query_one("#sign-in-refusal", Lines).show([(), (Span("  … asking", "dim"),)])
        try:
            is_operator = await _is_operator(url, key)
        except GuardianError as error:
            self._refuse(f"✗ {error.detail}")
        else:
            self.query_one("#sign-in-key", Field).value = ""
            self._refuse("")
            self.tell(SignedIn(url, key, is_operator))

    def _refuse(self, refusal: str) -> None:
        self._refusal = refusal
        self.draw()


async def _is_operator(url: str, key: str) -> bool:
    """Whether the key must name a tenant first.

    Raises:
        GuardianError: the key is refused, or what answers is not Guardian.
    """
    async with GuardianClient(url, key, timeout_s=PATIENCE_S) as client:
        try:
            await client.overview()
        except InvalidError:
            return True
        except ForbiddenError as error:
            raise ForbiddenError(
                f"{error.detail} The console needs a reader or an admin."
            ) from None
        return False
