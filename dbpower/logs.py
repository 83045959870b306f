"""Log lines that stay lines, and hold no credential that somebody put where it does not belong."""

import logging
import re
from typing import Final

from pythonjsonlogger.json import JsonFormatter

# Keys and tokens by how they begin; what follows `/invitation/`; tokens of logins, which are JSON in base 64.
_CREDENTIAL: Final = re.compile(
    r"(\bdbp_|\benroll_|\bcollector_[0-9]+_|/invitation/(?:#|%23)?|\beyJ)[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]+)*"
)


def masked(text: str) -> str:
    """Return the text without the credentials in it: of each only how it begins."""
    return _CREDENTIAL.sub(r"\1…", text)


class OneLineFormatter(logging.Formatter):
    """Text logs in which a message cannot begin a line of its own: control characters in what others sent are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text. Tracebacks keep their lines; the message has one."""
        message = record.getMessage()
        if not message.isprintable():
            record = logging.makeLogRecord(record.__dict__)
            record.msg = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
            record.args = None
        return masked(super().format(record))


class MaskedJsonFormatter(JsonFormatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        return masked(super().format(record))
