"""How long executions took, as a histogram that can be merged: the percentiles of any period within 1 % of their value.

The method is DDSketch's: C. Masson, J. E. Rim, H. K. Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
Relative-Error Guarantees", PVLDB 12(12), 2019. Bin k holds the values in (g^(k-1), g^k] with g = (1 + a) / (1 - a). The
value 2 g^k / (g + 1) then lies within the relative distance a of everything in the bin, however sketches were merged.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Final, Self

RELATIVE_ERROR: Final = 0.01
# The longest time a sketch tells apart, in nanoseconds: 2**52 are 52 days, a slow log knows no more than 35. It bounds a
# sketch at about 1,800 bins.
LONGEST: Final = 2**52

_VERSION: Final = 1
_GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA: Final = math.log(_GAMMA)
# The bin of all values below one nanosecond; the bin of 1 is the next one.
_ZERO: Final = 0
_VARINT_BITS: Final = 7
_MORE: Final = 1 << _VARINT_BITS


class Sketch:
    """Counts of values by their order of magnitude. Values are whole nanoseconds, from 0 on; `bins` counts by bin."""

    def __init__(self, values: Iterable[int] = ()) -> None:
        self.bins: dict[int, int] = {}
        for value in values:
            self.add(value)

    def __eq__(self, other: object) -> bool:
        """Sketches of the same values are equal, in whatever order and parts these came."""
        return isinstance(other, Sketch) and self.bins == other.bins

    __hash__ = None  # type: ignore[assignment]

    @property
    def count(self) -> int:
        """How many values were added."""
        return sum(self.bins.values())

    def add(self, value: int) -> None:
        """Count one value; what is longer than `LONGEST` counts as that."""
        key = _bin_of(value)
        self.bins[key] = self.bins.get(key, 0) + 1

    def merge(self, other: "Sketch") -> None:
        """Take in all values of another sketch."""
        for key, count in other.bins.items():
            self.bins[key] = self.bins.get(key, 0) + count

    def quantile(self, share: float) -> float | None:
        """Return the value of rank floor(share * (count - 1)), within `RELATIVE_ERROR` of it; None of an empty sketch."""
        rank = math.floor(share * (self.count - 1))
        for key in sorted(self.bins):
            rank -= self.bins[key]
            if rank < 0:
                return _value_of(key)
        return None

    def packed(self) -> bytes:
        """Return the bins as bytes, two or three for most of them; `unpacked` reverses it."""
        content = bytearray([_VERSION])
        previous = 0
        for key in sorted(self.bins):
            _append(content, key - previous)
            _append(content, self.bins[key])
            previous = key
        return bytes(content)

    @classmethod
    def unpacked(cls, content: bytes) -> Self:
        """Return the sketch that `packed` was called on. Raises `ValueError` for anything else."""
        if content[:1] != bytes([_VERSION]):
            raise ValueError("not a sketch of a version known here")
        sketch = cls()
        numbers = _numbers(content[1:])
        key = 0
        # Both come from one iterator: distance and count in turn.
        for distance, count in zip(numbers, numbers, strict=True):
            key += distance
            sketch.bins[key] = count
        return sketch


def _bin_of(value: int) -> int:
    if value < 1:
        return _ZERO
    return 1 + math.ceil(math.log(min(value, LONGEST)) / _LOG_GAMMA)


def _value_of(key: int) -> float:
    return 0.0 if key == _ZERO else 2 * math.exp((key - 1) * _LOG_GAMMA) / (_GAMMA + 1)


def _append(content: bytearray, number: int) -> None:
    """Append a whole number, seven bits a byte, the lowest first; the high bit says that more follow."""
    while number >= _MORE:
        content.append(number % _MORE | _MORE)
        number >>= _VARINT_BITS
    content.append(number)


def _numbers(content: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in content:
        number |= byte % _MORE << shift
        shift += _VARINT_BITS
        if byte < _MORE:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("a sketch that is cut short")
