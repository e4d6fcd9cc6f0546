"""One JSON object a line on stderr: never a body, a key, or more of a URL than its host."""

import logging
import sys
import traceback
from datetime import UTC, datetime

import msgspec


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The instant, the level, the sentence, and where an error came from, not its text."""
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            line["error"] = type(error).__name__
            line["trace"] = [f"{one.filename}:{one.lineno} {one.name}" for one in frames]
        return msgspec.json.encode(line).decode()


def set_up_logging(level: str) -> None:
    """Send everything of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # It would tell of every minute in which there was nothing to do.
    logging.getLogger("arq").setLevel(logging.WARNING)
