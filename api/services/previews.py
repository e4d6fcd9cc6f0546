"""What an integration would get, without sending it and without its secrets."""

from datetime import datetime
from uuid import UUID

from api.services import integration_rows as rows
from api.services.examples import EXAMPLES
from api.services.integration_rows import Stored
from shared.contracts.integrations import Preview
from shared.contracts.words import AuthKind, EventType, PayloadFormat
from shared.data.session import TenantSession
from shared.domain.credentials import Credentials
from shared.domain.formats.rendering import render, shape_of
from shared.domain.mappers import envelope
from shared.domain.requests import fixed_headers, user_agent
from shared.domain.signing import new_secret, new_secret_key, public_key, sign

BLOTTED = "[secret]"

# Known to everybody, so that a preview proves nothing about where it comes from.
_DUMMY = bytes(32)


async def preview(
    session: TenantSession,
    integration_id: UUID,
    event_type: EventType,
    *,
    event_id: UUID,
    now: datetime,
    release: str,
) -> Preview:
    """Render the example of `event_type` as this integration would get it `now`.

    Args:
        session: of the integration's tenant.
        integration_id: which one.
        event_type: what would have happened; also one outside its scopes.
        event_id: of the event that never happened.
        now: when it did not.
        release: of Guardian, for the user agent.

    Raises:
        NotFoundError: there is no such integration.
    """
    [stored] = await rows.read(session, [integration_id])
    shape = shape_of(PayloadFormat(stored.format), subject=stored.subject, template=stored.template)
    body = render(shape, event_id, envelope(event_type, now, EXAMPLES[event_type]))
    headers = dict(
        fixed_headers(
            stored.headers,
            _blotted(stored),
            content_type=shape.content_type,
            user_agent=user_agent(release),
        )
    )
    if stored.auth_kind == AuthKind.OAUTH2:
        headers["authorization"] = f"Bearer {BLOTTED}"
    dummy: str | None = None
    if shape.is_signed:
        secret = new_secret(_DUMMY) if stored.signature == "v1" else new_secret_key(_DUMMY)
        dummy = secret if stored.signature == "v1" else public_key(secret)
        headers |= sign([secret], message_id=str(event_id), sent_at=now, body=body)
    return Preview(
        integration_id=integration_id,
        event_type=event_type,
        webhook_host=stored.webhook_host,
        headers=headers,
        body=body.decode(),
        body_bytes=len(body),
        dummy_secret=dummy,
    )


def _blotted(stored: Stored) -> Credentials:
    """The credentials as far as they may be seen; the name of an auth header is sealed, too."""
    return Credentials(
        url="",
        secret_headers=dict.fromkeys(stored.secret_header_names, BLOTTED),
        auth_kind=AuthKind(stored.auth_kind),
        token=BLOTTED,
        username=BLOTTED,
        password=BLOTTED,
        name=BLOTTED,
        value=BLOTTED,
    )
