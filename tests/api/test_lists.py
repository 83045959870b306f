"""Lists: their shape, pages, filters, search and order."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from collectors.domain.sources import Engine
from collectors.models import Gap, Heartbeat
from tests.api.callers import content_of, signed_in
from tests.api.routes import FILES, ROUTES, Things
from tests.cast import Cast, register
from tests.services.uploading import digests, send, slow_log, slow_query, snapshot, statement

pytestmark = pytest.mark.django_db

PLURALS = {
    "audit": "entries",
    "collectors": "collectors",
    "collectors/{collector_pk}/commands": "commands",
    "collectors/{collector_pk}/status-changes": "status_changes",
    "collectors/{collector_pk}/collections": "collections",
    "databases": "databases",
    "enrolment-tokens": "enrolment_tokens",
    "invitations": "invitations",
    "memberships": "memberships",
    "organizations": "organizations",
    "queries": "queries",
    "queries/{fingerprint_id}/notes": "notes",
    "queries/{fingerprint_id}/plans": "plans",
    "slow-queries": "slow_queries",
    "teams": "teams",
    "tokens": "tokens",
    "users": "users",
}
LISTS = [
    route
    for route in ROUTES
    if route.method == "GET" and not route.template.endswith(("{id}", "/tags")) and route.template not in FILES
]


@pytest.fixture
def twelve(cast: Cast) -> Cast:
    """Twelve collectors of the team Shop, c00 to c11, with the cast's."""
    for number in range(12):
        collector, _ = register(cast.shop, f"c{number:02}", Engine.POSTGRES)
        Heartbeat.objects.filter(pk=collector.pk).update(status="ONLINE" if number % 2 else "ERROR")
    return cast


def names(cast: Cast, query: str, path: str = "collectors") -> list[str]:
    content = content_of(signed_in(cast.bob).get(path, QUERY_STRING=query))
    return [row["name"] for row in content[PLURALS[path]]]


@pytest.mark.parametrize("route", LISTS, ids=str)
def test_every_list_has_the_same_shape(prepared: Things, route: Any) -> None:
    # Tokens are their owner's alone.
    asking = prepared.cast.bob if route.template == "tokens" else prepared.cast.root
    content = content_of(signed_in(asking).get(route.path(prepared.ids)))
    rows = content[PLURALS[route.template]]
    assert (content["count"], content["next"], content["previous"]) == (len(rows), None, None)
    assert rows
    extra = {"queries": {"since", "until", "completeness"}, "slow-queries": {"completeness"}}.get(route.template, set())
    assert set(content) == {"count", "next", "previous", PLURALS[route.template], *extra}


def test_pages_follow_each_other_and_lead_back(twelve: Cast) -> None:
    bob = signed_in(twelve.bob)
    seen: list[str] = []
    address = "/api/v1/collectors?page_size=5"
    pages = []
    while address:
        path, _, query = address.partition("?")
        content = content_of(bob.get(path.removeprefix("http://testserver"), QUERY_STRING=query))
        assert content["count"] == 13
        pages.append(content)
        seen += [row["name"] for row in content["collectors"]]
        address = content["next"]
    assert len(pages) == 3
    assert seen == [f"c{number:02}" for number in range(12)] + ["shop-mysql"]
    assert pages[1]["previous"].endswith("page_size=5")
    assert bob.get("collectors", QUERY_STRING="page=4&page_size=5").status_code == 404


def test_a_page_is_never_larger_than_allowed(twelve: Cast) -> None:
    assert len(names(twelve, "page_size=1000000")) == 13
    assert len(names(twelve, "page_size=1")) == 1


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("type=mysql", 1),
        ("type=postgres", 12),
        ("status=ONLINE", 6),
        ("status=ONLINE&status=ERROR", 12),
        ("status=STARTING", 1),
        ("auto_collect=true", 13),
        ("auto_collect=false", 0),
        ("search=c0", 10),
        ("search=shop mysql", 1),
        ("search=nothing", 0),
        ("type=mysql&search=c0", 0),
    ],
)
def test_collectors_can_be_narrowed(twelve: Cast, query: str, count: int) -> None:
    assert len(names(twelve, query)) == count


def test_filters_by_ids_find_their_rows(twelve: Cast) -> None:
    for member, number in (
        ("team_id", twelve.shop.pk),
        ("organization_id", twelve.example.pk),
    ):
        assert len(names(twelve, f"{member}={number}")) == 13
    assert names(twelve, f"database_id={twelve.collector.database_id}") == ["shop-mysql"]
    assert names(twelve, f"team_id={twelve.warehouse.pk}") == []


def test_order_is_by_allowed_fields_only(twelve: Cast) -> None:
    forward = names(twelve, "ordering=name")
    assert names(twelve, "ordering=-name") == forward[::-1]
    assert names(twelve, "ordering=api_key_hash") == names(twelve, "") == forward
    assert names(twelve, "ordering=-id")[0] == "c11"
    assert names(twelve, "ordering=heartbeat__status,-name")[:2] == ["c10", "c08"]


def test_a_search_of_many_words_is_refused(twelve: Cast) -> None:
    answer = signed_in(twelve.bob).get("collectors", QUERY_STRING="search=" + "a+" * 11)
    assert (answer.status_code, list(content_of(answer)["errors"])) == (400, ["search"])


def test_queries_are_listed_with_what_is_missing_from_them(cast: Cast) -> None:
    body = slow_log(
        10,
        2,
        lost_rows=10,
        queries=[slow_query(), slow_query(fingerprint_id="1" * 16, fingerprint="delete", query_time=9)],
    )
    send(cast.collector, body)
    content = content_of(signed_in(cast.carol).get("queries"))
    first = content["queries"][0]
    assert first == {
        "fingerprint_id": "1" * 16,
        "fingerprint": "delete",
        "database_id": cast.collector.database_id,
        "database_name": "shop-mysql",
        "source": "slow_log",
        "calls": 1,
        "total_time_ms": 9000.0,
        "avg_time_ms": 9000.0,
        "min_time_ms": 9000.0,
        "max_time_ms": 9000.0,
        "p50_time_ms": pytest.approx(9000, rel=0.02),
        "p95_time_ms": pytest.approx(9000, rel=0.02),
        "p99_time_ms": pytest.approx(9000, rel=0.02),
        "rows": 2,
        "rows_examined": 0,
        **dict.fromkeys(["schema", "user", "host", "team_id", "change", "earlier"]),
    }
    gap = content["completeness"][0]
    assert (gap["kind"], gap["amount"], gap["database_id"]) == ("lost_rows", 10, cast.collector.database_id)


@pytest.mark.parametrize("path", ["queries", "slow-queries"])
def test_a_hundred_newer_gaps_do_not_hide_lost_rows(cast: Cast, path: str) -> None:
    send(cast.collector, slow_log(10, 1, lost_rows=10))
    lost = Gap.objects.get(kind="lost_rows")
    Gap.objects.bulk_create(
        Gap(
            organization_id=lost.organization_id,
            database_id=lost.database_id,
            source="slow_log",
            kind="missed",
            amount=1,
            covered_from=lost.covered_from,
            covered_to=lost.covered_to + timedelta(seconds=number + 1),
        )
        for number in range(100)
    )
    told = content_of(signed_in(cast.carol).get(path))["completeness"]
    assert [gap["kind"] for gap in told] == ["missed"] * 100 + ["lost_rows"]
    assert told[-1]["amount"] == 10


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("", ["lost_rows"]),
        ("since=2026-01-01T00:00:00Z", ["lost_rows"]),
        ("since=2126-01-01T00:00:00Z", []),
        ("until=2016-01-01T00:00:00Z", []),
        ("database_id={own}", ["lost_rows"]),
        ("database_id=999999", []),
        ("database_id=1e400", []),
    ],
)
def test_slow_queries_are_listed_with_what_is_missing_from_their_logs(cast: Cast, query: str, kinds: list[str]) -> None:
    send(cast.collector, slow_log(10, 1, lost_rows=10))
    asked = query.format(own=cast.collector.database_id)
    content = content_of(signed_in(cast.carol).get("slow-queries", QUERY_STRING=asked))
    assert [gap["kind"] for gap in content["completeness"]] == kinds
    assert content_of(signed_in(cast.mallory).get("slow-queries"))["completeness"] == []


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("", ["delete", "select ?"]),
        ("ordering=calls", ["delete", "select ?"]),
        ("ordering=-calls", ["select ?", "delete"]),
        ("ordering=total_time_ms", ["select ?", "delete"]),
        ("search=DEL", ["delete"]),
        ("search=0000000000000000", ["select ?"]),
        ("page_size=1&page=2", ["select ?"]),
        ("database_id=999999", []),
    ],
)
def test_queries_can_be_ordered_and_narrowed(cast: Cast, query: str, texts: list[str]) -> None:
    rows = [slow_query(), slow_query(), slow_query(fingerprint_id="1" * 16, fingerprint="delete", query_time=9)]
    send(cast.collector, slow_log(0, 3, queries=rows))
    content = content_of(signed_in(cast.carol).get("queries", QUERY_STRING=query))
    assert [row["fingerprint"] for row in content["queries"]] == texts


def test_queries_of_a_period(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 1, queries=[slow_query(age_seconds=7200)]))
    carol = signed_in(cast.carol)
    hour = (timezone.now() - timedelta(hours=1)).isoformat().replace("+", "%2B")
    assert content_of(carol.get("queries"))["count"] == 1
    assert content_of(carol.get("queries", QUERY_STRING=f"since={hour}"))["count"] == 0
    assert content_of(carol.get("queries", QUERY_STRING=f"until={hour}"))["count"] == 1
    assert content_of(carol.get("slow-queries", QUERY_STRING=f"since={hour}"))["count"] == 0
    assert content_of(carol.get("slow-queries", QUERY_STRING=f"until={hour}"))["count"] == 1


def test_a_query_without_its_text_is_listed(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1))
    send(cast.warehouse_collector, snapshot(2, statement("a", 3)))
    row = content_of(signed_in(cast.dave).get("queries"))["queries"][0]
    assert (row["fingerprint"], row["fingerprint_id"], row["calls"]) == (None, None, 3)


def test_slow_queries_are_listed_newest_first(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2, queries=[slow_query(age_seconds=50), slow_query(age_seconds=10, user="root")]))
    carol = signed_in(cast.carol)
    rows = content_of(carol.get("slow-queries"))["slow_queries"]
    assert [row["user"] for row in rows] == ["root", "app"]
    assert (rows[0]["query_time_ms"], rows[0]["fingerprint"], rows[0]["database"]) == (500.0, "select ?", "shop")
    assert content_of(carol.get("slow-queries", QUERY_STRING="user=app"))["count"] == 1
    assert content_of(carol.get("slow-queries", QUERY_STRING="fingerprint_id=" + "0" * 16))["count"] == 2


def test_a_call_that_two_sources_saw_counts_once_and_stays_a_slow_query(cast: Cast) -> None:
    send(cast.collector, digests(1, statement("shop:d", 100)))
    send(cast.collector, digests(2, statement("shop:d", 103)))
    send(cast.collector, slow_log(0, 3, queries=[slow_query(age_seconds=0)] * 3))
    bob = signed_in(cast.bob)
    found = content_of(bob.get("queries"))["queries"]
    assert [(row["source"], row["calls"]) for row in found] == [("performance_schema", 3)]
    assert content_of(bob.get("slow-queries"))["count"] == 3
