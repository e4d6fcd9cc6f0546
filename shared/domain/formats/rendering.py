"""One event in the shape an integration asked for: the bytes that will be signed and sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never
from uuid import UUID

from shared.contracts.templates import Template
from shared.contracts.words import PayloadFormat
from shared.domain.formats.answers import (
    ANY_SUCCESS,
    SAYS_OK,
    AcceptanceRule,
    acceptance_rule,
)
from shared.domain.formats.chat import digest_message, message
from shared.domain.formats.cloudevents import CONTENT_TYPE, cloudevent
from shared.domain.formats.events import read_event
from shared.domain.formats.flat import flat
from shared.domain.formats.ready import READY
from shared.domain.formats.segment import segment
from shared.domain.formats.slack import slack
from shared.domain.formats.teams import teams
from shared.domain.formats.template import filled

JSON = "application/json"
CHATS = frozenset({PayloadFormat.SLACK, PayloadFormat.TEAMS})
"""Chats cannot check a signature; their URL is their secret."""

NEEDS_SUBJECT = frozenset({PayloadFormat.SEGMENT})


@dataclass(frozen=True, slots=True)
class Shape:
    """How an integration wants its events.

    Attributes:
        subject: what stands for the tenant at this receiver and at no other; None for nothing.
        bodies: of a template, by event type.
        account: of a template.
        rule: which answers count.
    """

    format: PayloadFormat = PayloadFormat.STANDARD
    subject: UUID | None = None
    bodies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    account: str | None = None
    rule: AcceptanceRule = ANY_SUCCESS

    @property
    def is_chat(self) -> bool:
        """Whether people read it, so that it can carry a digest."""
        return self.format in CHATS

    @property
    def is_signed(self) -> bool:
        """Whether a signature goes along."""
        return not self.is_chat

    @property
    def content_type(self) -> str:
        """Of the body."""
        return CONTENT_TYPE if self.format is PayloadFormat.CLOUDEVENTS else JSON


STANDARD = Shape()


def shape_of(
    payload_format: PayloadFormat, *, subject: UUID | None = None, template: Template | None = None
) -> Shape:
    """Read an integration's settings, which were judged when they were saved.

    Raises:
        ValueError: the template's rule is not one; refused when it was saved.
    """
    rule = SAYS_OK if payload_format is PayloadFormat.SLACK else ANY_SUCCESS
    if payload_format is not PayloadFormat.TEMPLATE or template is None:
        return Shape(payload_format, subject, rule=rule)
    bodies: Mapping[str, Any] = template.bodies or {}
    if template.ready is not None:
        bodies, rule = READY[template.ready].bodies, READY[template.ready].rule
    if template.accepted_when is not None:
        rule = acceptance_rule(template.accepted_when)
    return Shape(payload_format, subject, bodies, template.account, rule)


def render(shape: Shape, event_id: UUID, body: bytes) -> bytes:
    """Turn the stored standard body into what this integration gets; pure.

    Args:
        shape: of the integration.
        event_id: of the event.
        body: in the standard format, which passes through as it is.

    Raises:
        msgspec.ValidationError: `body` is not one that a mapper made.
        ValueError: the format needs a subject and there is none.
    """
    if shape.format is PayloadFormat.STANDARD:
        return body
    event = read_event(event_id, body)
    match shape.format:
        case PayloadFormat.CLOUDEVENTS:
            rendered = cloudevent(event, subject=shape.subject)
        case PayloadFormat.FLAT:
            rendered = flat(event, subject=shape.subject)
        case PayloadFormat.SLACK:
            rendered = slack(message(event))
        case PayloadFormat.TEAMS:
            rendered = teams(message(event))
        case PayloadFormat.SEGMENT:
            if shape.subject is None:
                raise ValueError("Segment is told about somebody: a subject is needed")
            rendered = segment(event, subject=shape.subject)
        case PayloadFormat.TEMPLATE:
            rendered = filled(shape.bodies, event, subject=shape.subject, account=shape.account)
        case _:
            assert_never(shape.format)
    return rendered


def render_digest(shape: Shape, body: bytes) -> bytes:
    """Turn the stored body of a digest into what this chat gets; pure.

    Raises:
        msgspec.ValidationError: `body` is not one that `digest_body` made.
        ValueError: the format is no chat's.
    """
    match shape.format:
        case PayloadFormat.SLACK:
            return slack(digest_message(body))
        case PayloadFormat.TEAMS:
            return teams(digest_message(body))
        case _:
            raise ValueError("a digest is for people: only chats are told it")
