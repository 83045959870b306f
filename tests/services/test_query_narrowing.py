"""The filters of the load."""

from dataclasses import replace
from typing import Any

import pytest

from collectors.models import Cost, Fingerprint, Gap, SlowQuery, Statement
from collectors.services.query_narrowing import Narrowing, narrowed, narrowed_gaps
from tests.cast import Cast
from tests.services.uploading import send, slow_log, slow_query, snapshot, statement

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(cast: Cast) -> Cast:
    """Three calls in a slow log, five in a snapshot."""
    send(cast.collector, slow_log(0, 2, queries=[slow_query(user="app"), slow_query(user="cron")]))
    row: dict[str, Any] = {"fingerprint_id": "AB" * 8, "fingerprint": "delete from carts", "database": "crm"}
    send(cast.collector, slow_log(2, 1, queries=[slow_query(**row)]))
    send(cast.warehouse_collector, snapshot(1))
    send(cast.warehouse_collector, snapshot(2, statement("a", 5, user="report")))
    return cast


def calls(narrowing: Narrowing) -> int:
    return sum(narrowed(Cost.objects.all(), narrowing).values_list("calls", flat=True))


def test_each_filter_leaves_what_was_chosen(filled: Cast) -> None:
    for narrowing, expected in (
        (Narrowing(), 8),
        (Narrowing(organization_id=filled.example.pk), 8),
        (Narrowing(organization_id=filled.sample.pk), 0),
        (Narrowing(team_id=filled.shop.pk), 3),
        (Narrowing(database_id=filled.warehouse_collector.database_id), 5),
        (Narrowing(engine="mysql"), 3),
        (Narrowing(source="pg_stat_statements"), 5),
        (Narrowing(schema="crm"), 1),
        (Narrowing(user="report"), 5),
        (Narrowing(fingerprint=Fingerprint.objects.get(text="delete from carts").pk), 1),
        (Narrowing(search="CARTS"), 1),
        (Narrowing(search="abab"), 1),
        (Narrowing(search="%"), 0),
        (Narrowing(team_id=filled.shop.pk, engine="postgres"), 0),
    ):
        assert calls(narrowing) == expected, narrowing


def test_slow_queries_have_users_of_their_own(filled: Cast) -> None:
    assert narrowed(SlowQuery.objects.all(), Narrowing(user="cron")).count() == 1
    assert narrowed(SlowQuery.objects.all(), Narrowing(source="slow_log")).count() == 3
    assert not narrowed(SlowQuery.objects.all(), Narrowing(source="pg_stat_statements")).exists()


def test_gaps_are_narrowed_by_what_they_have(filled: Cast) -> None:
    gaps = Gap.objects.all()
    assert narrowed_gaps(gaps, Narrowing(schema="crm", user="x", search="y")).count() == gaps.count() > 0
    assert not narrowed_gaps(gaps, Narrowing(database_id=filled.foreign_collector.database_id)).exists()
    assert not narrowed_gaps(gaps, Narrowing(source="performance_schema")).exists()


def test_nothing_but_the_search_is_taken_away(filled: Cast) -> None:
    narrowing = Narrowing(engine="mysql", search="x")
    assert narrowing.unsearched() == replace(narrowing, search="")
    assert Statement.objects.exists()
