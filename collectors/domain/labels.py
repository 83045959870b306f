"""Tags and regions: short words that people put on collectors to find them by."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from collectors.domain import limits

# Letters and digits of any language; what separates tags in a line, or means something in an address, stays out.
_LABEL: Final = re.compile(r"\w[\w.:/@+-]*")


class Fault(StrEnum):
    """What is wrong with labels."""

    TOO_LONG = "too_long"
    NO_WORD = "no_word"
    TOO_MANY = "too_many"


class BadLabel(ValueError):
    """The text cannot be a label, or there are too many of them. `label` is the beginning of the text at fault."""

    def __init__(self, fault: Fault, label: str = "") -> None:
        super().__init__(f"{fault}: {label}")
        self.fault = fault
        self.label = label


def label(text: str) -> str:
    """Return the text as a label: in lower case, without spaces around it. Raises `BadLabel`."""
    found = text.strip().lower()
    if len(found) > limits.MAX_LABEL_CHARACTERS:
        raise BadLabel(Fault.TOO_LONG, found[: limits.MAX_LABEL_CHARACTERS])
    if not _LABEL.fullmatch(found):
        raise BadLabel(Fault.NO_WORD, found)
    return found


def region(text: str) -> str:
    """Return the text as a region; an empty one means that none is known. Raises `BadLabel`."""
    return label(text) if text.strip() else ""


def tags(texts: Iterable[str]) -> list[str]:
    """Return the texts as tags, each once, in order. Raises `BadLabel`."""
    found = sorted({label(text) for text in texts})
    if len(found) > limits.MAX_TAGS:
        raise BadLabel(Fault.TOO_MANY)
    return found


def tags_of_line(line: str) -> list[str]:
    """Return the tags that a line of a form names, separated by commas or spaces. Raises `BadLabel`."""
    return tags(text for text in re.split(r"[,\s]+", line) if text)
