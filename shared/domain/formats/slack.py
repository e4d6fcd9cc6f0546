"""`slack`: an incoming webhook's message in blocks, with a line of text for notifications."""

from typing import Any

import msgspec

from shared.domain.formats.chat import Message


def slack(told: Message) -> bytes:
    """Say it to a channel.

    Every text is escaped and, where Slack lets one choose, plain, so that nothing in it can become
    a mention, a link or markup.
    """
    facts = [f"{name}: {value}" for name, value in told.facts]
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(told.title)}]
    if facts:
        blocks.append({"type": "section", "fields": [_plain(fact) for fact in facts]})
    blocks += [{"type": "section", "text": _plain(text)} for text in told.paragraphs]
    blocks.append({"type": "context", "elements": [_plain(f"Guardian, {told.when}")]})
    summary = ". ".join([told.title, *facts])
    return msgspec.json.encode({"text": _escaped(summary), "blocks": blocks})


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": _escaped(text), "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
