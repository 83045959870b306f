"""Labels that people give to statements."""

import re
from typing import Final

from collectors.domain import limits

_BETWEEN: Final = re.compile(r"[,\n]")
_SPACE: Final = re.compile(r"\s+")


def tags_of(text: str) -> list[str]:
    """Return the tags that a text with commas names: in lower case, each once, by name."""
    found = {_SPACE.sub(" ", part).strip().lower() for part in _BETWEEN.split(text)}
    return sorted(found - {""})


def wrong_with(names: list[str]) -> str:
    """Return in words what is wrong with tags; nothing when they are good."""
    if len(names) > limits.MAX_TAGS:
        return f"A statement has {limits.MAX_TAGS} tags at most."
    if any(len(name) > limits.MAX_TAG_CHARACTERS for name in names):
        return f"A tag has {limits.MAX_TAG_CHARACTERS} characters at most."
    return "A tag has no control characters." if not all(name.isprintable() for name in names) else ""
