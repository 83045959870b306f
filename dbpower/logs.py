"""Log lines that stay lines, and hold no credential that somebody put where it does not belong."""

import logging
import re
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

# Keys and tokens by how they begin; what follows `/invitation/`; tokens of logins, which are JSON in base 64.
_CREDENTIAL: Final = re.compile(
    r"(\bdbp_|\benroll_|\bcollector_[0-9]+_|/invitation/(?:#|%23)?|\beyJ)[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]+)*"
)


def masked(text: str) -> str:
    """Return the text without the credentials in it: of each only how it begins."""
    return _CREDENTIAL.sub(r"\1…", text)


class OneLineFormatter(logging.Formatter):
    """Text logs in which nothing that others sent begins a line of its own: neither in a message nor in a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text: the message on one line, each line of a traceback behind a bar."""
        message = record.getMessage()
        if not message.isprintable():
            record = logging.makeLogRecord(record.__dict__)
            record.msg = _escaped(message)
            record.args = None
        # The text that another handler's formatter left here knows no bars.
        record.exc_text = None
        return masked(super().format(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        """Return the traceback. An exception's own text may have lines that look like records; the bar tells them apart."""
        return _barred(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - the name is logging's
        """Return the stack."""
        return _barred(super().formatStack(stack_info))


class MaskedJsonFormatter(JsonFormatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        return masked(super().format(record))


def _barred(text: str) -> str:
    # Only a line feed ends a line here; all others that some programs take for one are escaped.
    return "\n".join(f"  | {_escaped(line)}" for line in text.split("\n"))


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
