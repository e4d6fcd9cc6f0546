"""What panes tell the app through their desk; they never reach into it."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.tenants import Tenant


@dataclass(frozen=True)
class LinkChanged:
    """The frame has something new to say: how the link stands, or whose data this is."""


@dataclass(frozen=True)
class Said:
    """A sentence for the message line; it stays until the next one."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Asked:
    """A question on the message line; `act` runs on `y` and on nothing else."""

    question: str
    act: Callable[[], object]


@dataclass(frozen=True)
class DeliveryChosen:
    """Open one delivery."""

    delivery_id: UUID


@dataclass(frozen=True)
class TenantChosen:
    """An operator picked whom to look at."""

    tenant: Tenant


@dataclass(frozen=True)
class TenantNeeded:
    """The key is an operator's, so a tenant must be chosen first."""


@dataclass(frozen=True)
class SignedIn:
    """The server took this key."""

    url: str
    key: str
    is_operator: bool


@dataclass(frozen=True)
class Left:
    """Go back to where this pane was opened from."""


@dataclass(frozen=True)
class CommandChosen:
    """Run an action by its name, in the pane that stood here before."""

    action: str


@dataclass(frozen=True)
class FormWanted:
    """Edit an integration, or make one where none is named; `field` gets the keys."""

    integration_id: UUID | None
    field: str


@dataclass(frozen=True)
class SecretShown:
    """The server told a secret, this once."""

    title: str
    secret: str


@dataclass(frozen=True)
class DeliveriesWanted:
    """Show what was sent to one integration."""

    integration_id: UUID
    integration_key: str


@dataclass(frozen=True)
class Typed:
    """A question that is answered by typing; `act` gets the answer.

    Attributes:
        given: what stands there already.
    """

    question: str
    act: Callable[[str], object]
    given: str = ""


@dataclass(frozen=True)
class PreviewWanted:
    """Show what an integration would get."""

    integration_id: UUID
    integration_key: str


@dataclass(frozen=True)
class ReplayWanted:
    """Ask what to send once more; `given` stands there already."""

    given: str


@dataclass(frozen=True)
class PaneWanted:
    """Open a pane over the present one, by name."""

    name: str


@dataclass(frozen=True)
class RootWanted:
    """Go to a root pane, by name."""

    name: str


def typed_to_confirm(
    question: str, expected: str, act: Callable[[], object], refuse: Callable[[str], object]
) -> Typed:
    """A question that only the right word answers, for what cannot be undone."""

    def check(answer: str) -> None:
        if answer == expected:
            act()
        else:
            refuse("Left as it was: that was not the word.")

    return Typed(question, check)
