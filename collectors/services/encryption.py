"""What must be read again and yet rest encrypted: sealed with the newest of DBPOWER_ENCRYPTION_KEYS, opened with any."""

import json
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


def seal(content: dict[str, Any]) -> str:
    """Return the content encrypted with the newest key. Callers put the row's id in, so that it opens in no other row."""
    return _fernet().encrypt(json.dumps(content, separators=(",", ":")).encode()).decode()


def unseal(ciphertext: str) -> dict[str, Any] | None:
    """Return the content, or None when no key opens it."""
    try:
        content: dict[str, Any] = json.loads(_fernet().decrypt(ciphertext.encode()))
    except InvalidToken:
        return None
    return content


def is_newest(ciphertext: str) -> bool:
    """Tell whether the newest key opens the ciphertext."""
    try:
        _made((settings.DBPOWER_ENCRYPTION_KEYS[0],)).decrypt(ciphertext.encode())
    except InvalidToken:
        return False
    return True


def _fernet() -> MultiFernet:
    return _made(tuple(settings.DBPOWER_ENCRYPTION_KEYS))


@cache
def _made(encryption_keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in encryption_keys])
