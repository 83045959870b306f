"""The position of the slow log's reader under everything that can happen to the table, without a database."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dbpower_agent.sources.drain import Drain
from dbpower_agent.sources.slow_log_position import CURRENT, Cursor, PositionReader
from dbpower_agent.sources.slow_log_rows import RawRow, generation_id, row_hash

IDENTITY = "server-1"
FOLDER = Path("/tmp")


def row(text: str) -> RawRow:
    columns = [
        b"2026-01-01 00:00:00.000000",
        b"app[app] @ [10.0.0.1]",
        b"00:00:01",
        b"00:00:00",
        b"1",
        b"1",
        b"shop",
        b"7",
    ]
    return (*columns, str(len(text)).encode(), text.encode(), b"0")


class MemoryTables:
    """Tables of rows, with the same operations as the server's."""

    def __init__(self) -> None:
        self.tables: dict[str, list[RawRow]] = {CURRENT: []}

    def first_row(self, table: str) -> RawRow | None:
        return next(iter(self.tables.get(table, [])), None)

    def scan(self, table: str) -> Iterator[RawRow]:
        return iter(list(self.tables.get(table, [])))

    def drain(self, table: str, offset: int, expected_hash: str | None) -> Drain | None:
        rows = self.tables.get(table, [])[offset:]
        if expected_hash is not None and (not rows or row_hash(rows[0]) != expected_hash):
            return None
        drain = Drain(FOLDER)
        for found in rows:
            drain.add(found)
        drain.finish()
        return drain


class World:
    """A log, a backend that keeps cursors, and an agent that may forget everything."""

    def __init__(self) -> None:
        self.log = MemoryTables()
        self.written: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self.cursors: dict[str, Cursor] = {}
        self.moved_last: str | None = None
        self.reader = self.new_reader()
        self.serial = 0
        self.logs = 0

    def new_reader(self) -> PositionReader:
        return PositionReader(self.log, identity=IDENTITY, old_tables=("slow_log_prev",))

    def append(self, text: str | None = None) -> None:
        self.serial += 1
        text = text or f"statement {self.serial}"
        self.log.tables[CURRENT].append(row(text))
        self.written[text] += 1

    def poll(self) -> str | None:
        cursor = self.cursors.get(self.moved_last) if self.moved_last else None
        reading = self.reader.read(cursor, self.cursors.get)
        for segment in reading.segments:
            self._take(segment.generation, segment.position, list(segment.new_rows()))
        reading.close()
        return reading.gap

    def _take(self, generation: str, position: int, rows: list[RawRow]) -> None:
        """What the backend does: rows below its cursor are dropped, an upload above it is refused."""
        cursor = self.cursors.get(generation, Cursor(generation, 0, None))
        assert position <= cursor.position, "the agent left rows out"
        for index, found in enumerate(rows):
            self.reader.took(generation, position + index, row_hash(found))
            if position + index >= cursor.position:
                self.counted[(found[9] or b"").decode()] += 1
        if rows and position + len(rows) > cursor.position:
            self.cursors[generation] = Cursor(generation, position + len(rows), row_hash(rows[-1]))
            self.moved_last = generation

    def restart(self) -> None:
        self.reader = self.new_reader()

    def rotate(self) -> None:
        self.logs += 1
        self.log.tables["slow_log_prev"] = self.log.tables[CURRENT]
        self.log.tables[CURRENT] = []

    def truncate(self) -> None:
        self.logs += 1
        self.log.tables[CURRENT] = []

    def crash(self, lost: int) -> None:
        """The machine dies: rows that were not yet on disk are gone."""
        table = self.log.tables[CURRENT]
        del table[max(len(table) - lost, 0) :]

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("append", count):
                for _ in range(count):
                    self.append()
            case ("same", count):
                for _ in range(count):
                    self.append(f"always the same in log {self.logs}")
            case ("crash", lost):
                self.crash(lost)
            case (name,):
                getattr(self, name)()


COUNT = st.integers(1, 5)
HARMLESS = st.one_of(
    st.tuples(st.just("append"), COUNT), st.tuples(st.just("same"), COUNT), st.just(("poll",)), st.just(("restart",))
)
ANYTHING = st.one_of(HARMLESS, st.just(("rotate",)), st.just(("truncate",)), st.tuples(st.just("crash"), COUNT))


@settings(max_examples=300)
@given(steps=st.lists(HARMLESS, max_size=30))
def test_every_row_is_counted_exactly_once(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for step in steps:
        world.do(step)
    world.poll()
    assert world.counted == world.written


@settings(max_examples=300)
@given(steps=st.lists(st.lists(HARMLESS, max_size=8), min_size=1, max_size=5))
def test_rotation_by_rename_loses_and_doubles_nothing(steps: list[list[tuple[Any, ...]]]) -> None:
    """Whatever happens between two rotations, as long as the log is polled once in between."""
    world = World()
    for number, group in enumerate(steps):
        world.append(f"unique first row {number}")
        for step in group:
            world.do(step)
        world.poll()
        world.append()
        world.rotate()
    world.poll()
    assert world.counted == world.written


@settings(max_examples=600)
@given(steps=st.lists(ANYTHING, max_size=40))
def test_nothing_is_ever_counted_twice(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for step in steps:
        world.do(step)
    world.poll()
    assert all(world.counted[text] <= world.written[text] for text in world.counted)


def test_rows_that_refill_the_places_of_lost_ones_are_counted() -> None:
    world = World()
    for _ in range(10):
        world.append()
    world.poll()
    world.crash(3)
    for _ in range(5):
        world.append()
    world.poll()
    world.append()
    world.poll()
    assert world.counted == world.written


def test_after_a_crash_a_new_agent_finds_its_place_again() -> None:
    world = World()
    for _ in range(6):
        world.append()
    world.poll()
    world.crash(2)
    for _ in range(4):
        world.append()
    world.poll()
    world.restart()
    world.append()
    world.poll()
    assert world.counted == world.written


def test_a_crash_and_a_restart_together_are_a_gap_and_no_double() -> None:
    world = World()
    for _ in range(6):
        world.append()
    world.poll()
    world.crash(2)
    world.append("after the crash")
    world.restart()
    assert "crash" in (world.poll() or "")
    world.append("known again")
    world.poll()
    assert all(world.counted[text] <= 1 for text in world.counted)
    assert world.counted["known again"] == 1


def test_a_truncated_log_is_a_gap_and_begins_a_new_generation() -> None:
    world = World()
    world.append()
    assert world.poll() is None
    world.truncate()
    assert "truncated" in (world.poll() or "")
    world.append()
    assert "truncated" in (world.poll() or "")
    assert world.poll() is None
    assert len(world.cursors) == 2
    assert world.counted == world.written


def test_a_log_swapped_between_two_reads_is_read_again() -> None:
    world = World()
    world.append("old")
    original = world.log.drain

    def swapping(table: str, offset: int, expected_hash: str | None) -> Drain | None:
        world.log.drain = original  # type: ignore[method-assign]
        world.rotate()
        world.append("new")
        return original(table, offset, expected_hash)

    world.log.drain = swapping  # type: ignore[method-assign]
    world.poll()
    assert world.counted["new"] == 1


def test_any_agent_computes_the_same_generation() -> None:
    first = row("x")
    assert generation_id("a", first) == generation_id("a", first)
    assert generation_id("a", first) != generation_id("b", first)
    assert generation_id("a", first) != generation_id("a", row("y"))
    assert len(generation_id("a", first)) == 64
    shifted = (*first[:6], b"sho", b"p7", *first[8:])
    assert row_hash(shifted) != row_hash(first)
    assert row_hash((*first[:6], None, *first[7:])) != row_hash((*first[:6], b"", *first[7:]))


def test_cursors_of_the_backend_are_read_with_suspicion() -> None:
    good = {"generation": "g", "position": 3, "row_hash": "h"}
    assert Cursor.from_json(good) == Cursor("g", 3, "h")
    damaged: list[Any] = [None, [], {}, *(good | {"position": value} for value in (-1, "3", True, 1.5))]
    for bad in damaged:
        assert Cursor.from_json(bad) is None
    assert Cursor.from_json(good | {"generation": None, "row_hash": 1}) is None
