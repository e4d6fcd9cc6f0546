"""What panes tell the app; they never reach into it."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from textual.message import Message

from shared.contracts.tenants import Tenant


class LinkChanged(Message):
    """The frame has something new to say: how the link stands, or whose data this is."""


@dataclass
class Said(Message):
    """A sentence for the message line; it stays until the next one."""

    text: str
    tone: str = ""


@dataclass
class Asked(Message):
    """A question on the message line; `act` runs on `y` and on nothing else."""

    question: str
    act: Callable[[], object]


@dataclass
class DeliveryChosen(Message):
    """Open one delivery."""

    delivery_id: UUID


@dataclass
class TenantChosen(Message):
    """An operator picked whom to look at."""

    tenant: Tenant


class TenantNeeded(Message):
    """The key is an operator's, so a tenant must be chosen first."""


@dataclass
class SignedIn(Message):
    """The server took this key."""

    url: str
    key: str
    is_operator: bool


class Left(Message):
    """Go back to where this pane was opened from."""


@dataclass
class CommandChosen(Message):
    """Run an action by its name, in the pane that stood here before."""

    action: str


@dataclass
class FormWanted(Message):
    """Edit an integration, or make one where none is named; `field` gets the keys."""

    integration_id: UUID | None
    field: str


@dataclass
class SecretShown(Message):
    """The server told a secret, this once."""

    title: str
    secret: str


@dataclass
class DeliveriesWanted(Message):
    """Show what was sent to one integration."""

    integration_id: UUID
    integration_key: str
