"""Enrolment tokens: `enroll_{token}`, made once, shown once, stored as SHA-256."""

import hashlib
import secrets
from typing import Final

PREFIX: Final = "enroll_"
_TOKEN_BYTES: Final = 32


def generate_token() -> str:
    """Return a new token with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> str:
    """Return the SHA-256 of a token as 64 hex digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
