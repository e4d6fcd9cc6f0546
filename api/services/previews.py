"""What an integration would get, without sending it and without its secrets."""

from datetime import datetime
from uuid import UUID

from api.services import integration_rows as rows
from api.services.examples import EXAMPLES
from api.services.integration_rows import Stored
from api.services.success import tell_overview
from shared.contracts.integrations import Preview
from shared.contracts.words import AuthKind, EventType, MessageType, PayloadFormat
from shared.data.session import TenantSession
from shared.domain.credentials import Credentials
from shared.domain.digest import digest_body
from shared.domain.formats.rendering import Shape, render, render_digest, shape_of
from shared.domain.ledger import ledger_of
from shared.domain.mappers import envelope
from shared.domain.requests import fixed_headers, user_agent
from shared.domain.signing import new_secret, new_secret_key, public_key, sign
from shared.errors import FieldError, InvalidError
from shared.success.catalogue import Catalogues

BLOTTED = "[secret]"

# Known to everybody, so that a preview proves nothing about where it comes from.
_DUMMY = bytes(32)


async def preview(
    session: TenantSession,
    integration_id: UUID,
    event_type: MessageType,
    *,
    catalogues: Catalogues,
    event_id: UUID,
    now: datetime,
    release: str,
) -> Preview:
    """Render the example of `event_type` as this integration would get it `now`.

    Args:
        session: of the integration's tenant.
        integration_id: which one.
        event_type: what would have happened, also outside its scopes; or the digest, which
            tells a chat what is true now.
        catalogues: where labels stand.
        event_id: of the event that never happened.
        now: when it did not.
        release: of Guardian, for the user agent.

    Raises:
        NotFoundError: there is no such integration.
        InvalidError: a digest is asked for, and it is no chat.
    """
    [stored] = await rows.read(session, [integration_id])
    shape = shape_of(PayloadFormat(stored.format), subject=stored.subject, template=stored.template)
    if event_type is MessageType.WEEKLY_DIGEST:
        body = await _digest(session, shape, catalogues, now=now)
    else:
        example = EventType(event_type)
        body = render(shape, event_id, envelope(example, now, EXAMPLES[example]))
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


async def _digest(
    session: TenantSession, shape: Shape, catalogues: Catalogues, *, now: datetime
) -> bytes:
    if not shape.is_chat:
        message = "Only chats are told a digest: name another event type, or use slack or teams."
        raise InvalidError(errors=[FieldError("event_type", "not_allowed", message)])
    overview = await tell_overview(session, await catalogues.newest(session), now=now)
    return render_digest(shape, digest_body(ledger_of(overview), slot=now))


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
