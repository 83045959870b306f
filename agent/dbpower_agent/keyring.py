"""The collector key, and the ones the agent makes itself: stored before they are told, kept until they are proven.

The configured key is the first. Those that the agent makes stand in `keys.json` in the state directory, which names, by a
digest, the configured key that they follow from: an operator who configures another key gets that one.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from dbpower_agent.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "keys.json"
TOKEN_BYTES: Final = 32


def new_key(collector_id: int) -> str:
    """A key with 256 random bits for the collector."""
    return f"collector_{collector_id}_{secrets.token_urlsafe(TOKEN_BYTES)}"


@dataclass(frozen=True)
class Keys:
    """`current` is sent. `pending` was made and may be known to the backend; `previous` was sent before `current`."""

    current: str
    pending: str | None = None
    previous: str | None = None


class KeyRing:
    """Thread-safe. Every change is on the disk before it is used; OSError leaves everything as it was."""

    def __init__(self, state_dir: Path, configured: str) -> None:
        self._path = state_dir / FILE_NAME
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
            return tuple(key for key in (self._keys.current, self._keys.pending, self._keys.previous) if key)

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

        A pending one may have been taken although no answer came; the previous one is known to a backend that was restored
        from a backup.
        """
        with self._lock:
            keys = self._keys
            if keys.pending:
                self._store(Keys(keys.pending, previous=keys.current))
            elif keys.previous:
                self._store(Keys(keys.previous, previous=keys.current))
            return keys.pending is not None or keys.previous is not None

    def _store(self, keys: Keys) -> None:
        content = {"follows": self._follows, **asdict(keys)}
        write_atomically(self._path, json.dumps(content).encode() + b"\n")
        self._keys = keys

    def _read(self) -> Keys | None:
        try:
            raw = json.loads(self._path.read_bytes())
            if raw["follows"] != self._follows:
                return None
            keys = Keys(raw["current"], raw.get("pending"), raw.get("previous"))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        good = all(key is None or (isinstance(key, str) and key.isascii()) for key in (keys.pending, keys.previous))
        return keys if good and isinstance(keys.current, str) and keys.current.isascii() else None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
