"""Positions in a slow log: which rows of an upload are new."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cursor:
    """The next row to take of one generation, and the hash of the row before it (None at the beginning)."""

    generation: str
    position: int = 0
    row_hash: str | None = None


class CursorMismatch(Exception):
    """An upload starts above the cursor and does not say that the rows between are lost."""

    def __init__(self, cursor: Cursor) -> None:
        super().__init__(f"the next row to take is at position {cursor.position}")
        self.cursor = cursor


def rows_to_skip(cursor: Cursor, *, position: int, rows: int, lost_rows: int) -> int:
    """Return how many of the upload's first rows were taken already.

    `position` is that of the upload's first row, `lost_rows` how many positions before it no longer exist. Raises
    `CursorMismatch` when rows between the cursor and the upload are neither sent nor declared lost.
    """
    if position - lost_rows > cursor.position:
        raise CursorMismatch(cursor)
    return min(rows, max(0, cursor.position - position))


def lost_between(cursor: Cursor, *, position: int) -> int:
    """Return how many positions the upload passes over: what it declared lost and the cursor had not passed yet."""
    return max(0, position - cursor.position)
