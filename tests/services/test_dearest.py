"""The dearest statements of many databases are the same ones, however few of the databases are looked through."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from collectors.domain.sources import Engine
from collectors.models import Cost, DatabaseCost
from collectors.services import dearest, queries
from tests.cast import Cast, register
from tests.services.test_top_queries import bucket

pytestmark = pytest.mark.django_db
MOST = 4


@pytest.fixture
def period() -> dict[str, Any]:
    """The last day."""
    now = timezone.now()
    return {"since": now - timedelta(days=1), "until": now + timedelta(minutes=1)}


def everything(period: dict[str, Any]) -> list[dict[str, Any]]:
    return list(queries.top_fingerprints(costs=Cost.objects.all(), **period)[:MOST])


def fill(cast: Cast, loads: list[list[int]]) -> None:
    """Give each database statements that take so long."""
    for number, times in enumerate(loads):
        collector, _ = register(cast.shop, f"db-{number}", Engine.MYSQL)
        for statement, time in enumerate(times):
            bucket(collector.database, f"select {'x' * statement}", 1, 1, time)


@pytest.mark.parametrize("seed", range(8))
def test_the_busiest_databases_hold_them_or_more_are_looked_through(
    seed: int, cast: Cast, period: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(seed)
    fill(cast, [[draw.choice([1, 2, 3, 50]) for _ in range(draw.randint(1, 5))] for _ in range(12)])
    monkeypatch.setattr(dearest, "_FIRST", draw.randint(1, 3))
    busiest = list(dearest.databases(rows=DatabaseCost.objects.all(), **period))
    assert len(busiest) == 12
    assert [total for _, total in busiest] == sorted((total for _, total in busiest), reverse=True)
    for known in (busiest, busiest[:2], busiest[:6], []):
        assert dearest.statements(costs=Cost.objects.all(), busiest=known, most=MOST, **period) == everything(period)


def test_where_few_databases_hold_them_the_others_are_not_read(
    cast: Cast, period: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cast, [[100, 90], [80, 70], *[[20, 10]] * 6])
    monkeypatch.setattr(dearest, "_FIRST", 2)
    busiest = list(dearest.databases(rows=DatabaseCost.objects.all(), **period))
    with CaptureQueriesContext(connection) as captured:
        rows = dearest.statements(costs=Cost.objects.all(), busiest=busiest, most=MOST, **period)
    assert [row["sum_time_ns"] for row in rows] == [100, 90, 80, 70]
    asked = [query["sql"] for query in captured.captured_queries if "GROUP BY" in query["sql"]]
    assert len(asked) == 1
    others = [str(pk) for pk, _ in busiest[2:]]
    assert f"({busiest[0][0]}, {busiest[1][0]})" in asked[0]
    assert not any(f", {pk}" in asked[0] for pk in others)
