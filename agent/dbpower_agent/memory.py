"""Keeping the process small: an agent is a guest on a host that belongs to somebody's database."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

M_TRIM_THRESHOLD: Final = -1
M_ARENA_MAX: Final = -8
DETECTORS: Final = ("chardet", "charset_normalizer")


def use_one_arena() -> None:
    """Have glibc keep one heap for all threads and give freed memory back early; other C libraries are left alone."""
    try:
        import ctypes

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, OSError, AttributeError, MemoryError):
        # Another C library, or a service that may not have memory both writable and executable.
        return
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_TRIM_THRESHOLD, 256 * 1024)


@contextmanager
def without_charset_detection() -> Iterator[None]:
    """Import `requests` inside this without its guesser of encodings: 4 MB of tables for bodies that are always UTF-8."""
    hidden = [name for name in DETECTORS if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*character detection.*")
            yield
    finally:
        for name in hidden:
            del sys.modules[name]
