"""However a slow log is chopped, repeated and shuffled on its way, each row is taken once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.domain.cursors import Cursor, CursorMismatch, lost_between, rows_to_skip

SLICES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=40)


def take(stored: list[int], cursor: Cursor, first: int, rows: list[int], lost: int = 0) -> Cursor:
    """Apply one upload as the service does."""
    skip = rows_to_skip(cursor, position=first, rows=len(rows), lost_rows=lost)
    end = first + len(rows)
    if end <= cursor.position:
        return cursor
    stored.extend(rows[skip:])
    return Cursor(cursor.generation, end, str(end))


@given(SLICES)
def test_any_chopping_duplication_and_reordering_stores_each_row_once(slices: list[tuple[int, int]]) -> None:
    log = list(range(30))
    stored: list[int] = []
    cursor = Cursor("g")
    for first, length in slices:
        rows = log[first : first + length]
        if first > cursor.position:
            with pytest.raises(CursorMismatch) as refusal:
                take(stored, cursor, first, rows)
            assert refusal.value.cursor == cursor
        else:
            cursor = take(stored, cursor, first, rows)
        assert stored == log[: cursor.position]
    cursor = take(stored, cursor, cursor.position, log[cursor.position :])
    assert stored == log


@given(SLICES, st.data())
def test_rows_declared_lost_are_counted_once_and_the_rest_stored_once(
    slices: list[tuple[int, int]], data: st.DataObject
) -> None:
    log = list(range(42))
    stored: list[int] = []
    lost_total = 0
    cursor = Cursor("g")
    for first, length in slices:
        lost = data.draw(st.integers(0, first))
        try:
            passed = lost_between(cursor, position=first)
            moved = take(stored, cursor, first, log[first : first + length], lost)
        except CursorMismatch:
            continue
        lost_total += passed if moved != cursor else 0
        cursor = moved
        assert len(stored) == len(set(stored))
        assert len(stored) + lost_total == cursor.position


@pytest.mark.parametrize(
    ("position", "rows", "lost", "skipped"),
    [(10, 5, 0, 0), (8, 5, 0, 2), (0, 5, 0, 5), (0, 10, 0, 10), (12, 5, 2, 0), (12, 5, 12, 0), (10, 0, 0, 0)],
)
def test_rows_below_the_cursor_are_skipped(position: int, rows: int, lost: int, skipped: int) -> None:
    assert rows_to_skip(Cursor("g", 10), position=position, rows=rows, lost_rows=lost) == skipped


@pytest.mark.parametrize(("position", "lost"), [(11, 0), (20, 9), (2**60, 5)])
def test_an_upload_above_the_cursor_is_refused_with_the_cursor(position: int, lost: int) -> None:
    with pytest.raises(CursorMismatch) as refusal:
        rows_to_skip(Cursor("g", 10), position=position, rows=3, lost_rows=lost)
    assert refusal.value.cursor.position == 10
