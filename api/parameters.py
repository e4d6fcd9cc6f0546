"""Query parameters that Litestar would read too generously: it takes `5` for an instant."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar.params import QueryParameter

from api.bodies import field_error
from shared.contracts.postures import Instant
from shared.errors import InvalidError

InstantText = Annotated[str | None, QueryParameter(description="An RFC 3339 instant.")]

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def instant_of(name: str, text: str | None) -> datetime | None:
    """Read the parameter `name`; what lies before 1970, before all ids, becomes 1970.

    Raises:
        InvalidError: it is not an instant with its offset from UTC.
    """
    if text is None:
        return None
    try:
        return max(msgspec.convert(text, Instant), _EARLIEST)
    except msgspec.ValidationError as error:
        raise InvalidError(errors=[field_error(str(error), path=name)]) from None
