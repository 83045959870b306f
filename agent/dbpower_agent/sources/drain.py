"""Rows on local disk: a result is read to its end at once and worked on afterwards, with no statement left open.

The file has no name, so neither a killed agent nor a curious user finds statements with their literals on disk.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

Row = tuple[bytes | None, ...]

NULL: Final = 0xFFFFFFFF
LENGTH: Final = struct.Struct("<I")


class Drain:
    """Rows of bytes, written once from front to back, then read one reader at a time."""

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  (lives as long as this object)
        self._compressor = zlib.compressobj(1)
        self.count = 0
        self.last: Row | None = None

    @property
    def disk_bytes(self) -> int:
        return self._file.tell()

    def add(self, row: Row) -> None:
        pieces = [LENGTH.pack(len(row))]
        for column in row:
            pieces.append(LENGTH.pack(NULL if column is None else len(column)))
            if column:
                pieces.append(column)
        self._file.write(self._compressor.compress(b"".join(pieces)))
        self.count += 1
        self.last = row

    def finish(self) -> None:
        """No more rows come; reading may begin."""
        self._file.write(self._compressor.flush())
        self._file.seek(0)

    def rewind(self) -> None:
        """Begin reading again from the first row."""
        self._file.seek(0)

    def rows(self) -> Iterator[Row]:
        reader = _Reader(self._file)
        for _ in range(self.count):
            (columns,) = LENGTH.unpack(reader.take(LENGTH.size))
            yield tuple(self._column(reader) for _ in range(columns))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Drain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def _column(reader: _Reader) -> bytes | None:
        (length,) = LENGTH.unpack(reader.take(LENGTH.size))
        return None if length == NULL else reader.take(length)


class _Reader:
    """Decompresses a file in pieces of bounded size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decompressor = zlib.decompressobj()
        self._buffer = bytearray()
        self._start = 0

    def take(self, count: int) -> bytes:
        while len(self._buffer) - self._start < count:
            piece = self._decompressor.unconsumed_tail or self._file.read(32_768)
            more = self._decompressor.decompress(piece, 262_144) if piece else self._decompressor.flush()
            if not piece and not more:
                raise EOFError("the drained rows end early")
            del self._buffer[: self._start]
            self._start = 0
            self._buffer += more
        taken = bytes(self._buffer[self._start : self._start + count])
        self._start += count
        return taken
