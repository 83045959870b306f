"""The arithmetic behind "every call is counted once", against a model of a server that knows the truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replaced

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.domain.counters import COUNTERS, Absolute, Delta, deltas, merged

KEYS = ("a", "b", "c")


@dataclass
class Row:
    """One statement on the modelled server: its counters and what no snapshot has seen of it yet."""

    born: int
    calls: int = 0
    time_ns: int = 0
    least: int | None = None
    most: int | None = None
    unseen: int = 0


@dataclass
class Server:
    """Runs, evicts and resets statements, and knows which calls could ever have been seen."""

    tells_life: bool
    rows: dict[str, Row] = field(default_factory=dict)
    clock: int = 0
    seen_calls: int = 0

    def run(self, key: str, times: list[int]) -> None:
        self.clock += 1
        row = self.rows.setdefault(key, Row(born=self.clock))
        for nanoseconds in times:
            row.calls += 1
            row.unseen += 1
            row.time_ns += nanoseconds
            row.least = nanoseconds if row.least is None else min(row.least, nanoseconds)
            row.most = nanoseconds if row.most is None else max(row.most, nanoseconds)

    def evict(self, key: str) -> None:
        self.rows.pop(key, None)

    def snapshot(self) -> dict[str, Absolute]:
        for row in self.rows.values():
            self.seen_calls += row.unseen
            row.unseen = 0
        return {
            key: Absolute(
                calls=row.calls,
                total_time_ns=row.time_ns,
                rows=2 * row.calls,
                min_time_ns=row.least,
                max_time_ns=row.most,
                since=str(row.born) if self.tells_life else None,
                counters={"wal_bytes": 3 * row.calls},
            )
            for key, row in self.rows.items()
        }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from(KEYS), st.lists(st.integers(1, 100), min_size=1, max_size=4)),
        st.tuples(st.just("evict"), st.sampled_from(KEYS), st.just([0])),
        st.tuples(st.just("reset"), st.just(""), st.just([0])),
        st.tuples(st.just("snapshot"), st.just(""), st.just([0])),
    ),
    max_size=40,
)


def play(server: Server, steps: list[tuple[str, str, list[int]]]) -> dict[str, int]:
    """Let the steps happen, apply each snapshot as the service does, and return what was counted."""
    baseline = server.snapshot()
    counted = {"calls": 0, "rows": 0, "wal_bytes": 0}
    for step, key, times in [*steps, ("snapshot", "", [0])]:
        if step == "run":
            server.run(key, times)
        elif step == "evict":
            server.evict(key)
        elif step == "reset":
            server.rows.clear()
        else:
            current = server.snapshot()
            for _, delta in deltas(baseline, current):
                counted["calls"] += delta.calls
                counted["rows"] += delta.rows
                counted["wal_bytes"] += delta.counters.get("wal_bytes", 0)
            baseline = {name: merged(baseline.get(name), now) for name, now in current.items()}
    return counted


@given(STEPS)
def test_where_the_life_of_rows_is_known_all_that_could_be_seen_is_counted_once(
    steps: list[tuple[str, str, list[int]]],
) -> None:
    server = Server(tells_life=True)
    counted = play(server, steps)
    assert counted == {"calls": server.seen_calls, "rows": 2 * server.seen_calls, "wal_bytes": 3 * server.seen_calls}


@given(STEPS)
def test_where_it_is_not_known_the_sum_never_exceeds_the_truth(steps: list[tuple[str, str, list[int]]]) -> None:
    server = Server(tells_life=False)
    counted = play(server, steps)
    assert counted["calls"] <= server.seen_calls
    assert counted["rows"] <= 2 * server.seen_calls
    assert counted["wal_bytes"] <= 3 * server.seen_calls


@given(st.lists(st.integers(-3, 20), min_size=1, max_size=20))
def test_readings_that_fall_a_little_within_a_life_add_nothing_and_nothing_twice(steps: list[int]) -> None:
    """MariaDB's digests are read while they are written: 8,580,938, then 8,580,934 was seen."""
    truth = highest = 100
    baseline: Mapping[str, Absolute] = {"a": Absolute(calls=100, total_time_ns=1, rows=0, since="s")}
    counted = 0
    for step in steps:
        truth += step
        highest = max(highest, truth)
        current = {"a": Absolute(calls=truth, total_time_ns=1, rows=0, since="s")}
        counted += sum(delta.calls for _, delta in deltas(baseline, current))
        baseline = {"a": merged(baseline["a"], current["a"])}
    assert counted == highest - 100


BEFORE = Absolute(calls=10, total_time_ns=1000, rows=5, min_time_ns=10, max_time_ns=500, counters={"errors": 3})


def only(previous: Absolute | None, current: Absolute) -> Delta | None:
    found = list(deltas({} if previous is None else {"k": previous}, {"k": current}))
    return found[0][1] if found else None


def test_the_same_snapshot_again_adds_nothing() -> None:
    assert only(BEFORE, BEFORE) is None


def test_a_new_key_counts_from_zero() -> None:
    delta = only(None, BEFORE)
    assert delta == Delta(10, 1000, 5, 10, 500, {"errors": 3})


@pytest.mark.parametrize(
    "now",
    [
        replaced(BEFORE, calls=9),
        replaced(BEFORE, calls=20, total_time_ns=999),
        replaced(BEFORE, calls=20, rows=4),
        replaced(BEFORE, calls=20, max_time_ns=499),
        replaced(BEFORE, calls=20, min_time_ns=11),
        replaced(BEFORE, calls=20, counters={"errors": 2}),
    ],
)
def test_without_a_known_life_anything_that_fell_begins_a_new_one(now: Absolute) -> None:
    delta = only(BEFORE, now)
    assert delta is not None
    assert delta.calls == now.calls
    assert merged(BEFORE, now) == now


def test_another_life_counts_from_zero_even_when_nothing_fell() -> None:
    delta = only(replaced(BEFORE, since="monday"), replaced(BEFORE, since="tuesday", calls=12))
    assert delta is not None
    assert delta.calls == 12


@pytest.mark.parametrize(("before", "now"), [(None, "monday"), ("monday", None)])
def test_a_life_that_is_told_on_one_side_only_is_no_new_one(before: str | None, now: str | None) -> None:
    delta = only(replaced(BEFORE, since=before), replaced(BEFORE, since=now, calls=12))
    assert delta is not None
    assert delta.calls == 2


def test_a_counter_that_appears_in_the_middle_of_a_life_is_not_counted_from_zero() -> None:
    delta = only(BEFORE, replaced(BEFORE, calls=11, counters={"errors": 4, "wal_bytes": 10**9}))
    assert delta is not None
    assert delta.counters == {"errors": 1}


def test_a_counter_that_was_absent_once_goes_on_where_it_was() -> None:
    baseline = merged(BEFORE, replaced(BEFORE, calls=11, counters={}))
    delta = only(baseline, replaced(BEFORE, calls=12, counters={"errors": 5}))
    assert delta is not None
    assert delta.counters == {"errors": 2}


def test_extremes_are_told_only_when_they_moved() -> None:
    still = only(BEFORE, replaced(BEFORE, calls=11, total_time_ns=1100))
    moved = only(BEFORE, replaced(BEFORE, calls=12, total_time_ns=2000, min_time_ns=1, max_time_ns=899))
    assert still is not None
    assert moved is not None
    assert (still.min_time_ns, still.max_time_ns) == (None, None)
    assert (moved.min_time_ns, moved.max_time_ns) == (1, 899)


@given(
    st.builds(
        Absolute,
        calls=st.integers(0, 2**63 - 1),
        total_time_ns=st.integers(0, 2**63 - 1),
        rows=st.integers(0, 2**63 - 1),
        since=st.none() | st.text(max_size=10),
        counters=st.dictionaries(st.sampled_from(COUNTERS), st.integers(0, 2**63 - 1)),
    )
)
def test_packing_is_reversible(absolute: Absolute) -> None:
    assert Absolute.unpacked(absolute.packed()) == absolute
