"""The page of top queries, and statements as data."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from collectors.models import Bucket, Fingerprint
from collectors.services import rollups
from tests.admin.conftest import Rows, Visit
from tests.cast import Cast

PAGE = "admin:queries"
NASTY = "select '</script><script>alert(1)</script>', {{7*7}}, \"x\" from `t` -- \u202e\x1b[31m"


def test_totals_are_summed_over_the_period(cast: Cast, own: Rows, visit: Visit) -> None:
    Bucket.objects.create(
        statement=own.statement,
        started_at=timezone.now() - timedelta(hours=5),
        organization_id=own.database.organization_id,
        database=own.database,
        calls=6,
        total_time_ns=4_000_000_000,
        max_time_ns=900_000_000,
        rows=1,
    )
    rollups.mark(
        database=own.database, level=rollups.HOURS, changed=Bucket.objects.values_list("started_at", flat=True)
    )
    client = visit(cast.carol)
    by_period = {period: client.get(reverse(PAGE), {"period": period}).context["rows"][0] for period in ("hour", "day")}
    assert {name: by_period["hour"][name] for name in ("calls", "total", "average", "greatest", "rows")} == {
        "calls": "4",
        "total": "6.00 s",
        "average": "1.50 s",
        "greatest": "2.50 s",
        "rows": "12",
    }
    assert (by_period["day"]["calls"], by_period["day"]["total"]) == ("10", "10.00 s")


@pytest.mark.parametrize("who", ["alice", "bob", "carol", "dave"])
def test_nothing_foreign_is_shown(who: str, cast: Cast, own: Rows, foreign: Rows, visit: Visit) -> None:
    client = visit(getattr(cast, who))
    for query in ("", f"?database={foreign.database.pk}", "?period=week"):
        content = client.get(reverse(PAGE) + query).content
        assert b"foreign_secret" not in content
        assert b"foreign-mysql" not in content
    assert (b"own_secret" in client.get(reverse(PAGE)).content) == (who != "dave")


def test_a_foreign_database_is_like_an_absent_one(cast: Cast, own: Rows, foreign: Rows, visit: Visit) -> None:
    client = visit(cast.carol)
    there, absent = (client.get(reverse(PAGE), {"database": pk}).context for pk in (foreign.database.pk, 999_999))
    assert there["database"] is absent["database"] is None


def test_known_gaps_stand_beside_the_numbers(cast: Cast, own: Rows, visit: Visit) -> None:
    content = (
        visit(cast.carol).get(reverse(PAGE), {"period": "hour", "database": str(own.database.pk)}).content.decode()
    )
    assert "rows of the slow log were gone before they were read (7)" in content
    own.gap.delete()
    assert "Nothing is known to be missing" in visit(cast.carol).get(reverse(PAGE)).content.decode()


@pytest.mark.parametrize("query", ["period=x", "period=%00", "database=x", "database=" + "9" * 40, "database=%D9%A1"])
def test_odd_questions_are_answered(query: str, cast: Cast, visit: Visit) -> None:
    assert visit(cast.carol).get(reverse(PAGE) + "?" + query).status_code == 200


def test_statements_are_data_on_every_page(cast: Cast, own: Rows, visit: Visit) -> None:
    Fingerprint.objects.filter(pk=own.fingerprint.pk).update(text=NASTY)
    client = visit(cast.alice)
    for path in (
        reverse(PAGE),
        reverse("admin:collectors_slowquery_changelist"),
        reverse("admin:collectors_slowquery_change", args=[own.slow_query.pk]),
        reverse("admin:collectors_fingerprint_changelist"),
        reverse("admin:collectors_fingerprint_change", args=[own.fingerprint.pk]),
        reverse("admin:collectors_statement_changelist"),
        reverse("admin:collectors_statement_change", args=[own.statement.pk]),
    ):
        content = client.get(path).content.decode()
        assert "alert(1)" in content
        assert "<script>alert" not in content
        assert "49" not in content.split("alert(1)")[1][:60]
