"""The secrets of an installation: from the environment, else from a file made at the first start."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from dbpower import environment


@dataclass(frozen=True, repr=False)
class Secrets:
    """`secret_key` signs sessions and tokens; `encryption_keys` (newest first) encrypt stored database credentials."""

    secret_key: str
    encryption_keys: list[str]


def load(data_dir: Path) -> Secrets:
    """Return the secrets of this installation.

    `DBPOWER_SECRET_KEY` and `DBPOWER_ENCRYPTION_KEYS` (comma-separated, newest first) win. What they leave open is read
    from `secrets.json` in `data_dir`, which is made with mode 0600 when it does not exist.
    """
    secret_key = environment.text("DBPOWER_SECRET_KEY")
    encryption_keys = environment.words("DBPOWER_ENCRYPTION_KEYS")
    if not (secret_key and encryption_keys):
        stored = _stored(data_dir)
        secret_key = secret_key or stored.secret_key
        encryption_keys = encryption_keys or stored.encryption_keys
    _check(secret_key, encryption_keys)
    return Secrets(secret_key, encryption_keys)


def _check(secret_key: str, encryption_keys: list[str]) -> None:
    if len(secret_key) < 32:
        raise ImproperlyConfigured("DBPOWER_SECRET_KEY is shorter than 32 characters.")
    for number, key in enumerate(encryption_keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"Key {number} of DBPOWER_ENCRYPTION_KEYS is not a Fernet key (32 bytes, URL-safe base64)."
            ) from None


def _stored(data_dir: Path) -> Secrets:
    path = data_dir / "secrets.json"
    if not path.exists():
        _create(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Secrets(str(content["secret_key"]), [str(key) for key in content["encryption_keys"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImproperlyConfigured(
            f"{path} cannot be used ({type(error).__name__}). Restore it from a backup: without its encryption keys the "
            "stored database credentials are lost."
        ) from None


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = {"secret_key": secrets.token_urlsafe(64), "encryption_keys": [Fernet.generate_key().decode()]}
    own = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails when the name is taken: of two processes that start at once, one makes the file and both read it.
        os.link(own, path)
    except FileExistsError:
        pass
    finally:
        own.unlink()
