"""Where a secret may come from instead of standing in a setting: a file, what a command prints, a credential of systemd.

Each raises OSError, ValueError or SubprocessError. What was read or printed may be the secret: callers show none of it.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "DBPOWER_AGENT_"
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
# A secret manager across the network, with a slow answer.
COMMAND_SECONDS: Final = 30.0
FAILURES: Final = (OSError, ValueError, subprocess.SubprocessError)


def from_file(path: str | Path) -> str:
    """What a file holds, without the end of its last line."""
    return Path(path).read_text(encoding="utf-8").rstrip("\r\n")


def printed_by(command: str, environ: Mapping[str, str]) -> str:
    """What a command prints, which runs without a shell."""
    # It gets the environment that it may need, but no secret of ours.
    passed = {name: text for name, text in environ.items() if not name.startswith(PREFIX)}
    done = subprocess.run(
        shlex.split(command) or [""], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True, env=passed
    )
    if not done.stdout.strip():
        raise ValueError
    return done.stdout.rstrip("\r\n")


def credential_path(name: str, environ: Mapping[str, str]) -> Path | None:
    """Where systemd put the credential; None when it was given none of this name."""
    if CREDENTIALS not in environ:
        return None
    path = Path(environ[CREDENTIALS]) / name
    return path if path.exists() else None
