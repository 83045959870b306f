"""Typed readers for settings that come from the environment.

Every reader takes the variable's name and a default. A secret may come from elsewhere instead: from a file that `NAME_FILE`
names, from what a command prints that `NAME_COMMAND` holds (Vault, a cloud's secret manager), or from a systemd credential
of the variable's name. A value that cannot be used raises `ImproperlyConfigured` with the variable's name and what was
expected, so that a wrong setting stops the start instead of surfacing later.
"""

import os
import shlex
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

# A secret manager across the network, with a slow answer.
_COMMAND_SECONDS = 30
_OURS = ("DBPOWER_", "DATABASE_URL", "REDIS_URL", "DJANGO_")
_ADDRESS = "Use postgresql://user:password@host:port/name; in user and password write / as %2F, # as %23, ? as %3F, @ as %40, % as %25."
_BROKER = "Use redis://:password@host:port/0; in the password write / as %2F, # as %23, ? as %3F, @ as %40, % as %25."
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """Return the variable, or what its file, its command or its systemd credential holds, without surrounding white space."""
    # An empty variable counts as not set: compose files and units pass on what nobody filled in.
    given = [source for source in (name, f"{name}_FILE", f"{name}_COMMAND") if os.environ.get(source, "").strip()]
    if len(given) > 1:
        raise ImproperlyConfigured(f"{' and '.join(given)} are both set; set one of them.")
    if f"{name}_FILE" in given:
        return _content(f"{name}_FILE", Path(os.environ[f"{name}_FILE"]))
    if f"{name}_COMMAND" in given:
        return _printed(f"{name}_COMMAND", os.environ[f"{name}_COMMAND"])
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "")) / name
    if not given and "CREDENTIALS_DIRECTORY" in os.environ and credential.exists():
        return _content(f"the systemd credential {name}", credential)
    return os.environ.get(name, "").strip() or default


def _content(source: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{source}={path} cannot be read: {error.strerror}.") from None
    except ValueError:
        # The error holds what was read, which is a secret.
        raise ImproperlyConfigured(f"{source}={path} cannot be read: it is not UTF-8.") from None


def _printed(source: str, command: str) -> str:
    """Run a command, without a shell, and return what it printed. What it printed is in no message: it may be the secret."""
    # It gets the environment that it may need, but no secret of ours.
    passed = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    try:
        done = subprocess.run(
            shlex.split(command) or [""],
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=True,
            env=passed,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        code = getattr(error, "returncode", None)
        reason = type(error).__name__ if code is None else f"it ended with {code}"
        raise ImproperlyConfigured(f"{source} gave no secret: {reason}.") from None
    if not done.stdout.strip():
        raise ImproperlyConfigured(f"{source} gave no secret: it printed nothing.")
    return done.stdout.strip()


def integer(name: str, default: int, *, minimum: int, maximum: int) -> int:
    """Return the variable as a whole number between `minimum` and `maximum`, both allowed."""
    raw = text(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={raw!r} is not a whole number.") from None
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


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return the variable as one of the choices, in their spelling."""
    raw = text(name, default)
    for known in choices:
        if raw.lower() == known.lower():
            return known
    raise ImproperlyConfigured(f"{name}={raw!r} is none of {', '.join(choices)}.")


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
    except ValueError:
        # The error quotes what it takes for a port: a part of the password where a "/", "#" or "?" in it was not encoded.
        raise ImproperlyConfigured(f"{name} is not an address. {_ADDRESS}") from None
    if parts.scheme == "sqlite":
        return _sqlite(Path(unquote(parts.path)))
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"{name} does not begin with postgresql:// or sqlite://. {_ADDRESS}")
    if not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} names no database. {_ADDRESS}")
    if "@" in parts.path or parts.fragment:
        raise ImproperlyConfigured(f"{name} has an @ or # behind its host. {_ADDRESS}")
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


def broker(name: str) -> str:
    """Return the address of a Redis, or nothing when unset."""
    raw = text(name)
    try:
        parts = urlsplit(raw)
        _ = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"{name} is not an address. {_BROKER}") from None
    if raw and parts.scheme not in {"redis", "rediss", "unix"}:
        raise ImproperlyConfigured(f"{name} begins with none of redis://, rediss:// and unix://.")
    if raw and (parts.fragment or (parts.scheme != "unix" and "@" in parts.path + parts.query)):
        raise ImproperlyConfigured(f"{name} has an @ or # behind its host. {_BROKER}")
    return raw


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
