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


def are_good(names: list[str]) -> bool:
    """Tell whether tags are few, short, and of characters that can be seen."""
    return len(names) <= limits.MAX_TAGS and all(
        len(name) <= limits.MAX_TAG_CHARACTERS and name.isprintable() for name in names
    )
