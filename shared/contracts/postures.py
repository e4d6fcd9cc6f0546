"""Two postures: strict with what we are asked, lenient with what we read back."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body a caller sends. An unknown field is a typo, so it is refused."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A body Guardian answers. An unknown field is a newer server, so it is ignored."""


Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339, answered in UTC.")]
Score = Annotated[float, Meta(ge=0, le=100, description="Points, 0 to 100.")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Key = Annotated[str, Meta(pattern=r"\A[a-z0-9]+([._-][a-z0-9]+)*\Z", max_length=96)]
"""A registered key, such as `guardian.core.rules`; lower case, never a person's name."""

Label = Annotated[str, Meta(min_length=1, max_length=120)]
"""Free text of a tenant. It stays in its own tenant's answers and never enters a payload."""

Ids = list[UUID]
