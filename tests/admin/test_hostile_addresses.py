"""Addresses that nobody's browser makes up by itself: every page with every query, and odd ids. None is answered with a 5xx."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Final

import pytest
from django.db import connection
from django.test import Client

from collectors.domain import limits
from collectors.models import AuditEntry, User
from tests.access.admin_routes import routes
from tests.admin.conftest import Rows, Visit
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
# The last one ends what all others need.
PAGES: Final = sorted(
    {
        f"/admin{route.template}"
        for route in routes()
        if route.method == "GET" and "{" not in route.template and "logout" not in route.template
    }
)
# One of each kind that reads its query in a way of its own.
THOROUGH: Final = {
    *("/admin/queries/", "/admin/collectors/collector/", "/admin/collectors/auditentry/", "/admin/autocomplete/"),
    *("/admin/collectors/slowquery/", "/admin/collectors/auditentry/export/", "/admin/login/"),
}
ALL: Final = os.environ.get("DBPOWER_HOSTILE") == "all"
BIG: Final = "9" * 20
HUGE: Final = "9" * 5000
TIMES: Final = ("abc", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00", "2026-13-41", "1", BIG)
DATES: Final = (
    *(f"created_at__year={year}" for year in ("abc", "-1", "0", "1", "9998", "9999", "10000", "%D9%A3", BIG, HUGE)),
    *("created_at__month=1", "created_at__day=1", "created_at__month=13&created_at__year=2026"),
    *("created_at__month=2&created_at__day=99&created_at__year=2026", "created_at__month=12&created_at__year=9999"),
    *(f"created_at{way}={time}" for way in ("", "__exact", "__gte", "__in", "__isnull") for time in TIMES),
)


def _queries() -> Iterator[str]:
    for name in ("p", "o", "page", "all", "_to_field", "database", "from", "to"):
        yield from (f"{name}={number}" for number in ("-1", "abc", BIG))
    yield from (f"p={number}" for number in ("", "0", "%ff", "%ED%A0%80", HUGE))
    for text in ("a+" * 2000, "x" * 200_000, "%27%22", "a%0d%0ab", "%22", "%ED%A0%80", "%25", "_", "%00", "a%00b"):
        yield f"q={text}&s={text}&extended=1"
    for way in ("", "__exact", "__id__exact", "__pk__exact", "__in", "__isnull", "__gte", "__lt", "__year"):
        yield from (f"organization{way}={value}" for value in ("x", f"1,{BIG}", BIG))
    yield from ("since=0001-01-01T00:00&until=0001-01-02T00:00", "since=9999-12-31T23:59&until=9999-12-31T23:59")
    yield from (f"{name}__id__exact={BIG}" for name in ("team", "database", "collector", "user"))
    yield from ("status=x", "state__exact=%ff", "is_active__exact=7", "role__exact=KING", "heartbeat__status__exact=x")
    yield from (
        "api_key_hash__startswith=a",
        "password__startswith=a",
        f"id={BIG}",
        "unknown=1",
        "__=1",
        "e=1",
        "_popup=1",
    )
    yield from ("_", "%3D", "%ff=1", "%ED%A0%80=1", "a" * 5000 + "=1", "&" * 3000, "%00=1", "database=%00", "next=%00")
    yield from ("next=//evil.example", "next=%0d%0aX:y", "_changelist_filters=%2500", "_changelist_filters=q%3D%2500")
    yield "&".join(f"a{number}=1" for number in range(1500))


def _completions() -> Iterator[str]:
    for model in ("collector", "membership", "%00", "x"):
        for field in ("team", "user", "password", "x"):
            for rest in ("", "&term=x", "&term=%00", "&term=x&page=abc", f"&term={'a+' * 500}", f"&term=x&page={BIG}"):
                yield f"app_label=collectors&model_name={model}&field_name={field}{rest}"
    yield from ("app_label=%00&model_name=x&field_name=y&term=x", "term=x")


def queries_of(page: str) -> tuple[str, ...]:
    """Return what the page is asked: times where there are some, and a few of them everywhere."""
    times = DATES if "auditentry" in page else DATES[::9]
    return (*_queries(), *times, *(_completions() if "autocomplete" in page else ()))


def shares_of(page: str, cast: Cast) -> Iterator[tuple[User, tuple[str, ...]]]:
    """Yield who asks the page for what. DBPOWER_HOSTILE=all asks every page everything, as `make fuzz` does.

    Otherwise each query is for one page in four, in eight on PostgreSQL, always the same ones: the pages share the code that
    reads what stands behind the question mark, and the few that read more are asked all of it.
    """
    everything = queries_of(page)
    turn = PAGES.index(page)
    step = 1 if ALL or page in THOROUGH else 8 if connection.vendor == "postgresql" else 4
    yield cast.root, everything[turn % step :: step]
    # Those with a smaller role reach the same code: a part of the queries for each of them.
    for number, person in enumerate((cast.alice, cast.bob, cast.carol)):
        yield person, everything[(2 * number + turn) % 7 :: 7 * step]


def failures(client: Client, addresses: Iterable[str]) -> list[str]:
    client.raise_request_exception = False
    found = []
    for address in addresses:
        answer = client.get(address)
        if answer.status_code >= 500:
            found.append(f"{answer.status_code} {address[:150]}")
    return found


@pytest.mark.parametrize("page", PAGES)
def test_whatever_stands_behind_the_question_mark_no_page_breaks(
    page: str, cast: Cast, own: Rows, visit: Visit
) -> None:
    for person, queries in shares_of(page, cast):
        assert failures(visit(person), (f"{page}?{query}" for query in queries)) == []


ODD_IDS: Final = (
    "%00",
    "1%00",
    "_00",
    "%ED%A0%80",
    "%ff",
    "-1",
    BIG,
    HUGE,
    "_5Fq",
    "..",
    "%2e%2e%2f",
    "1%0d%0aX:y",
    "'",
)


def test_no_odd_id_in_an_address_breaks_a_page(cast: Cast, own: Rows, visit: Visit) -> None:
    templates = sorted({f"/admin{route.template}" for route in routes() if "{" in route.template})
    for person in (cast.root, cast.alice, cast.carol):
        addresses = (re.sub("{[a-z]+}", lambda _: odd, template) for template in templates for odd in ODD_IDS)  # noqa: B023
        assert failures(visit(person), addresses) == []


def test_a_nul_is_refused_before_anything_else_and_other_refusals_are_in_the_audit(cast: Cast, visit: Visit) -> None:
    client = visit(cast.carol)
    for path in ("collectors/collector/%00/change/", "collectors/collector/1%00/history/", "invitation/%00/"):
        answer = client.get(f"/admin/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for query in ("q=%00", "a%00b=1", "s=a%00"):
        answer = client.get(f"/admin/collectors/collector/?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    refused = AuditEntry.objects.filter(action="access.refused", user_id=cast.carol.pk)
    before = refused.count()
    assert client.get("/admin/collectors/collector/_00/change/").status_code == 403
    assert refused.count() == before + 1


def test_what_the_list_of_the_audit_cannot_be_filtered_by_leads_its_export_back_to_it(cast: Cast, visit: Visit) -> None:
    client = visit(cast.root)
    wrong = client.get("/admin/collectors/auditentry/export/?organization__id__exact=abc")
    assert (wrong.status_code, wrong["Location"]) == (302, "/admin/collectors/auditentry/?e=1")


def test_a_search_of_too_many_words_finds_nothing_and_asks_the_database_nothing(cast: Cast, visit: Visit) -> None:
    client = visit(cast.root)
    name = cast.collector.name
    few = client.get("/admin/collectors/collector/", {"q": " ".join([name] * limits.MAX_SEARCH_WORDS)})
    many = client.get("/admin/collectors/collector/", {"q": " ".join([name] * (limits.MAX_SEARCH_WORDS + 1))})
    assert few.context["cl"].result_count == 1
    assert many.context["cl"].result_count == 0
