"""The collector key, and the ones the agent makes itself: stored before they are told, kept until they are proven.

The configured key is the first. Those that the agent makes stand in `keys.json` in the state directory, which names, by a
digest, the configured key that they follow from: an operator who configures another key gets that one. A file that cannot be
read is not taken for none: the key in it is the one that is good.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import stat
import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from dbpower_agent.atomic_files import remove_leftovers, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME: Final = "keys.json"
TOKEN_BYTES: Final = 32


def new_key(collector_id: int) -> str:
    """A key with 256 random bits for the collector."""
    return f"collector_{collector_id}_{secrets.token_urlsafe(TOKEN_BYTES)}"


class KeysUnusableError(Exception):
    """The stored keys are there and cannot be used. The message says why and what to do."""


@dataclass(frozen=True)
class Keys:
    """`current` is sent. `pending` was made and may be known to the backend; `previous` was sent before `current`.

    `older` are others that a backend may know that was restored from a backup, the likeliest first.
    """

    current: str
    pending: str | None = None
    previous: str | None = None
    older: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(key for key in (self.current, self.pending, self.previous, *self.older) if key)


class KeyRing:
    """Thread-safe. Every change is on the disk before it is used; OSError leaves everything as it was.

    Raises `KeysUnusableError` for a file that cannot be read, or that others can.
    """

    def __init__(self, state_dir: Path, configured: str) -> None:
        self._path = state_dir / FILE_NAME
        self._configured = configured
        self._follows = _digest(configured)
        self._lock = threading.Lock()
        self._keys = self._read() or Keys(configured)

    @property
    def current(self) -> str:
        with self._lock:
            return self._keys.current

    @property
    def pending_sha256(self) -> str | None:
        """What the backend is told of the key that waits to be taken; None when none waits."""
        with self._lock:
            return _digest(self._keys.pending) if self._keys.pending else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be printed."""
        with self._lock:
            return (self._configured, *self._keys.all)

    @property
    def is_stored(self) -> bool:
        """Whether the agent has made itself a key, as far as this state directory tells."""
        return self._path.exists()

    def tidy(self) -> None:
        """Remove what a kill in the middle of a write left. Only for the one agent that owns the directory."""
        remove_leftovers(self._path)

    def make(self, collector_id: int) -> None:
        """Make a key with 256 random bits; it waits until the backend knows its digest."""
        with self._lock:
            self._store(replace(self._keys, pending=new_key(collector_id)))

    def switch(self) -> None:
        """The backend knows the pending key: send it from now on."""
        with self._lock:
            if self._keys.pending:
                self._store(Keys(self._keys.pending, previous=self._keys.current))

    def drop(self) -> None:
        """The backend does not want the pending key."""
        with self._lock:
            self._store(replace(self._keys, pending=None))

    def fall_back(self) -> bool:
        """The current key was refused: send another one that the backend may know. Returns whether there is one.

        A pending one may have been taken although no answer came; a backend that was restored from a backup knows the
        previous one, or one before it, and in the end the configured one.
        """
        with self._lock:
            keys = self._keys
            others = [key for key in dict.fromkeys((*keys.all, self._configured)) if key != keys.current]
            if not others:
                return False
            following, *rest = others
            rest.append(keys.current)
            self._store(Keys(following, previous=rest[0], older=tuple(rest[1:])))
            return True

    def _store(self, keys: Keys) -> None:
        content = {"follows": self._follows, **asdict(keys)}
        write_atomically(self._path, json.dumps(content).encode() + b"\n")
        self._keys = keys

    def _read(self) -> Keys | None:
        try:
            content = self._content()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise KeysUnusableError(
                f"{self._path}: cannot be read ({error.strerror}), and holds the key that the agent made; let the agent's user "
                "read it, or make a new key by hand, configure it and remove the file"
            ) from error
        try:
            raw = json.loads(content)
            if raw["follows"] != self._follows:
                return None
            keys = Keys(raw["current"], raw.get("pending"), raw.get("previous"), tuple(raw.get("older", ())))
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.warning("%s is damaged; the agent uses the configured key", self._path)
            return None
        given = (keys.current, *(key for key in (keys.pending, keys.previous) if key is not None), *keys.older)
        return keys if all(isinstance(key, str) and key.isascii() for key in given) else None

    def _content(self) -> bytes:
        with self._path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeysUnusableError(
                    f"{self._path}: is open to others (mode {stat.S_IMODE(mode):04o}) and holds keys; "
                    f"run: chmod 600 {self._path}, and rotate the key"
                )
            return file.read()


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
