"""What an audit of the ledger compares: the live counters of a server against the sum of what is stored.

Counting begins in the middle of a server's life, and rows begin anew in the middle of a generation, so live counters are not
what is stored: an *opening* says, for each row, by how much they differ. It is taken when counting begins, and moves only
when the server itself throws counters away. From then on `live - opening` has to be the sum of all that is stored since, to
the last call; anything else is a fault of ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from collectors.domain import counters
from collectors.domain.counters import Absolute


@dataclass(frozen=True)
class Sums:
    """Calls, their time in nanoseconds, and the rows they returned. An opening may be negative."""

    calls: int = 0
    total_time_ns: int = 0
    rows: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.calls + other.calls, self.total_time_ns + other.total_time_ns, self.rows + other.rows)

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(self.calls - other.calls, self.total_time_ns - other.total_time_ns, self.rows - other.rows)

    def __bool__(self) -> bool:
        return self != _NOTHING


_NOTHING = Sums()


@dataclass(frozen=True)
class Difference:
    """One row of which something else is stored than the server has counted."""

    key: str
    counted: Sums
    stored: Sums

    @property
    def calls(self) -> int:
        """How many calls are stored too many; negative where some are missing."""
        return self.stored.calls - self.counted.calls


def sums_of(rows: Mapping[str, Absolute]) -> dict[str, Sums]:
    """Return what the counters of a snapshot say."""
    return {key: Sums(row.calls, row.total_time_ns, row.rows) for key, row in rows.items()}


def opening_of(before: Mapping[str, Absolute], stored: Mapping[str, Sums]) -> dict[str, Sums]:
    """Return the opening where counting goes on from the counters `before`, and `stored` is in the ledger already."""
    counted = sums_of(before)
    found = {key: counted.get(key, _NOTHING) - stored.get(key, _NOTHING) for key in {*counted, *stored}}
    return {key: sums for key, sums in found.items() if sums}


def moved_on(
    opening: Mapping[str, Sums], previous: Mapping[str, Absolute], current: Mapping[str, Absolute]
) -> dict[str, Sums]:
    """Return the opening after a snapshot of the same generation: what a row had counted went with the row."""
    moved = dict(opening)
    for key, sums in sums_of(previous).items():
        if key not in current or counters.is_new_life(previous[key], current[key]):
            moved[key] = moved.get(key, _NOTHING) - sums
    return {key: sums for key, sums in moved.items() if sums}


def counted_since(live: Mapping[str, Absolute], opening: Mapping[str, Sums]) -> dict[str, Sums]:
    """Return what the server has counted since the opening."""
    counted = sums_of(live)
    return {key: counted.get(key, _NOTHING) - opening.get(key, _NOTHING) for key in {*counted, *opening}}


def differences(counted: Mapping[str, Sums], stored: Mapping[str, Sums]) -> Iterator[Difference]:
    """Yield every row of which more or less is stored than was counted."""
    for key in {*counted, *stored}:
        one = Difference(key, counted.get(key, _NOTHING), stored.get(key, _NOTHING))
        if one.counted != one.stored:
            yield one
