"""A line to type into. Its cursor stands still, and `enter` acts before the next key is read."""

from collections.abc import Callable

from textual import events
from textual.widgets import Input


class Field(Input):
    """An input that the app feeds key by key; where keys are fast, none goes to another widget."""

    def __init__(
        self,
        *,
        id: str,
        submit: Callable[[], object] | None = None,
        placeholder: str = "",
        is_password: bool = False,
        max_length: int = 2048,
    ) -> None:
        """Start empty; `submit` runs on `enter`, which without it is the pane's own key."""
        super().__init__(
            id=id,
            compact=True,
            placeholder=placeholder,
            password=is_password,
            max_length=max_length,
            select_on_focus=False,
        )
        self.cursor_blink = False
        self._submit = submit

    async def take(self, event: events.Key) -> bool:
        """Insert a printable key; whether it was one."""
        await self._on_key(event)
        return event.is_printable

    def paste(self, event: events.Paste) -> None:
        """Insert the first line of what was pasted."""
        self._on_paste(event)

    async def action_submit(self) -> None:
        """What `enter` does."""
        if self._submit is not None:
            self._submit()
