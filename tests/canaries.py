"""What must never be in a log, whatever a test does: the secrets that tests use, and everything that looks like one of the product."""

import logging
import re
from collections.abc import Iterable
from typing import Final

# The passwords of the cast, of the agents' accounts on databases, and of single tests all begin with the word.
_CANARIES: Final = re.compile(
    r"canary[- ][\w-]+"
    r"|a long enough pass phrase"
    r"|collector_\d+_[\w-]{43}"
    r"|(?:dbp|enroll)_[\w-]{43}"
)


def canaries_in(records: Iterable[logging.LogRecord]) -> list[str]:
    """Return the secrets that log records hold: in their messages, their arguments and their tracebacks."""
    found: set[str] = set()
    for record in records:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += logging.Formatter().formatException(record.exc_info)
        found |= set(_CANARIES.findall(text))
    return sorted(found)
