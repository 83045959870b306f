"""Database connections of collectors: encrypted where they rest, readable only on their way to the agent."""

import json
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from collectors.services.errors import Refused


def encrypt(*, collector_id: int, config: dict[str, Any]) -> str:
    """Return the configuration encrypted with the newest key.

    The collector's id is part of what is encrypted: a ciphertext moved to another row does not open there.
    """
    content = json.dumps({"collector_id": collector_id, "config": config}, separators=(",", ":"))
    return _fernet(tuple(settings.DBPOWER_ENCRYPTION_KEYS)).encrypt(content.encode()).decode()


def decrypt(*, collector_id: int, ciphertext: str) -> dict[str, Any]:
    """Return the configuration; an empty one when nothing is stored.

    Raises `Refused` with code `config_unreadable` when no key opens the ciphertext or it belongs to another collector.
    """
    if not ciphertext:
        return {}
    try:
        content = json.loads(_fernet(tuple(settings.DBPOWER_ENCRYPTION_KEYS)).decrypt(ciphertext.encode()))
    except InvalidToken as error:
        raise Refused("No encryption key opens the stored configuration.", code="config_unreadable") from error
    if content["collector_id"] != collector_id:
        raise Refused("The stored configuration belongs to another collector.", code="config_unreadable")
    config: dict[str, Any] = content["config"]
    return config


def reencrypt(ciphertext: str) -> str:
    """Return the ciphertext under the newest key. Raises `cryptography.fernet.InvalidToken` when no key opens it."""
    return _fernet(tuple(settings.DBPOWER_ENCRYPTION_KEYS)).rotate(ciphertext.encode()).decode()


def without_secrets(config: dict[str, Any]) -> dict[str, Any]:
    """Return the members that may be shown: everything but the password."""
    return {name: value for name, value in config.items() if name != "password"}


@cache
def _fernet(encryption_keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in encryption_keys])
