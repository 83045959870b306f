"""Lists stay quick: counted up to a bound, filters that search, rows found before what is shown of them."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from collectors.admin import filters
from collectors.admin.lists import BoundedPaginator
from collectors.domain.sources import Engine
from collectors.models import Collector, MonitoredDatabase, StatusChange, Team
from tests.admin.conftest import Rows, Visit
from tests.cast import Cast, register

pytestmark = pytest.mark.django_db


def statuses(collector: Collector, count: int) -> None:
    """Let a collector's status change that often."""
    StatusChange.objects.bulk_create(
        StatusChange(
            organization_id=collector.organization_id,
            collector=collector,
            old_status="ONLINE",
            new_status="OFFLINE",
            cause="heartbeat",
        )
        for _ in range(count)
    )


def test_a_list_is_counted_up_to_a_bound_and_says_that_there_is_more(
    cast: Cast, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedPaginator, "most", 100)
    statuses(cast.collector, 130)
    client = visit(cast.root)
    address = reverse("admin:collectors_statuschange_changelist")

    page: Any = client.get(address)
    assert page.context["cl"].result_count == 100
    assert b"the first 100 of more status changes" in page.content
    assert len(client.get(address, {"p": 2}).context["cl"].result_list) == 50
    assert client.get(address, {"p": 3}).status_code == 302

    monkeypatch.setattr(BoundedPaginator, "most", 1000)
    statuses(cast.collector, 1000)
    assert b"the first 1,000 of more status changes" in client.get(address).content
    monkeypatch.setattr(BoundedPaginator, "most", 100)

    StatusChange.objects.exclude(pk__in=list(StatusChange.objects.values_list("pk", flat=True)[:100])).delete()
    page = client.get(address)
    assert (page.context["cl"].result_count, b"of more" in page.content) == (100, False)


def test_pages_of_a_list_hold_every_row_once_in_its_order(cast: Cast, visit: Visit) -> None:
    statuses(cast.collector, 117)
    client = visit(cast.alice)
    address = reverse("admin:collectors_statuschange_changelist")
    found = [row.pk for number in (1, 2, 3) for row in client.get(address, {"p": number}).context["cl"].result_list]
    visible = StatusChange.objects.filter(organization_id=cast.example.pk).order_by("-id")
    assert found == list(visible.values_list("pk", flat=True))


def test_related_rows_are_not_joined_to_what_is_only_ordered(cast: Cast, visit: Visit) -> None:
    with CaptureQueriesContext(connection) as captured:
        visit(cast.root).get(reverse("admin:collectors_collector_changelist"), {"o": "1"})
    ordered = [query["sql"] for query in captured.captured_queries if 'ORDER BY "collectors"."name"' in query["sql"]]
    assert ordered
    assert not any("monitored_databases" in sql for sql in ordered)


def test_what_is_too_much_to_list_is_searched_for_among_what_may_be_seen(
    cast: Cast, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "_MOST_LISTED", 3)
    Team.objects.bulk_create(Team(organization=cast.example, name=f"Team {number}") for number in range(9))
    client = visit(cast.alice)
    address = reverse("admin:collectors_monitoreddatabase_changelist")

    page = client.get(address).content.decode()
    assert "unfold-filter-autocomplete" in page
    assert "Team 7" not in page
    asked = {"app_label": "collectors", "model_name": "monitoreddatabase", "field_name": "team"}
    answer: Any = client.get(reverse("admin:autocomplete"), {**asked, "term": "team 7"})
    assert [row["text"] for row in answer.json()["results"]] == ["Team 7"]
    answer = client.get(reverse("admin:autocomplete"), {**asked, "term": ""})
    assert str(cast.foreign.pk) not in {row["id"] for row in answer.json()["results"]}


def test_the_name_of_a_foreign_row_is_not_shown_as_the_chosen_one(
    cast: Cast, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    Team.objects.filter(pk=cast.foreign.pk).update(name="Sample secret")
    monkeypatch.setattr(filters, "_MOST_LISTED", 1)
    client = visit(cast.alice)
    address = reverse("admin:collectors_monitoreddatabase_changelist")
    assert b"Sample secret" not in client.get(address, {"team__id__exact": cast.foreign.pk}).content
    assert b"Warehouse" in client.get(address, {"team__id__exact": cast.warehouse.pk}).content


def test_a_search_looks_among_related_rows_and_finds_what_belongs_to_them(
    cast: Cast, own: Rows, foreign: Rows, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = register(cast.shop, "another", Engine.MYSQL)[0]
    client = visit(cast.alice)
    for most in (500, 0):
        # Whether few related rows are found or many, the answer is the same.
        monkeypatch.setattr("collectors.domain.limits.MAX_PAGE_SIZE", most)
        found = client.get(reverse("admin:collectors_statuschange_changelist"), {"q": "ANOTHER"}).context["cl"]
        assert {change.collector_id for change in found.result_list} == {extra.pk}
        slow = client.get(reverse("admin:collectors_slowquery_changelist"), {"q": "own_secret"}).context["cl"]
        assert [query.pk for query in slow.result_list] == [own.slow_query.pk]
        slow = client.get(reverse("admin:collectors_slowquery_changelist"), {"q": "foreign_secret"}).context["cl"]
        assert list(slow.result_list) == []


def test_executions_are_ordered_by_anything_only_where_they_are_of_one_database(
    cast: Cast, own: Rows, visit: Visit
) -> None:
    client = visit(cast.alice)
    address = reverse("admin:collectors_slowquery_changelist")
    database = MonitoredDatabase.objects.get(pk=own.database.pk)
    assert client.get(address).context["cl"].sortable_by == ["started"]
    narrowed: Any = client.get(f"{address}?database__id__exact={database.pk}&o=1")
    assert {"started", "took"} <= set(narrowed.context["cl"].sortable_by)
    assert "query_time_ns" in narrowed.context["cl"].queryset.query.order_by
    columns = [getattr(column, "__name__", column) for column in narrowed.context["cl"].list_display]
    assert f"o={columns.index('rows_examined')}" in narrowed.content.decode(), "times and numbers too"
    # Whatever the address says: what is not offered is not done.
    assert client.get(address, {"o": "1"}).context["cl"].queryset.query.order_by == ("-started_at", "-id")
