"""In what shape an integration gets its events: judged when saved, shown when asked."""

import re
from collections.abc import Callable, Sequence
from uuid import UUID

from shared.contracts.integrations import IntegrationConfig
from shared.contracts.templates import Template
from shared.contracts.words import Digest, PayloadFormat, Scope
from shared.domain.formats.rendering import CHATS, NEEDS_SUBJECT
from shared.domain.formats.template_checks import template_problems
from shared.errors import FieldError

SUBJECT_BYTES = 16

_RETIRED = re.compile(r"(?:.+\.)?webhook\.office\.com")


def shape_problems(
    config: IntegrationConfig, scopes: Sequence[Scope], *, path: str
) -> list[FieldError]:
    """Name what keeps the format from being used; `path` is where the config stands."""
    if config.digest is not Digest.OFF and config.format not in CHATS:
        message = "Only chats are told a digest: leave it out, or use the format slack or teams."
        return [FieldError(f"{path}.digest", "not_allowed", message)]
    if (config.format is PayloadFormat.TEMPLATE) == (config.template is None):
        given = config.template is not None
        message = "Only the format `template` has one." if given else "The format needs it."
        kind = "not_allowed" if given else "missing"
        return [FieldError(f"{path}.template", kind, message)]
    if config.template is None:
        return []
    return template_problems(
        config.template, scopes=scopes, has_subject=config.subject, path=f"{path}.template"
    )


def scopes_problems(
    template: Template | None, scopes: Sequence[Scope], *, has_subject: bool, path: str
) -> list[FieldError]:
    """Name what a stored template lacks for other scopes; `path` is where those stand."""
    if template is None:
        return []
    found = template_problems(template, scopes=scopes, has_subject=has_subject, path="$")
    message = "The template does not serve them: change both together. "
    return [FieldError(path, one.kind, message + one.message) for one in found]


def host_problems(host: str, *, path: str) -> list[FieldError]:
    """Name what is known about a host before anything is sent there."""
    if not _RETIRED.fullmatch(host):
        return []
    message = (
        "Microsoft has shut down the connectors behind this address: make a workflow that starts "
        "with a webhook request in Teams and use its address."
    )
    return [FieldError(path, "address_refused", message)]


def subject_for(
    config: IntegrationConfig, present: UUID | None, *, entropy: Callable[[int], bytes]
) -> UUID | None:
    """What stands for the tenant at this receiver: what stood there, else something random."""
    if not config.subject and config.format not in NEEDS_SUBJECT:
        return None
    return present or UUID(bytes=entropy(SUBJECT_BYTES), version=4)
