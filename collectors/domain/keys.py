"""Collector keys: `collector_{id}_{token}`, made once, shown once, stored as SHA-256."""

import hashlib
import hmac
import re
import secrets
from typing import Final, NamedTuple

_TOKEN_BYTES: Final = 32
_MARK_CHARACTERS: Final = 16
_KEY: Final = re.compile(r"collector_([1-9][0-9]{0,18})_([A-Za-z0-9_-]{20,128})", re.ASCII)


class ParsedKey(NamedTuple):
    """The parts of a well-formed key."""

    collector_id: int
    digest: str


def generate_key(collector_id: int) -> str:
    """Return a new key with 256 random bits for the collector."""
    return f"collector_{collector_id}_{secrets.token_urlsafe(_TOKEN_BYTES)}"


def digest_of(key: str) -> str:
    """Return the SHA-256 of the whole key as 64 hex digits. A key of 256 random bits needs no salt and no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def mark_of(digest: str) -> str:
    """Return what tells a collector's keys apart: too little of the digest to find a key by."""
    return digest[:_MARK_CHARACTERS]


def parse_key(key: str) -> ParsedKey | None:
    """Return the collector's id and the key's digest, or None when the text is not a key. The token may contain `_`."""
    match = _KEY.fullmatch(key)
    if match is None or int(match[1]) >= 2**63:
        return None
    return ParsedKey(int(match[1]), digest_of(key))


def matches(key: str, digest: str) -> bool:
    """Tell whether the key has that digest, in a time that does not depend on where they differ."""
    return bool(digest) and hmac.compare_digest(digest_of(key), digest)
