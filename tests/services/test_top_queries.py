"""The load of a period, grouped, ordered, compared: every call once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from collectors.domain import comparisons, metrics
from collectors.domain.comparisons import Change
from collectors.domain.groupings import Grouping
from collectors.domain.metrics import METRICS
from collectors.domain.time_ranges import TimeRange
from collectors.models import Bucket, Collector, Cost, Fingerprint, MonitoredDatabase, SlowQuery, Statement
from collectors.services import rollups, top_queries
from collectors.services.query_narrowing import Narrowing
from collectors.services.top_queries import Page, Question
from tests.cast import Cast
from tests.services.uploading import send, slow_log, slow_query, snapshot, statement

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
SECOND = 1_000_000_000


def question(hours: float = 24, costs: QuerySet[Cost] | None = None, **members: Any) -> Question:
    now = timezone.now() + timedelta(minutes=1)
    return Question(
        costs=Cost.objects.all() if costs is None else costs,
        slow_queries=SlowQuery.objects.all(),
        shown=TimeRange(now - hours * HOUR, now),
        **{"metrics": metrics.chosen([]), **members},
    )


def page(asked: Question, order: str = "total_time", *, descending: bool = True, **members: Any) -> Page:
    members = {"offset": 0, "limit": 50, **members}
    return top_queries.page(asked, order=order, descending=descending, **members)


def bucket(
    database: MonitoredDatabase, text: str, hours: float, calls: int, time: int, *, schema: str = "shop", **members: Any
) -> None:
    fingerprint, _ = Fingerprint.objects.get_or_create(
        organization_id=database.organization_id, fingerprint_id=f"B{len(text):015X}", defaults={"text": text}
    )
    row, _ = Statement.objects.get_or_create(
        organization_id=database.organization_id,
        database=database,
        source="pg_stat_statements",
        key=f"{schema} {text}",
        schema_name=schema,
        user_name=f"user of {schema}",
        fingerprint=fingerprint,
    )
    at = timezone.now() - hours * HOUR
    Bucket.objects.create(
        organization_id=database.organization_id,
        database=database,
        statement=row,
        started_at=at,
        calls=calls,
        total_time_ns=time,
        **{"rows": 3 * calls, **members},
    )
    rollups.mark(database=database, level=rollups.HOURS, changed=[at])


def both(cast: Cast) -> tuple[MonitoredDatabase, MonitoredDatabase]:
    return cast.collector.database, cast.warehouse_collector.database


def keys(found: Page) -> list[Any]:
    return [row.key for row in found.rows]


def fill(cast: Cast) -> None:
    shop, warehouse = both(cast)
    bucket(shop, "select a", 1, 10, 5 * SECOND)
    bucket(shop, "select a", 5, 10, 5 * SECOND, schema="crm")
    bucket(warehouse, "select a", 2, 1, 3 * SECOND)
    bucket(warehouse, "delete from b", 2, 100, 7 * SECOND, max_time_ns=SECOND)


@pytest.mark.parametrize("rolled_up", [False, True])
@pytest.mark.parametrize(
    ("grouping", "expected"),
    [
        (Grouping.FINGERPRINT, [("select a", 21, 13), ("delete from b", 100, 7)]),
        (Grouping.FINGERPRINT_DATABASE, [("select a", 20, 10), ("delete from b", 100, 7), ("select a", 1, 3)]),
        (Grouping.DATABASE, [("shop-mysql", 20, 10), ("warehouse-pg", 101, 10)]),
        (Grouping.SCHEMA, [("shop", 111, 15), ("crm", 10, 5)]),
        (Grouping.USER, [("user of shop", 111, 15), ("user of crm", 10, 5)]),
        (Grouping.TEAM, [("Shop", 20, 10), ("Warehouse", 101, 10)]),
    ],
)
def test_load_is_grouped_by_anything_whatever_is_rolled_up(
    grouping: Grouping, expected: list[tuple[str, int, int]], rolled_up: bool, cast: Cast
) -> None:
    fill(cast)
    if rolled_up:
        rollups.roll_up()
    found = page(question(grouping=grouping))
    names: dict[Any, str] = {
        Grouping.DATABASE: {database.pk: database.name for database in both(cast)},
        Grouping.TEAM: {cast.shop.pk: "Shop", cast.warehouse.pk: "Warehouse"},
    }.get(grouping, dict(Fingerprint.objects.values_list("pk", "text")) if grouping.of_statements else {})
    told = [
        (names.get(row.key, row.key), row.sums["calls"], (row.sums["total_time_ns"] or 0) // SECOND)
        for row in found.rows
    ]
    assert told == expected
    assert (found.count, found.whole["calls"], found.whole["total_time_ns"]) == (len(expected), 121, 20 * SECOND)


def test_statements_whose_text_is_not_here_stay_apart(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1))
    send(cast.warehouse_collector, snapshot(2, statement("a", 5), statement("b", 7)))
    found = page(question())
    assert [(row.key, row.sums["calls"]) for row in found.rows] == [(None, 7), (None, 5)]
    assert len({row.identity for row in found.rows}) == 2


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.sortable])
def test_rows_are_put_in_the_order_of_any_metric(name: str, cast: Cast) -> None:
    shop, warehouse = both(cast)
    for number, text in enumerate(["a", "bb", "ccc"]):
        counters: dict[str, Any] = {field.name: (number * 7 + 3) % 11 for field in Cost._meta.fields if field.null}
        bucket(shop, text, 1, number + 1, SECOND * (5 - number), **counters)
    bucket(warehouse, "nothing counted", 1, 1, 1)
    asked = question(metrics=[METRICS[name]])
    for descending in (True, False):
        found = page(asked, name, descending=descending)
        told = [METRICS[name].value(row.sums, seconds=1, whole=found.whole) for row in found.rows]
        known = [value for value in told if value is not None]
        assert known == sorted(known, reverse=descending)
        # What is not known is last, whichever way it goes.
        assert told[: len(known)] == known
        assert len(told) == 4


def test_pages_hold_every_row_once_and_all_tell_the_whole(cast: Cast) -> None:
    for number in range(7):
        bucket(cast.collector.database, "x" * (number + 1), 1, 1, SECOND)
    pages = [page(question(), offset=offset, limit=3) for offset in (0, 3, 6)]
    assert sorted(key for found in pages for key in keys(found)) == sorted(
        Fingerprint.objects.values_list("pk", flat=True)
    )
    assert {(found.count, found.whole["calls"]) for found in pages} == {(7, 7)}
    assert page(question(), offset=9).rows == []


def test_rows_are_told_as_new_worse_better_gone_or_the_same(cast: Cast) -> None:
    database = cast.collector.database
    loads = {"new": (9, 0), "worse!": (20, 10), "better!!": (10, 20), "gone": (0, 9), "the same row": (10, 10)}
    for text, (now, before) in loads.items():
        for hours, seconds in ((1, now), (3, before)):
            if seconds:
                bucket(database, text, hours, 1, seconds * SECOND, max_time_ns=seconds)
    asked = question(hours=2)
    asked = question(hours=2, earlier=comparisons.earlier(asked.shown, "previous"))
    found = page(asked, top_queries.CHANGE)
    names = dict(Fingerprint.objects.values_list("pk", "text"))
    told = [(names[row.key].strip("!"), row.change) for row in found.rows]
    assert dict(told) == {
        "new": Change.NEW, "worse": Change.WORSE, "better": Change.BETTER, "gone": Change.GONE, "the same row": Change.SAME
    }  # fmt: skip
    assert [name for name, _ in told] == ["worse", "new", "the same row", "gone", "better"]
    assert (found.whole["total_time_ns"], found.whole_before["total_time_ns"]) == (49 * SECOND, 49 * SECOND)
    assert found.changes == dict.fromkeys(Change, 1)
    gone = page(asked, change=Change.GONE).rows[0]
    assert (gone.sums["total_time_ns"], gone.before["total_time_ns"], gone.before["max_time_ns"]) == (
        None,
        9 * SECOND,
        9,
    )


def test_what_became_of_rows_is_judged_alike_in_sql_and_in_python(cast: Cast) -> None:
    for number, (now, before) in enumerate(
        [(125, 100), (124, 100), (80, 100), (81, 100), (8, 1), (0, 5), (5, 0), (7, 3)]
    ):
        for hours, seconds in ((1, now), (3, before)):
            if seconds:
                bucket(cast.collector.database, "x" * (number + 1), hours, 1, seconds * SECOND)
    asked = question(hours=2)
    found = page(question(hours=2, earlier=comparisons.earlier(asked.shown, "previous")))
    assert len(found.rows) == 8
    for row in found.rows:
        times = (row.sums["total_time_ns"], row.before["total_time_ns"])
        assert row.change is comparisons.judged(*times, length=asked.shown.length), times


def test_periods_that_are_kept_by_the_day_only_are_compared_too(cast: Cast) -> None:
    bucket(cast.collector.database, "old", 24 * 800, 1, SECOND)
    rollups.roll_up()
    shown = TimeRange(timezone.now() - timedelta(days=700), timezone.now())
    asked = question(earlier=comparisons.earlier(shown, "previous"))
    asked = Question(asked.costs, asked.slow_queries, shown, metrics=asked.metrics, earlier=asked.earlier)
    assert [(row.sums["calls"], row.before["calls"]) for row in page(asked).rows] == [(None, 1)]


def test_a_call_that_two_sources_count_is_there_once(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2, queries=[slow_query(), slow_query()]))
    assert page(question()).whole["calls"] == 2
    MonitoredDatabase.objects.filter(pk=cast.collector.database_id).update(digests_since=timezone.now() - 5 * HOUR)
    assert page(question()).rows == []


def test_hosts_are_told_of_slow_queries(cast: Cast) -> None:
    rows = [slow_query(host="10.0.0.1", query_time=1.5), slow_query(host="10.0.0.1"), slow_query(host="10.0.0.2")]
    send(cast.collector, slow_log(0, 3, queries=rows))
    asked = question(grouping=Grouping.HOST, metrics=[METRICS["max_time"], METRICS["wal_bytes"], METRICS["rows"]])
    found = page(asked)
    assert [(row.key, row.sums["calls"], row.sums["total_time_ns"], row.sums["rows"]) for row in found.rows] == [
        ("10.0.0.1", 2, 2 * SECOND, 4),
        ("10.0.0.2", 1, SECOND // 2, 2),
    ]
    assert METRICS["wal_bytes"].value(found.rows[0].sums, seconds=1, whole=found.whole) is None
    compared = question(grouping=Grouping.HOST, earlier=comparisons.earlier(asked.shown, "previous"))
    assert [row.change for row in page(compared).rows] == [Change.NEW, Change.NEW]


def test_shares_are_of_the_whole_whatever_is_searched_for(cast: Cast) -> None:
    fill(cast)
    asked = question(narrowing=Narrowing(search="delete"))
    assert page(asked).whole["calls"] == 100
    assert top_queries.whole(asked)["calls"] == 121


def test_organizations_that_keep_less_are_shown_less(cast: Cast) -> None:
    bucket(cast.collector.database, "old", 24 * 5, 4, SECOND)
    assert page(question(hours=24 * 7)).whole["calls"] == 4
    cast.example.history_retention_days = 1
    cast.example.save()
    assert page(question(hours=24 * 7)).rows == []


def test_nothing_but_what_is_passed_is_summed_up(cast: Cast) -> None:
    fill(cast)
    foreign: Collector = cast.foreign_collector
    bucket(foreign.database, "select a", 1, 1000, SECOND)
    own = Cost.objects.filter(organization_id=cast.example.pk)
    for grouping in Grouping:
        assert page(question(costs=own, grouping=grouping)).whole["calls"] in {121, 0}
