"""The hash chain over an audit: each entry's seal is made of its content and of the seal before it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

# What the first entry of a chain has for the seal before it.
START: Final = "0" * 64


def seal_of(previous: str, position: int, content: Mapping[str, Any]) -> str:
    """Return the seal, 64 hex digits, of the entry at a position (from 1) behind the seal `previous`.

    It is the SHA-256 of one JSON array, with members in order and no white space, so that anybody can make it again.
    """
    text = json.dumps([previous, position, content], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
