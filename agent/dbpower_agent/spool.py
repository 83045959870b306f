"""The bounded queue of uploads on disk. Every upload goes through it, so that a killed agent loses none that was read.

One file is one upload: a line with a checksum, a JSON header (the envelope and the moment of the read), then the
compressed tail. Files appear complete or not at all (written aside, flushed, renamed). A file that is damaged all the
same is set aside. Only one process uses a spool, and in it only the collection thread.
"""

from __future__ import annotations

import json
import logging
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.atomic_files import sync_directory, write_atomically
from dbpower_agent.clock import Instant

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

MAGIC: Final = b"dbpower-spool-1"
NAME: Final = re.compile(r"(?P<number>\d{12})-(?P<source>[a-z_]{1,40})-(?P<group>[0-9a-f]{1,32})\.upload")
LONGEST_HEADER: Final = 256 * 1024
SET_ASIDE_KEPT: Final = 20


class CorruptSpoolFileError(Exception):
    """The file is not what was written."""


@dataclass(frozen=True)
class SpoolEntry:
    """One stored upload. Entries of one `group` (the parts of a snapshot) are useless without each other."""

    path: Path
    number: int
    source: str
    group: str
    size: int


@dataclass(frozen=True)
class StoredUpload:
    """`count` is the number of members in the list inside the compressed `tail`."""

    envelope: dict[str, Any]
    count: int
    read_at: Instant
    tail: bytes


class Spool:
    """Oldest out first. `dropped_files` counts since the process started what was thrown away unsent."""

    def __init__(self, directory: Path, *, max_bytes: int, max_age_seconds: float) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._max_age_seconds = max_age_seconds
        self.dropped_files = 0
        for folder in (directory, directory / "rejected", directory / "corrupt"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in directory.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
        self._entries = self._scan()
        self._next_number = self._entries[-1].number + 1 if self._entries else 1

    @property
    def entries(self) -> tuple[SpoolEntry, ...]:
        """Oldest first."""
        return tuple(self._entries)

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self._entries)

    def newest_of(self, source: str) -> SpoolEntry | None:
        return next((entry for entry in reversed(self._entries) if entry.source == source), None)

    def put(
        self, envelope: dict[str, Any], tail: bytes, *, count: int, read_at: Instant, group: str = "0"
    ) -> SpoolEntry:
        """Store one upload durably. Raise OSError when the disk does not take it."""
        described = {"envelope": envelope, "count": count, "read_at": read_at.as_json()}
        header = json.dumps(described, allow_nan=False).encode("ascii")
        checksum = zlib.crc32(tail, zlib.crc32(header))
        first_line = b"%s %08x %d %d\n" % (MAGIC, checksum, len(header), len(tail))
        number, source = self._next_number, str(envelope["source"])
        path = self._directory / f"{number:012d}-{source}-{group}.upload"
        write_atomically(path, first_line + header + tail)
        self._next_number += 1
        entry = SpoolEntry(path, number, source, group, len(first_line) + len(header) + len(tail))
        self._entries.append(entry)
        self.enforce_limits()
        return entry

    def load(self, entry: SpoolEntry) -> StoredUpload:
        """Read one upload back. Raise CorruptSpoolFileError when it is damaged or gone."""
        header, tail = self._read(entry)
        try:
            raw = json.loads(header)
            return StoredUpload(dict(raw["envelope"]), int(raw["count"]), Instant.from_json(raw["read_at"]), tail)
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptSpoolFileError(f"{entry.path.name}: the header cannot be read") from error

    def remove(self, entry: SpoolEntry) -> None:
        """The backend has it, or nobody needs it any more."""
        self._forget(entry)
        entry.path.unlink(missing_ok=True)

    def reject(self, entry: SpoolEntry) -> None:
        """The backend will never take it: keep it for an operator to look at."""
        self._move(entry, "rejected")

    def set_aside(self, entry: SpoolEntry) -> None:
        """It is damaged: keep it out of the way."""
        self._move(entry, "corrupt")

    def discard(self, source: str) -> int:
        """Remove every upload of `source`: what they hold is read again. Returns how many there were."""
        chosen = [entry for entry in self._entries if entry.source == source]
        for entry in chosen:
            self.remove(entry)
        return len(chosen)

    def enforce_limits(self) -> None:
        """Throw away the oldest uploads until size and age are within bounds, always whole groups."""
        size = self.size
        while self._entries and (size > self._max_bytes or self._too_old(self._entries[0])):
            oldest = self._entries[0]
            group = [
                entry
                for entry in self._entries
                if entry is oldest
                or (oldest.group != "0" and (entry.source, entry.group) == (oldest.source, oldest.group))
            ]
            for entry in group:
                self.remove(entry)
                size -= entry.size
            self.dropped_files += len(group)
            logger.warning("the spool is full or too old: dropped %d unsent upload(s) of %s", len(group), oldest.source)

    def _too_old(self, entry: SpoolEntry) -> bool:
        try:
            return self.load(entry).read_at.age() > self._max_age_seconds
        except CorruptSpoolFileError:
            # Sending finds out and sets it aside.
            return False

    def _read(self, entry: SpoolEntry) -> tuple[bytes, bytes]:
        try:
            content = entry.path.read_bytes()
        except OSError as error:
            raise CorruptSpoolFileError(f"{entry.path.name}: {error.strerror}") from error
        first_line, _, rest = content.partition(b"\n")
        try:
            magic, checksum, header_size, tail_size = first_line.split(b" ")
            sizes = int(header_size), int(tail_size)
            wanted = int(checksum, 16)
        except ValueError as error:
            raise CorruptSpoolFileError(f"{entry.path.name}: the first line cannot be read") from error
        fits = magic == MAGIC and 0 < sizes[0] <= LONGEST_HEADER and len(rest) == sum(sizes)
        if not fits or zlib.crc32(rest) != wanted:
            raise CorruptSpoolFileError(f"{entry.path.name}: the checksum does not fit")
        return rest[: sizes[0]], rest[sizes[0] :]

    def _scan(self) -> list[SpoolEntry]:
        found = []
        for path in self._directory.iterdir():
            match = NAME.fullmatch(path.name)
            if match:
                entry = SpoolEntry(path, int(match["number"]), match["source"], match["group"], path.stat().st_size)
                found.append(entry)
        return sorted(found, key=lambda entry: entry.number)

    def _move(self, entry: SpoolEntry, folder: str) -> None:
        self._forget(entry)
        target = self._directory / folder
        if entry.path.exists():
            entry.path.replace(target / entry.path.name)
            sync_directory(target)
        kept = sorted(target.iterdir())
        for old in kept[:-SET_ASIDE_KEPT]:
            old.unlink(missing_ok=True)

    def _forget(self, entry: SpoolEntry) -> None:
        self._entries = [known for known in self._entries if known.number != entry.number]
