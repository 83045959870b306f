"""Recovery codes: what opens an account whose authenticator app is lost. Each is good once."""

import base64
import hashlib
import secrets
from typing import Final

COUNT: Final = 10
_BYTES: Final = 10


def generate_codes() -> list[str]:
    """Return new codes of 80 random bits each, as `abcd-efgh-ijkl-mnop`."""
    return [_grouped(base64.b32encode(secrets.token_bytes(_BYTES)).decode().lower()) for _ in range(COUNT)]


def digest_of(code: str) -> str:
    """Return the SHA-256 of a code as 64 hex digits, however somebody groups it or writes its letters."""
    plain = "".join(code.split()).replace("-", "").lower()
    return hashlib.sha256(plain.encode()).hexdigest()


def _grouped(text: str) -> str:
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))
