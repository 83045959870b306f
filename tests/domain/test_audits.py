"""What an audit compares: the live counters less their opening are the sum of what was stored since."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collectors.domain import audits, counters
from collectors.domain.audits import Sums
from collectors.domain.counters import Absolute

KEYS = "abcde"
# What happens to each statement between two snapshots: it runs so often, or the server forgets it first.
STEPS = st.lists(
    st.dictionaries(st.sampled_from(KEYS), st.tuples(st.booleans(), st.integers(0, 5)), min_size=1), max_size=12
)


def absolute(calls: int, life: int) -> Absolute:
    return Absolute(calls=calls, total_time_ns=10 * calls, rows=2 * calls, since=str(life))


@given(STEPS, st.integers(0, 12), st.dictionaries(st.sampled_from(KEYS), st.integers(0, 9)))
def test_live_counters_less_the_opening_are_what_was_stored_since_whatever_the_server_forgets(
    steps: list[dict[str, Any]], opened_after: int, already: dict[str, int]
) -> None:
    calls: dict[str, int] = {}
    lives = dict.fromkeys(KEYS, 0)
    snapshots = [dict[str, Absolute]()]
    for step in steps:
        for key, (forgotten, ran) in step.items():
            if forgotten:
                calls.pop(key, None)
                lives[key] += 1
            if ran:
                calls[key] = calls.get(key, 0) + ran
        snapshots.append({key: absolute(count, lives[key]) for key, count in calls.items()})
    first = min(opened_after, len(snapshots) - 1)
    stored = {key: Sums(count, 10 * count, 2 * count) for key, count in already.items()}
    opening = audits.opening_of(snapshots[first], stored)
    for previous, current in zip(snapshots[first:], snapshots[first + 1 :], strict=False):
        opening = audits.moved_on(opening, previous, current)
        for key, delta in counters.deltas(previous, current):
            stored[key] = stored.get(key, Sums()) + Sums(delta.calls, delta.total_time_ns, delta.rows)
        assert list(audits.differences(audits.counted_since(current, opening), stored)) == []


def test_a_difference_names_what_was_counted_and_what_is_stored() -> None:
    counted = {"a": Sums(3, 30, 6), "b": Sums(1, 10, 2), "gone": Sums(2, 20, 4)}
    stored = {"a": Sums(3, 30, 6), "b": Sums(2, 10, 2), "more": Sums(1, 1, 1)}
    found = {one.key: (one.counted.calls, one.stored.calls, one.calls) for one in audits.differences(counted, stored)}
    assert found == {"b": (1, 2, 1), "gone": (2, 0, -2), "more": (0, 1, 1)}
