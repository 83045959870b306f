"""Is the agent alive? A file the agent rewrites every few seconds, and the check that reads it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbpower_agent.atomic_files import write_atomically
from dbpower_agent.clock import Instant

ALIVE_NAME: Final = "alive.json"
WRITE_EVERY_SECONDS: Final = 5.0
STALE_AFTER_SECONDS: Final = 45.0


@dataclass(frozen=True)
class Health:
    healthy: bool
    detail: str


def mark_alive(state_dir: Path) -> None:
    """Say that this process is at work now. Raise OSError when the state directory cannot be written."""
    content = {"pid": os.getpid(), "at": Instant.now().as_json()}
    write_atomically(state_dir / ALIVE_NAME, json.dumps(content).encode(), durable=False)


def remove_mark(state_dir: Path) -> None:
    (state_dir / ALIVE_NAME).unlink(missing_ok=True)


def check_health(state_dir: Path, now: Instant | None = None) -> Health:
    """Judge the mark: it must be fresh, and the process that left it must still exist."""
    try:
        raw = json.loads((state_dir / ALIVE_NAME).read_bytes())
        pid, age = int(raw["pid"]), Instant.from_json(raw["at"]).age(now)
    except FileNotFoundError:
        return Health(healthy=False, detail="no agent runs with this state directory")
    except (OSError, ValueError, KeyError, TypeError):
        return Health(healthy=False, detail="the mark of the agent cannot be read")
    if not _exists(pid):
        return Health(healthy=False, detail=f"process {pid} is gone")
    if age > STALE_AFTER_SECONDS:
        return Health(healthy=False, detail=f"process {pid} has not reported for {age:.0f} seconds")
    return Health(healthy=True, detail=f"process {pid} reported {age:.0f} seconds ago")


def _exists(pid: int) -> bool:
    """A zombie counts as gone: nothing works in it any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
    except OSError:
        return True
