"""What is told of rows beside their sums."""

import math
import random
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from collectors.domain import metrics
from collectors.domain.groupings import Grouping
from collectors.models import DatabaseCost, Fingerprint, Gap, Latency, MonitoredDatabase, Organization, Statement
from collectors.services import queries, query_details, rollups, top_queries
from collectors.services.query_narrowing import Narrowing
from collectors.services.top_queries import Question, Row
from tests.cast import Cast
from tests.services.test_top_queries import SECOND, bucket, fill, page, question
from tests.services.uploading import send, slow_log, slow_query, snapshot, statement

pytestmark = pytest.mark.django_db


def places(asked: Question, rows: list[Row]) -> dict[Any, set[int]]:
    found = query_details.places(
        asked, rows, databases=MonitoredDatabase.objects.all(), statements=Statement.objects.all()
    )
    assert set(found) == {row.identity for row in rows}
    return {row.key: found[row.identity] for row in rows}


def load_of(asked: Question, rows: list[Row]) -> query_details.Load:
    databases, totals = MonitoredDatabase.objects.all(), DatabaseCost.objects.all()
    return query_details.load(asked, rows, databases=databases, totals=totals, most=32)


def test_rows_tell_on_which_databases_they_ran(cast: Cast) -> None:
    fill(cast)
    shop, warehouse = cast.collector.database_id, cast.warehouse_collector.database_id
    both = {shop, warehouse}
    names = dict(Fingerprint.objects.values_list("text", "pk"))
    expected: dict[Grouping, dict[Any, set[int]]] = {
        Grouping.FINGERPRINT: {names["select a"]: both, names["delete from b"]: {warehouse}},
        Grouping.DATABASE: {shop: {shop}, warehouse: {warehouse}},
        Grouping.SCHEMA: {"shop": both, "crm": {shop}},
        Grouping.USER: {"user of shop": both, "user of crm": {shop}},
        Grouping.TEAM: {cast.shop.pk: {shop}, cast.warehouse.pk: {warehouse}},
    }
    for grouping, wanted in expected.items():
        asked = question(grouping=grouping)
        assert places(asked, page(asked).rows) == wanted
    narrowed = question(narrowing=Narrowing(database_id=shop))
    assert places(narrowed, page(narrowed).rows) == {names["select a"]: {shop}}


def test_statements_without_a_text_and_hosts_tell_where_they_ran_too(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1))
    send(cast.warehouse_collector, snapshot(2, statement("a", 5)))
    asked = question()
    assert places(asked, page(asked).rows) == {None: {cast.warehouse_collector.database_id}}
    send(cast.collector, slow_log(0, 1, queries=[slow_query(host="10.0.0.1")]))
    asked = question(grouping=Grouping.HOST)
    assert places(asked, page(asked).rows) == {"10.0.0.1": {cast.collector.database_id}}


@pytest.mark.parametrize("grouping", Grouping)
def test_the_load_of_rows_over_time_adds_up_to_their_sums(grouping: Grouping, cast: Cast) -> None:
    fill(cast)
    send(cast.warehouse_collector, snapshot(1))
    send(cast.warehouse_collector, snapshot(2, statement("a", 5)))
    send(cast.collector, slow_log(0, 2, queries=[slow_query(), slow_query(host="10.0.0.9")]))
    asked = question(hours=24, grouping=grouping)
    found = page(asked)
    load = load_of(asked, found.rows)
    assert len(found.rows) > 1
    for row in found.rows:
        assert len(load.rows[row.identity]) == len(load.starts)
        assert sum(value or 0 for value in load.rows[row.identity]) == row.sums["total_time_ns"]
    if grouping is not Grouping.HOST:
        assert sum(value or 0 for value in load.time) == found.whole["total_time_ns"]
        assert sum(value or 0 for value in load.calls) == found.whole["calls"]


def test_the_number_of_queries_does_not_grow_with_the_rows(cast: Cast, django_assert_max_num_queries: Any) -> None:
    for number in range(20):
        bucket(cast.collector.database, "x" * (number + 1), 1, 1, SECOND)
    asked = question()
    rows = page(asked).rows
    with django_assert_max_num_queries(14):
        assert len(load_of(asked, rows).rows) == 20


def test_percentiles_are_told_where_every_execution_was_timed(cast: Cast) -> None:
    rows = [slow_query(query_time=time) for time in (0.1, 0.2, 9)]
    send(cast.collector, slow_log(0, 3, queries=rows))
    for grouping in (Grouping.FINGERPRINT, Grouping.FINGERPRINT_DATABASE):
        asked = question(grouping=grouping, metrics=metrics.chosen(["p50_time"]))
        (row,) = page(asked).rows
        told = query_details.percentiles(asked, [row], Latency.objects.all())[row.identity]
        assert told["p50_time_ns"] == pytest.approx(0.2 * SECOND, rel=0.02)
    bucket(cast.warehouse_collector.database, "not timed", 1, 5, SECOND)
    Statement.objects.update(fingerprint=Fingerprint.objects.get(text="select ?"))
    asked = question()
    assert query_details.percentiles(asked, page(asked).rows, Latency.objects.all()) == {}


def test_percentiles_of_any_period_are_within_two_percent_of_the_exact_ones(cast: Cast) -> None:
    draw = random.Random(7)
    times = [round(draw.lognormvariate(0, 1.5), 6) for _ in range(900)]
    sent = [slow_query(query_time=time, age_seconds=draw.uniform(0, 90 * 3600)) for time in times]
    for first in range(0, 900, 300):
        send(cast.collector, slow_log(first, 300, queries=sent[first : first + 300]))
        if first == 300:
            rollups.roll_up()
    asked = question(hours=100)
    (row,) = page(asked).rows
    assert row.sums["calls"] == 900
    told = query_details.percentiles(asked, [row], Latency.objects.all())[row.identity]
    for name, share in queries.PERCENTILES.items():
        exact = sorted(times)[math.floor(share * 899)] * 1e9
        assert told[name] == pytest.approx(exact, rel=0.02), name


def test_gaps_are_told_by_database(cast: Cast) -> None:
    now = timezone.now()
    for database, kind, hours in ((cast.collector.database, "missed", 1), (cast.collector.database, "missed", 2),
                                  (cast.warehouse_collector.database, "evictions", 90)):  # fmt: skip
        Gap.objects.create(
            organization_id=database.organization_id,
            database=database,
            source="slow_log",
            kind=kind,
            amount=3,
            covered_from=now - timedelta(hours=hours + 1),
            covered_to=now - timedelta(hours=hours),
        )
    ids = {cast.collector.database_id, cast.warehouse_collector.database_id}
    found = query_details.gaps(question(hours=24), Gap.objects.all(), ids)
    assert {pk: [(line.kind, line.amount, line.gaps) for line in lines] for pk, lines in found.items()} == {
        cast.collector.database_id: [("missed", 6, 2)]
    }


def test_schemas_and_users_are_offered_once_and_by_name(cast: Cast) -> None:
    fill(cast)
    offered = query_details.choices(Statement.objects.all(), MonitoredDatabase.objects.all(), "schema_name", most=5)
    assert offered == ["crm", "shop"]
    none = query_details.choices(Statement.objects.all(), MonitoredDatabase.objects.none(), "schema_name", most=5)
    assert none == []


def test_the_chosen_slow_queries_are_those_of_the_period(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2, queries=[slow_query(), slow_query(age_seconds=7200)]))
    assert query_details.slow_queries(question(hours=1)).count() == 1
    assert query_details.slow_queries(question(hours=3)).count() == 2
    assert top_queries.page(question(), order="calls", descending=True, offset=0, limit=5).count == 1


def test_what_is_no_longer_kept_is_in_no_percentile(cast: Cast) -> None:
    old = slow_query(query_time=100, age_seconds=3 * 86_400)
    send(cast.collector, slow_log(0, 6, queries=[*[old] * 5, slow_query(query_time=1)]))
    Organization.objects.filter(pk=cast.example.pk).update(history_retention_days=1)
    asked = question(hours=168)
    rows = page(asked).rows
    told = query_details.percentiles(asked, rows, Latency.objects.all())
    assert told[rows[0].identity]["p50_time_ns"] == pytest.approx(SECOND, rel=0.02)
    _, (p95, _) = query_details.percentiles_over_time(asked, Latency.objects.all(), width=timedelta(days=1))
    assert [value for value in p95 if value is not None] == [pytest.approx(SECOND, rel=0.02)]
