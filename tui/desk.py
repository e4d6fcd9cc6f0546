"""What every pane works with: whom to ask, the clock, and how the link stands."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.client import GuardianClient
from shared.errors import UnauthenticatedError
from tui.glyphs import Glyphs
from tui.link import Link


@dataclass
class Desk:
    """Shared by the panes and changed only by the app, when somebody signs in or picks a tenant.

    Attributes:
        clock: now, in UTC.
        watch_s: seconds between two looks at a delivery that is being watched.
        is_operator: whether the key has shown to be one that must name a tenant.
        deliveries_filter: what the deliveries are filtered for, which outlives the pane.
        keymap: the user's own keys, by the command's place and id.
        is_drawn: set once the first frame is on its way; before, nothing else gets the processor.
        tell: hands one of `tui.messages` to the app, which heeds it before it reads another key.
    """

    clock: Callable[[], datetime]
    link: Link
    watch_s: float
    tell: Callable[[object], None]
    client: GuardianClient | None = None
    tenant_name: str = ""
    is_operator: bool = False
    glyphs: Glyphs = Glyphs.BLOCKS
    deliveries_filter: str = ""
    keymap: Mapping[str, str] = field(default_factory=dict[str, str])
    is_drawn: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def server(self) -> GuardianClient:
        """The client.

        Raises:
            UnauthenticatedError: nobody has signed in yet.
        """
        if self.client is None:
            raise UnauthenticatedError("Nobody is signed in.")
        return self.client

    @property
    def workspace_id(self) -> UUID | None:
        """The tenant an operator has chosen."""
        return None if self.client is None else self.client.workspace_id
