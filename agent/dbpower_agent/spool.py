"""The bounded queue of uploads on disk. Every upload goes through it, so that a killed agent loses none that was read.

One file is one upload: a line with a checksum, a JSON header (the envelope and the moment of the read), then the
compressed tail. Files appear complete or not at all (written aside, flushed, renamed). A file that is damaged all the
same, or that is no file, is set aside. Only one process uses a spool, and in it only the collection thread.
"""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.atomic_files import write_atomically
from dbpower_agent.clock import Instant
from dbpower_agent.set_aside import SetAside, remove

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

MAGIC: Final = b"dbpower-spool-1"
NAME: Final = re.compile(r"(?P<number>\d{12})-(?P<source>[a-z_]{1,40})-(?P<group>[0-9a-f]{1,32})\.upload")
LONGEST_HEADER: Final = 256 * 1024
# No upload is larger: whatever is, is not read into memory.
LONGEST_FILE: Final = 2 * 1024 * 1024
# Written only when something is lost, so a name of its own in the spool's folder will do.
UNTOLD: Final = "untold"


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
    """Oldest out first. `dropped_files` counts since the process started what was thrown away unsent, damaged files
    among them; `untold_files` are those of them the backend does not know of yet, and outlive the process.
    """

    def __init__(self, directory: Path, *, max_bytes: int, max_age_seconds: float) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._max_age_seconds = max_age_seconds
        self.dropped_files = 0
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._rejected, self._corrupt = SetAside(directory / "rejected"), SetAside(directory / "corrupt")
        for leftover in directory.glob(".*.tmp"):
            remove(leftover)
        self._entries = self._scan()
        self._next_number = self._first_free_number()
        self.untold_files = self._read_untold()

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
        remove(entry.path)

    def reject(self, entry: SpoolEntry) -> None:
        """The backend will never take it: keep it for an operator to look at."""
        self._forget(entry)
        self._rejected.take(entry.path)

    def set_aside(self, entry: SpoolEntry) -> None:
        """It is damaged: keep it out of the way. The rest of its group is of no use without it."""
        group = self._group_of(entry)
        self._count_dropped(len(group))
        for part in group:
            if part is entry:
                self._forget(part)
                self._corrupt.take(part.path)
            else:
                self.remove(part)

    def told(self, files: int) -> None:
        """The backend knows now that so many uploads were thrown away."""
        if files:
            self.untold_files = max(0, self.untold_files - files)
            self._write_untold()

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
            group = self._group_of(oldest)
            self._count_dropped(len(group))
            for entry in group:
                self.remove(entry)
                size -= entry.size
            logger.warning("the spool is full or too old: dropped %d unsent upload(s) of %s", len(group), oldest.source)

    def discard_group(self, source: str, group: str) -> None:
        """Remove what was stored of a group that could not be stored whole."""
        for entry in [known for known in self._entries if (known.source, known.group) == (source, group)]:
            self.remove(entry)

    def _group_of(self, entry: SpoolEntry) -> list[SpoolEntry]:
        """`entry` and all that is useless without it."""
        if entry.group == "0":
            return [entry]
        return [known for known in self._entries if (known.source, known.group) == (entry.source, entry.group)]

    def _count_dropped(self, files: int) -> None:
        """Before they go: a killed agent may count a loss twice, but never forgets one."""
        self.dropped_files += files
        self.untold_files += files
        self._write_untold()

    def _read_untold(self) -> int:
        try:
            return int((self._directory / UNTOLD).read_bytes()[:20])
        except (OSError, ValueError):
            return 0

    def _write_untold(self) -> None:
        try:
            write_atomically(self._directory / UNTOLD, b"%d" % self.untold_files)
        except OSError as error:
            # A full disk: the number is still told, unless the agent ends before.
            logger.warning("the number of dropped uploads cannot be stored: %s", error.strerror)

    def _too_old(self, entry: SpoolEntry) -> bool:
        try:
            return self.load(entry).read_at.age() > self._max_age_seconds
        except CorruptSpoolFileError:
            # Sending finds out and sets it aside.
            return False

    def _read(self, entry: SpoolEntry) -> tuple[bytes, bytes]:
        try:
            content = read_file(entry.path)
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
                entry = SpoolEntry(path, int(match["number"]), match["source"], match["group"], path.lstat().st_size)
                found.append(entry)
        return sorted(found, key=lambda entry: entry.number)

    def _first_free_number(self) -> int:
        """Above every number in use, or files set aside later would look older than those before them."""
        aside = (NAME.fullmatch(name) for folder in (self._rejected, self._corrupt) for name in folder.names())
        used = [*(entry.number for entry in self._entries), *(int(match["number"]) for match in aside if match)]
        return max(used, default=0) + 1

    def _forget(self, entry: SpoolEntry) -> None:
        self._entries = [known for known in self._entries if known.number != entry.number]


def read_file(path: Path) -> bytes:
    """The content of a regular file of at most `LONGEST_FILE` bytes. Raise OSError for everything else.

    Neither a link, which may lead anywhere, nor a pipe, which would never end, is followed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no regular file")
        if found.st_size > LONGEST_FILE:
            raise OSError(0, f"it is larger ({found.st_size} bytes) than any upload")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)
