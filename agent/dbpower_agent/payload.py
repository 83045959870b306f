"""The bodies of uploads: lists of JSON objects, compressed while they are written, within the backend's limits."""

from __future__ import annotations

import json
import zlib
from typing import Any, Final

MAX_MEMBERS: Final = 5_000
# The limits of the wire are 1 MiB and 16 MiB; the rest is room for the envelope and for the end of the stream.
MAX_COMPRESSED: Final = 1024 * 1024 - 32 * 1024
MAX_PLAIN: Final = 16 * 1024 * 1024 - 256 * 1024
GZIP: Final = 16 + zlib.MAX_WBITS
LEVEL: Final = 6


def encode_member(member: dict[str, Any]) -> bytes:
    """One list member as JSON. Refuses NaN and infinity, which are no JSON."""
    return json.dumps(member, separators=(",", ":"), allow_nan=False).encode("ascii")


class Part:
    """The tail of one upload, `"queries":[…]}`: everything of its body behind the envelope's members."""

    def __init__(self, member: str = "queries", *, max_members: int = MAX_MEMBERS, last: str = "}") -> None:
        self.count = 0
        self._max_members = max_members
        self._last = last.encode("ascii")
        self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        self._pieces: list[bytes] = []
        self._compressed = 0
        self._plain = 0
        self._unflushed = 0
        self._write(f'"{member}":['.encode("ascii"))

    def fits(self, member: bytes) -> bool:
        """Whether `member` can still be added. An empty part takes any single member."""
        if self.count == 0:
            return True
        if self.count >= self._max_members or self._plain + len(member) > MAX_PLAIN:
            return False
        if self._compressed + self._unflushed + len(member) <= MAX_COMPRESSED:
            return True
        # What is still inside the compressor counts at full size until it is flushed out and can be measured.
        self._keep(self._compressor.flush(zlib.Z_SYNC_FLUSH))
        self._unflushed = 0
        return self._compressed + len(member) <= MAX_COMPRESSED

    def add(self, member: bytes) -> None:
        self._write(b"," + member if self.count else member)
        self.count += 1

    def finish(self) -> bytes:
        """Close the list and the body; returns the compressed tail."""
        self._write(b"]" + self._last)
        self._keep(self._compressor.flush())
        return b"".join(self._pieces)

    def _write(self, data: bytes) -> None:
        self._plain += len(data)
        self._unflushed += len(data)
        self._keep(self._compressor.compress(data))

    def _keep(self, data: bytes) -> None:
        if data:
            self._pieces.append(data)
            self._compressed += len(data)


def build_request(envelope: dict[str, Any], tail: bytes) -> bytes:
    """Put the envelope's members in front of a finished tail; returns one gzip stream.

    The tail is unpacked and packed again piece by piece: a stream of two gzip members would be shorter work,
    but many readers stop after the first. Raise zlib.error when the tail is damaged.
    """
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    head = json.dumps(envelope, separators=(",", ":"), allow_nan=False).encode("ascii")
    pieces = [compressor.compress(head[:-1] + b",")]
    decompressor = zlib.decompressobj(GZIP)
    waiting = tail
    while waiting and not decompressor.eof:
        pieces.append(compressor.compress(decompressor.decompress(waiting, 65_536)))
        waiting = decompressor.unconsumed_tail
    pieces.append(compressor.compress(decompressor.flush()))
    if not decompressor.eof:
        raise zlib.error("the compressed body ends early")
    pieces.append(compressor.flush())
    return b"".join(pieces)


def empty_tail(member: str = "queries") -> bytes:
    return Part(member).finish()
