"""Counts since the agent's start become totals that never fall."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.domain.heartbeats import increase


@pytest.mark.parametrize(
    ("last", "value", "instance", "same", "added"),
    [
        (100, 130, "a", True, 30),
        (100, 100, "a", True, 0),
        # Late within one process: adds nothing.
        (100, 90, "a", True, 0),
        # Another process began at zero.
        (100, 130, "b", False, 130),
        (100, 5, "b", False, 5),
        # A process without a name restarted when its count fell.
        (100, 130, "", False, 30),
        (100, 5, "", False, 5),
    ],
)
def test_an_increase(last: int, value: int, instance: str, same: bool, added: int) -> None:
    assert increase(last=last, value=value, instance=instance, same_process=same) == added


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=6), min_size=1, max_size=5))
def test_the_total_over_processes_is_the_sum_of_what_each_reported_last(processes: list[list[int]]) -> None:
    total = reported = 0
    for number, steps in enumerate(processes):
        count = 0
        for index, step in enumerate(steps):
            count += step
            same = index > 0
            total += increase(last=reported, value=count, instance=str(number), same_process=same)
            reported = count
    assert total == sum(sum(steps) for steps in processes)
