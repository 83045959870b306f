"""Logs on standard error: one line an event, as text or JSON, without control characters and without secrets."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "***"
# Shorter secrets would mask half of every ordinary sentence.
SHORTEST_MASKED: Final = 4
MAX_MESSAGE: Final = 4000


def escape_controls(text: str) -> str:
    """Make one printable line: nothing a database or backend answers can forge a line or move the terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


class SafeFormatter(logging.Formatter):
    """Base of both formats: escapes control characters and masks the secrets it was told."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: list[str] = []

    def mask(self, secrets: Iterable[str]) -> None:
        """Add secrets to hide. Longer ones first, so that none is left over in part."""
        known = {*self._secrets, *(secret for secret in secrets if len(secret) >= SHORTEST_MASKED)}
        self._secrets = sorted(known, key=len, reverse=True)

    def safe_text(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}: {self.formatException(record.exc_info)}"
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return escape_controls(text[:MAX_MESSAGE])

    def stamp(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{seconds}.{int(record.msecs):03d}Z"


class TextFormatter(SafeFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{self.stamp(record)} {record.levelname:<7} {record.threadName} {self.safe_text(record)}"


class JsonFormatter(SafeFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "time": self.stamp(record),
                "level": record.levelname.lower(),
                "logger": record.name,
                "thread": record.threadName,
                "message": self.safe_text(record),
            }
        )


def configure_logging(*, level: str, log_format: str, secrets: Iterable[str] = ()) -> SafeFormatter:
    """Send all logs to standard error. Returns the formatter, so that secrets learnt later can be masked too."""
    formatter: SafeFormatter = JsonFormatter() if log_format == "json" else TextFormatter()
    formatter.mask(secrets)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # urllib3 logs every retry and full addresses; the agent says itself what went wrong.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    return formatter
