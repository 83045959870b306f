"""Typed readers for settings that come from the environment.

Every reader takes the variable's name and a default. A secret may come from a file instead: `NAME_FILE` names it. A value that
cannot be used raises `ImproperlyConfigured` with the variable's name and what was expected, so that a wrong setting stops
the start instead of surfacing later.
"""

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """Return the variable, or the content of the file that `NAME_FILE` names, without surrounding white space."""
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return os.environ.get(name, default).strip()
    if name in os.environ:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; set one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE={path} cannot be read: {error}") from error


def integer(name: str, default: int, *, minimum: int, maximum: int) -> int:
    """Return the variable as a whole number between `minimum` and `maximum`, both allowed."""
    raw = text(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={raw!r} is not a whole number.") from error
    if not minimum <= value <= maximum:
        raise ImproperlyConfigured(f"{name}={value} is not between {minimum} and {maximum}.")
    return value


def boolean(name: str, *, default: bool) -> bool:
    """Return the variable as true (1, true, yes, on) or false (0, false, no, off)."""
    raw = text(name).lower()
    if not raw:
        return default
    if raw in _TRUE:
        return True
    if raw in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={raw!r} is neither true nor false.")


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return the variable as a list, split at commas; empty parts are left out."""
    raw = text(name)
    return [part.strip() for part in raw.split(",") if part.strip()] if raw else list(default)


def database(name: str, data_dir: Path) -> dict[str, object]:
    """Return Django's settings for `postgresql://user:password@host:port/name?option=value`, or SQLite in `data_dir` when unset."""
    raw = text(name)
    if not raw:
        return _sqlite(data_dir / "dbpower.sqlite3")
    try:
        parts = urlsplit(raw)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not an address: {error}") from error
    if parts.scheme == "sqlite":
        return _sqlite(Path(unquote(parts.path)))
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"{name} begins with {parts.scheme!r}; use postgresql://user:password@host:port/name."
        )
    if not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} names no database; use postgresql://user:password@host:port/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "OPTIONS": {**dict(parse_qsl(parts.query)), "connect_timeout": 5},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }


def _sqlite(path: Path) -> dict[str, object]:
    # Only write-ahead logging together with BEGIN IMMEDIATE and a time-out survives many writers: a transaction that
    # begins as a reader cannot wait for the lock when it later wants to write, it fails at once.
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA temp_store=MEMORY;PRAGMA cache_size=-20000;",
        },
        "CONN_MAX_AGE": 600,
    }
