"""The parts of one snapshot, compressed while they are read and kept on local disk until all are there."""

from __future__ import annotations

import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any

from dbpower_agent.payload import Part, encode_member

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType


class SnapshotParts:
    """Memory holds one part at a time; how many there will be is known only at the end."""

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  (lives as long as this object)
        self._finished: list[tuple[int, int, int]] = []
        self._part = Part()
        self.rows = 0

    def add(self, member: dict[str, Any]) -> None:
        encoded = encode_member(member)
        if not self._part.fits(encoded):
            self._keep()
        self._part.add(encoded)
        self.rows += 1

    def finish(self) -> list[tuple[Callable[[], bytes], int]]:
        """For each part a way to load its compressed tail, and its number of members. At least one, even if empty."""
        if self._part.count or not self._finished:
            self._keep()
        return [(partial(self._load, offset, size), count) for offset, size, count in self._finished]

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> SnapshotParts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self) -> None:
        tail = self._part.finish()
        self._finished.append((self._file.tell(), len(tail), self._part.count))
        self._file.write(tail)
        self._part = Part()

    def _load(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)
