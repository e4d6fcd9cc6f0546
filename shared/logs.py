"""One JSON object a line on stderr: no body, no key, no tenant's text, no error's own words."""

import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

_SHOWN = (
    *("request_id", "trace_id", "method", "path", "status", "ms", "action"),
    *("observation_id", "event_ids", "deliveries"),
    *("event_id", "delivery_id", "integration_id", "attempt", "outcome", "reason"),
)
"""The extras of a record that may be shown."""


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The instant, the level, the sentence, and where an error came from, not its text.

        An error's text may hold what a tenant wrote or what a receiver answered.
        """
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: record.__dict__[name] for name in _SHOWN if name in record.__dict__}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            line["error"] = type(error).__name__
            line["trace"] = [f"{one.filename}:{one.lineno} {one.name}" for one in frames]
        return msgspec.json.encode(line, enc_hook=str).decode()


def set_up_logging(level: str, *, quieter: Mapping[str, int]) -> None:
    """Send everything of this process to stderr as JSON lines.

    Args:
        level: how much is said, `debug` to `error`.
        quieter: levels of libraries that would say too much.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, least in quieter.items():
        logging.getLogger(name).setLevel(least)
