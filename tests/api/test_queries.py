"""The load of a period in the API: the same numbers as on the page, by anything, against an earlier period."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from collectors.domain.groupings import Grouping
from collectors.models import Fingerprint
from tests.admin.conftest import visit  # noqa: F401 - a fixture
from tests.api.callers import content_of, signed_in
from tests.cast import Cast
from tests.services.test_top_queries import SECOND, bucket, fill
from tests.services.uploading import send, slow_log, slow_query

pytestmark = pytest.mark.django_db


def listed(cast: Cast, query: str = "", status: int = 200) -> dict[str, Any]:
    """Return what Alice is answered."""
    answer = signed_in(cast.alice).get("queries", QUERY_STRING=query)
    assert answer.status_code == status, answer.content
    content: dict[str, Any] = content_of(answer)
    return content


@pytest.mark.parametrize(
    ("grouping", "member", "values"),
    [
        ("fingerprint", "fingerprint", ["select a", "delete from b"]),
        ("fingerprint_database", "database_name", ["shop-mysql", "warehouse-pg", "warehouse-pg"]),
        ("database", "database_name", ["shop-mysql", "warehouse-pg"]),
        ("schema", "schema", ["shop", "crm"]),
        ("user", "user", ["user of shop", "user of crm"]),
    ],
)
def test_load_is_grouped(grouping: str, member: str, values: list[str], cast: Cast) -> None:
    fill(cast)
    bucket(cast.foreign_collector.database, "select a", 1, 1000, 90 * SECOND)
    content = listed(cast, f"group_by={grouping}")
    assert [row[member] for row in content["queries"]] == values
    assert sum(row["calls"] for row in content["queries"]) == 121
    assert content["count"] == len(values)
    assert listed(cast, f"group_by={grouping}&page_size=1&page=2")["queries"] == content["queries"][1:2]


def test_teams_and_hosts_are_told(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 1, queries=[slow_query(host="10.0.0.1")]))
    assert [(row["team_id"], row["calls"]) for row in listed(cast, "group_by=team")["queries"]] == [(cast.shop.pk, 1)]
    (row,) = listed(cast, "group_by=host")["queries"]
    assert (row["host"], row["calls"], row["total_time_ms"], row["database_id"]) == ("10.0.0.1", 1, 500.0, None)


def test_periods_are_compared(cast: Cast) -> None:
    bucket(cast.collector.database, "gone", 3, 5, 60 * SECOND)
    bucket(cast.collector.database, "grown!", 3, 5, 60 * SECOND)
    bucket(cast.collector.database, "grown!", 1, 10, 120 * SECOND)
    now = timezone.now()
    period = f"since={(now - timedelta(hours=2)).isoformat()}&until={now.isoformat()}".replace("+", "%2B")
    rows = listed(cast, f"{period}&compare=previous&ordering=-change")["queries"]
    told = [(row["fingerprint"], row["change"], row["calls"], row["earlier"]["calls"]) for row in rows]
    assert told == [("grown!", "worse", 10, 5), ("gone", "gone", None, 5)]
    assert rows[1]["earlier"]["avg_time_ms"] == 12_000


@pytest.mark.parametrize(
    "query",
    ["type=mysql", "source=slow_log", "schema=crm", "user=cron", "search=carts", "search=abab", "team_id={shop}"],
)
def test_load_is_narrowed(query: str, cast: Cast) -> None:
    row: dict[str, Any] = {
        "fingerprint_id": "AB" * 8,
        "fingerprint": "delete from carts",
        "database": "crm",
        "user": "cron",
    }
    send(cast.collector, slow_log(0, 1, queries=[slow_query(**row)]))
    bucket(cast.warehouse_collector.database, "select a", 1, 10, SECOND)
    asked = query.format(shop=cast.shop.pk)
    grouping = "&group_by=host" if query.startswith("user") else ""
    assert [row["calls"] for row in listed(cast, asked + grouping)["queries"]] == [1]


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("group_by=x", "group_by"),
        ("compare=x", "compare"),
        ("since=2026-01-01T00:00:00Z&until=2026-01-09T00:00:00Z&compare=week", "compare"),
        ("since=0001-01-01T00:00:00Z&until=2026-01-09T00:00:00Z&compare=previous", "compare"),
        ("ordering=-change", "ordering"),
        ("ordering=p95_time_ms", "ordering"),
        ("type=oracle", "type"),
        ("search=" + "x" * 201, "search"),
    ],
)
def test_what_cannot_be_answered_is_refused(query: str, member: str, cast: Cast) -> None:
    assert member in listed(cast, query, status=400)["errors"]


def test_the_page_tells_the_same_numbers(cast: Cast, visit: Any) -> None:  # noqa: F811
    fill(cast)
    client = visit(cast.alice)
    for grouping in Grouping:
        rows = listed(cast, f"group_by={grouping}&ordering=calls")["queries"]
        page = client.get(reverse("admin:queries"), {"group": grouping, "order": "calls"}).context["page"]
        assert [row["calls"] for row in rows] == [row.sums["calls"] for row in page.rows]
    assert Fingerprint.objects.exists()
