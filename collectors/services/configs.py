"""Database connections of collectors: encrypted where they rest, readable only on their way to the agent."""

from typing import Any

from django.utils.translation import gettext as _

from collectors.services import encryption
from collectors.services.errors import Refused


def encrypt(*, collector_id: int, config: dict[str, Any]) -> str:
    """Return the configuration encrypted with the newest key.

    The collector's id is part of what is encrypted: a ciphertext moved to another row does not open there.
    """
    return encryption.seal({"collector_id": collector_id, "config": config})


def decrypt(*, collector_id: int, ciphertext: str) -> dict[str, Any]:
    """Return the configuration; an empty one when nothing is stored.

    Raises `Refused` with code `config_unreadable` when no key opens the ciphertext or it belongs to another collector.
    """
    if not ciphertext:
        return {}
    content = encryption.unseal(ciphertext)
    if content is None:
        raise Refused(_("No encryption key opens the stored configuration."), code="config_unreadable")
    if content.get("collector_id") != collector_id:
        raise Refused(_("The stored configuration belongs to another collector."), code="config_unreadable")
    config: dict[str, Any] = content["config"]
    return config


def without_secrets(config: dict[str, Any]) -> dict[str, Any]:
    """Return the members that may be shown: everything but the password."""
    return {name: value for name, value in config.items() if name != "password"}
