"""`teams`: an adaptive card for a Power Automate workflow."""

from typing import Any

import msgspec

from shared.domain.formats.chat import Message

_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
_VERSION = "1.4"


def teams(told: Message) -> bytes:
    """Say it to a channel, in text runs only: a text block would read Markdown and its links."""
    lines = [_line(_run(told.title, size="Medium", weight="Bolder"))]
    lines += [_line(_run(f"{name}: ", weight="Bolder"), _run(value)) for name, value in told.facts]
    lines += [_line(_run(text)) for text in told.paragraphs]
    lines.append(_line(_run(f"Guardian, {told.when}", size="Small", isSubtle=True)))
    card = {
        "$schema": _SCHEMA,
        "type": "AdaptiveCard",
        "version": _VERSION,
        "fallbackText": told.title,
        "body": lines,
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return msgspec.json.encode({"type": "message", "attachments": [attachment]})


def _line(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": runs}


def _run(text: str, **looks: object) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **looks}
