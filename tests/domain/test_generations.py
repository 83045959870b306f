"""What a snapshot may be counted from."""

from datetime import UTC, datetime, timedelta

import pytest

from collectors.domain.generations import Base, Known, base_of, evicted

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATEST = Known("server", NOW - timedelta(minutes=5))


@pytest.mark.parametrize(
    ("has_baseline", "latest", "server", "age", "base"),
    [
        # A generation that is known is compared with itself, whatever else is said.
        (True, LATEST, "server", 10, Base.STORED),
        (True, LATEST, "other", None, Base.STORED),
        # The first snapshot ever only becomes the baseline.
        (False, None, "server", 10, Base.ITSELF),
        # The same server began counting anew after the last snapshot: all of it is new.
        (False, LATEST, "server", 10, Base.ZERO),
        (False, LATEST, "server", 300, Base.ZERO),
        # It began before: part of it may have been counted under another name.
        (False, LATEST, "server", 300.001, Base.ITSELF),
        (False, LATEST, "server", 86_400, Base.ITSELF),
        # Not known when it began, or another server.
        (False, LATEST, "server", None, Base.ITSELF),
        (False, LATEST, "other", 10, Base.ITSELF),
    ],
)
def test_the_base_of_a_snapshot(
    has_baseline: bool, latest: Known | None, server: str, age: float | None, base: Base
) -> None:
    found = base_of(has_baseline=has_baseline, latest=latest, server_id=server, age_seconds=age, taken_at=NOW)
    assert found is base


@pytest.mark.parametrize(
    ("base", "before", "now", "lost"),
    [
        (Base.STORED, 4, 9, 5),
        (Base.STORED, 9, 9, 0),
        (Base.STORED, 9, 4, 0),
        (Base.STORED, None, 4, None),
        (Base.STORED, 4, None, None),
        (Base.ZERO, 400, 2, 2),
        (Base.ITSELF, None, 400, 0),
    ],
)
def test_evictions_since_the_last_snapshot(base: Base, before: int | None, now: int | None, lost: int | None) -> None:
    assert evicted(base, before, now) == lost
