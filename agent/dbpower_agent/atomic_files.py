"""Replacing a file so that a reader, or a machine that lost power, sees the old content or the new, never a mixture."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, content: bytes, *, durable: bool = True, like: os.stat_result | None = None) -> None:
    """Write `content` to `path` with mode 0600. `durable` waits for the disk; without it only the rename is atomic.

    `like` is of a file whose owner, group and mode the new one gets, except that others may do nothing with it.
    """
    # A name that nobody has prepared: O_EXCL takes no file that is there, whoever put it there, and no link.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            if like is not None:
                _make_like(descriptor, like)
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(path.parent)


def _make_like(descriptor: int, like: os.stat_result) -> None:
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    # After the owner, whose change may take bits away.
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode) & 0o770)


def remove_leftovers(path: Path) -> None:
    """Remove the halves of `path` that kills in the middle of a write left. Only while nobody else writes it."""
    with contextlib.suppress(OSError):
        for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
            leftover.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make renames and removals in `directory` survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
