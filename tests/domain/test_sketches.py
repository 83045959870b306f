"""Percentiles from merged sketches, against those of the values themselves."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.domain import limits
from collectors.domain.sketches import LONGEST, RELATIVE_ERROR, Sketch

PROMISED = 0.02
SHARES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
TIMES = st.one_of(
    st.integers(0, LONGEST),
    st.integers(0, 100),
    st.floats(0, math.log(LONGEST)).map(lambda exponent: round(math.exp(exponent))),
    st.sampled_from([0, 1, 2, 1_000_000, 10**9, LONGEST - 1, LONGEST]),
)


def exact(values: list[int], share: float) -> int:
    return sorted(values)[math.floor(share * (len(values) - 1))]


def assert_close(sketch: Sketch, values: list[int], error: float = PROMISED) -> None:
    for share in SHARES:
        found = sketch.quantile(share)
        assert found is not None
        assert abs(found - exact(values, share)) <= error * exact(values, share), share


@given(st.lists(TIMES, min_size=1, max_size=300), st.data())
def test_any_percentile_is_right_however_the_values_were_split_and_merged(
    values: list[int], data: st.DataObject
) -> None:
    parts = [Sketch() for _ in range(data.draw(st.integers(1, 6)))]
    for value in values:
        parts[data.draw(st.integers(0, len(parts) - 1))].add(value)
    while len(parts) > 1:
        taken = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        parts[data.draw(st.integers(0, len(parts) - 1))].merge(Sketch.unpacked(taken.packed()))
    assert parts[0] == Sketch(values)
    assert parts[0].count == len(values)
    assert_close(parts[0], values)


DICE = random.Random(11)
DISTRIBUTIONS = {
    "log-normal": [round(math.exp(DICE.gauss(18, 2))) for _ in range(20_000)],
    "exponential": [round(DICE.expovariate(1e-9)) for _ in range(20_000)],
    "pareto": [min(LONGEST, round(1e6 * DICE.paretovariate(1.1))) for _ in range(20_000)],
    "uniform": [DICE.randrange(10**10) for _ in range(20_000)],
    "two humps": [round(abs(DICE.gauss(*DICE.choice([(1e6, 1e5), (5e9, 1e8)])))) for _ in range(20_000)],
    "all alike": [123_456_789] * 1_000,
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_percentiles_of_many_values_are_within_one_percent(name: str) -> None:
    values = DISTRIBUTIONS[name]
    # A hair more than what the method promises: logarithms are rounded.
    assert_close(Sketch(values), values, error=RELATIVE_ERROR * 1.001)


def test_an_empty_sketch_has_no_percentile() -> None:
    assert Sketch().quantile(0.95) is None
    assert Sketch.unpacked(Sketch().packed()) == Sketch()


def test_a_sketch_stays_small_whatever_it_is_given() -> None:
    everything = Sketch(round(1.005**step) for step in range(round(math.log(LONGEST * 1000) / math.log(1.005))))
    assert len(everything.bins) < 1_850
    assert len(everything.packed()) < 6_000
    assert len(Sketch([1_500_000_000]).packed()) == 4


def test_the_longest_time_that_an_upload_may_report_is_told_apart() -> None:
    longest = limits.MAX_QUERY_SECONDS * 10**9
    assert longest < LONGEST
    assert_close(Sketch([longest]), [longest])


def test_counts_of_any_size_survive_packing() -> None:
    sketch = Sketch([7])
    for _ in range(60):
        sketch.merge(Sketch.unpacked(sketch.packed()))
    assert Sketch.unpacked(sketch.packed()).count == 2**60


@pytest.mark.parametrize("content", [b"", b"\x02\x01\x01", b"\x01\x81", b"\x01\x05"])
def test_what_is_no_sketch_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"sketch|shorter"):
        Sketch.unpacked(content)
