"""A body of the tenant's own: a JSON shape whose leaves are constants or `$paths`, nothing more."""

from typing import Annotated, Any

from msgspec import Meta

from shared.contracts.postures import Request
from shared.contracts.words import ReadyTemplate

Bodies = Annotated[
    dict[str, Any],
    Meta(
        min_length=1,
        max_length=9,
        description="By event type; `default` stands for the types that are not named.",
    ),
]
Account = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="Under what the receiver knows this customer; `$account` in a body.",
    ),
]


class AcceptedWhen(Request, frozen=True, kw_only=True):
    """What an answer must be to count as accepted, beside its status being 2xx.

    `status` asks for one status. `path` names a value of the JSON answer, such as `$.result` or
    `$.results[0].status`, which must be `equals`.
    """

    status: Annotated[int, Meta(ge=200, le=299)] | None = None
    path: Annotated[str, Meta(max_length=200)] | None = None
    equals: Annotated[str, Meta(max_length=200)] | int | float | bool | None = None


class Template(Request, frozen=True, kw_only=True):
    """One of Guardian's own templates, or `bodies`; `accepted_when` replaces a ready one's rule."""

    ready: ReadyTemplate | None = None
    bodies: Bodies | None = None
    account: Account | None = None
    accepted_when: AcceptedWhen | None = None
