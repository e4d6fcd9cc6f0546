"""Finding an integration by what somebody typed."""

from shared.client import GuardianClient
from shared.contracts.integrations import Integration
from shared.errors import NotFoundError
from tui.pages import LARGEST_PAGE, all_of


async def integration_named(server: GuardianClient, key: str) -> Integration:
    """The integration whose key is `key`, or else the newest whose key begins so.

    Raises:
        NotFoundError: there is none.
        GuardianError: the server refuses or is out of reach.
    """
    known = await all_of(lambda cursor: server.integrations(cursor=cursor, limit=LARGEST_PAGE))
    exact = (one for one in known if one.integration_key == key)
    near = (one for one in known if one.integration_key.startswith(key))
    for found in (*exact, *near):
        return found
    raise NotFoundError(f"No integration's key begins with {key}.")
