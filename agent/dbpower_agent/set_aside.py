"""Files of the spool that are in the way: kept for an operator to look at, within bounds, and never a reason to stop."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Final

from dbpower_agent.atomic_files import sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

KEPT_FILES: Final = 20
KEPT_BYTES: Final = 32 * 1024 * 1024


class SetAside:
    """One folder of such files: the newest `KEPT_FILES` of them, and at most `KEPT_BYTES`. Nothing here ever raises
    OSError once the folder exists: what cannot be kept is removed, and what cannot be removed is told in the log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self) -> Iterator[str]:
        for path in self._folder.iterdir():
            yield path.name

    def take(self, path: Path) -> None:
        """Move `path` here, whatever it is."""
        try:
            path.rename(self._folder / path.name)
            sync_directory(self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            logger.warning("%s cannot be kept and is removed: %s", path.name, error.strerror)
            remove(path)
        self._enforce_limits()

    def _enforce_limits(self) -> None:
        size = 0
        for number, path in enumerate(sorted(self._folder.iterdir(), reverse=True), start=1):
            whole = not path.is_dir() or path.is_symlink()
            size += path.lstat().st_size if whole else 0
            if number > KEPT_FILES or size > KEPT_BYTES:
                remove(path)


def remove(path: Path) -> None:
    """Remove a file, or whatever stands in its place. Never raises OSError."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s cannot be removed: %s", path.name, error.strerror)
