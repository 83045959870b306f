"""The page of queries, its files, and statements as data."""

import csv
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from collectors.admin.pages import queries_export
from collectors.domain import limits
from collectors.domain.metrics import METRICS
from collectors.models import Bucket, Fingerprint, Gap, Statement, Team
from collectors.services import rollups
from tests.admin.conftest import Rows, Visit
from tests.cast import Cast
from tests.services.test_top_queries import SECOND, bucket

PAGE = "admin:queries"
EXPORT = "admin:queries_export"
NASTY = "select '</script><script>alert(1)</script>', {{7*7}}, \"x\" from `t` -- \u202e\x1b[31m"


def cells(answer: Any, number: int = 0) -> dict[str, str]:
    """Return the numbers of a row by the titles of their columns."""
    return {str(cell.title): cell.text for cell in answer.context["lines"][number].cells}


def test_totals_are_summed_over_the_period(cast: Cast, own: Rows, visit: Visit) -> None:
    bucket(own.database, own.fingerprint.text, 5, 6, 4 * SECOND, rows=1)
    Statement.objects.update(fingerprint=own.fingerprint)
    client = visit(cast.carol)
    hour, day = (client.get(reverse(PAGE), {"period": period}) for period in ("hour", "day"))
    assert cells(hour) == {"Total time": "6.00 s", "Calls": "4", "Average": "1.50 s", "Longest": "2.50 s", "Rows": "12"}
    assert (cells(day)["Calls"], cells(day)["Total time"]) == ("10", "10.00 s")
    assert [cell.text for cell in day.context["totals"]] == list(cells(day).values())


@pytest.mark.parametrize("who", ["alice", "bob", "carol", "dave"])
def test_nothing_foreign_is_shown(who: str, cast: Cast, own: Rows, foreign: Rows, visit: Visit) -> None:
    client = visit(getattr(cast, who))
    queries = (
        "",
        f"?database={foreign.database.pk}",
        "?period=week&group=database",
        f"?team={foreign.database.team_id}",
    )
    for query in (*queries, "?group=host", "?q=secret", "?compare=previous"):
        for page in (PAGE, EXPORT):
            content = client.get(reverse(page) + query).getvalue()
            assert b"foreign_secret" not in content
            assert b"foreign-mysql" not in content
    assert (b"own_secret" in client.get(reverse(PAGE)).content) == (who != "dave")


def test_a_foreign_database_and_a_foreign_team_are_like_absent_ones(
    cast: Cast, own: Rows, foreign: Rows, visit: Visit
) -> None:
    client = visit(cast.carol)
    for name, pk in (("database", foreign.database.pk), ("team", foreign.database.team_id)):
        there, absent = (client.get(reverse(PAGE), {name: value}) for value in (pk, 999_999))
        assert there.context["choices"].narrowing == absent.context["choices"].narrowing
        without = re.compile(rf"{name}={pk}|{name}=999999|csrfmiddlewaretoken\S+ value=\S+".encode())
        assert without.sub(b"", there.content).count(b"<tr>") == without.sub(b"", absent.content).count(b"<tr>")


def test_known_gaps_stand_beside_the_numbers_and_beside_each_row(cast: Cast, own: Rows, visit: Visit) -> None:
    bucket(own.database, "a statement", 0.2, 1, SECOND)
    query: dict[str, Any] = {"period": "hour", "database": str(own.database.pk)}
    answer = visit(cast.carol).get(reverse(PAGE), query)
    told = "rows of the slow log were gone before they were read (7)"
    assert told in answer.content.decode()
    assert [line.gaps for line in answer.context["lines"]] == [[f"{own.database}, slow_log: {told}"]] * 2
    assert len(answer.context["chart"].gaps) == 1
    Gap.objects.filter(pk=own.gap.pk).delete()
    answer = visit(cast.carol).get(reverse(PAGE), query)
    assert "Nothing is known to be missing" in answer.content.decode()
    assert not any(line.gaps for line in answer.context["lines"])


def test_gaps_of_the_earlier_period_are_told_where_two_are_compared(cast: Cast, own: Rows, visit: Visit) -> None:
    Gap.objects.update(covered_from=timezone.now() - timedelta(hours=3), covered_to=timezone.now() - timedelta(hours=2))
    client = visit(cast.carol)
    assert client.get(reverse(PAGE), {"period": "hour", "compare": "previous"}).context["earlier_gaps"] == 0
    query: dict[str, Any] = {"since": _at(2), "until": _at(0.5), "compare": "previous"}
    answer = client.get(reverse(PAGE), query)
    assert answer.context["earlier_gaps"] == 1


def _at(hours: float) -> int:
    return int((timezone.now() - timedelta(hours=hours)).timestamp())


ODD = [
    *("period=x", "database=x", "database=" + "9" * 40, "database=%D9%A1", "team=-1", "group=x"),
    *("order=x", "order=-p95_time", "order=change", "compare=x", "compare=week&period=quarter", "change=new"),
    *("compare=previous&change=x", "column=x", "page=0", "page=-1", "page=99999999999", "page=x"),
    *("q=" + "x" * 5_000, "q=%25", "user=%ED%A0%80", "type=oracle", "source=x", "format=x"),
    *("column=" + "&column=".join(METRICS), "since=1&until=2&compare=previous", "group=host&compare=day&period=hour"),
]


@pytest.mark.parametrize("query", ODD)
def test_odd_questions_are_answered(query: str, cast: Cast, own: Rows, visit: Visit) -> None:
    client = visit(cast.carol)
    assert client.get(reverse(PAGE) + "?" + query).status_code == 200
    assert client.get(reverse(EXPORT) + "?" + query).getvalue() is not None


def test_numbers_too_large_to_be_added_up_are_said_to_be(cast: Cast, own: Rows, visit: Visit) -> None:
    for number in range(3):
        bucket(own.database, "x", 0.2 + number / 5, 1, 2**62)
    if connection.vendor == "postgresql":
        return  # There sums are as long as they need to be.
    answer = visit(cast.carol).get(reverse(PAGE))
    assert "too large to be added up" in answer.content.decode()
    assert visit(cast.carol).get(reverse(EXPORT)).status_code == 422


def test_rows_lead_to_what_they_are_made_of(cast: Cast, own: Rows, visit: Visit) -> None:
    client = visit(cast.carol)
    for grouping, parameter, value in (
        ("database", "database", own.database.pk),
        ("team", "team", own.database.team_id),
    ):
        (line,) = client.get(reverse(PAGE), {"group": grouping, "period": "hour"}).context["lines"]
        assert f"{parameter}={value}" in line.link
        assert "period=hour" in line.link
        assert "group=" not in line.link
        assert client.get(reverse(PAGE) + line.link).context["choices"].narrowing != ""
    (line,) = client.get(reverse(PAGE), {"group": "user"}).context["lines"]
    assert line.link == ""
    assert "not known" in line.title


def test_choices_stay_in_the_address(cast: Cast, own: Rows, visit: Visit) -> None:
    query: dict[str, Any] = {
        "group": "schema",
        "period": "week",
        "column": ["calls", "rows"],
        "compare": "previous",
        "q": "own",
    }
    answer = visit(cast.carol).get(reverse(PAGE), query)
    links = [head.address for head in answer.context["heads"]] + [link for _, _, link, _ in answer.context["changes"]]
    for link in [*links, *(link for _, link in answer.context["exports"]), answer.context["range"].earlier]:
        assert "group=schema" in link
        assert "column=calls&column=rows" in link
        assert "q=own" in link


def test_a_click_on_a_head_puts_the_greatest_first_and_another_the_least(cast: Cast, own: Rows, visit: Visit) -> None:
    client = visit(cast.carol)
    bucket(own.database, "many", 1, 1000, SECOND)

    def head(query: str) -> Any:
        return next(head for head in client.get(reverse(PAGE) + query).context["heads"] if head.title == "Calls")

    assert head("").sorted == "none"
    first = head(head("").address)
    assert first.sorted == "descending"
    assert head(first.address).sorted == "ascending"
    assert client.get(reverse(PAGE) + head("").address).context["lines"][0].cells[1].text == "1,000"


def test_a_row_says_what_became_of_it(cast: Cast, own: Rows, visit: Visit) -> None:
    bucket(own.database, "gone", 3, 5, 60 * SECOND)
    bucket(own.database, "grown!", 3, 5, 60 * SECOND)
    bucket(own.database, "grown!", 1, 10, 120 * SECOND)
    client = visit(cast.carol)
    query: dict[str, Any] = {"since": _at(2), "until": _at(0), "compare": "previous"}
    answer = client.get(reverse(PAGE), query)
    assert [(line.change, line.cells[0].difference) for line in answer.context["lines"]] == [
        ("worse", "+100 %"),
        ("new", ""),
        ("gone", "was 60.00 s"),
    ]
    told = {name: count for name, count, _, _ in answer.context["changes"]}
    assert told == {"All": 3, "New": 1, "Worse": 1, "Better": 0, "Gone": 1}
    answer = client.get(reverse(PAGE), {**query, "change": "gone"})
    assert len(answer.context["lines"]) == 1
    assert {name: count for name, count, _, _ in answer.context["changes"]} == told
    # Shares stay those of the whole.
    worse = client.get(reverse(PAGE), {**query, "change": "worse"}).context["lines"][0]
    assert worse.share == pytest.approx(100 * 120 / 126)


def test_pages_follow_each_other(cast: Cast, own: Rows, visit: Visit) -> None:
    for number in range(limits.QUERY_PAGE_SIZE + 3):
        bucket(own.database, "x" * (number + 1), 1, 1, SECOND)
    client = visit(cast.carol)
    first = client.get(reverse(PAGE))
    assert (first.context["counted"], first.context["before"]) == ("1 to 25 of 29", "")
    second = client.get(reverse(PAGE) + first.context["after"])
    assert (second.context["counted"], second.context["after"]) == ("26 to 29 of 29", "")
    assert len(second.context["lines"]) == 4
    assert client.get(reverse(PAGE) + "?page=7").context["counted"] == "1 to 25 of 29"


def test_a_page_of_many_rows_takes_no_more_queries_than_one_of_few(cast: Cast, own: Rows, visit: Visit) -> None:
    client = visit(cast.alice)

    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            client.get(reverse(PAGE), {"compare": "previous", "column": ["calls", "p95_time"]})
        return len(captured)

    few = asked()
    for number in range(40):
        bucket(own.database, "x" * (number + 1), 1, 1, SECOND)
    assert asked() <= few + 1
    assert few <= 55


def rows_of_csv(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(answer.getvalue().decode().splitlines()))


def test_files_hold_what_is_shown(cast: Cast, own: Rows, visit: Visit) -> None:
    bucket(own.database, "select b", 1, 10, 2 * SECOND)
    client = visit(cast.carol)
    query: dict[str, Any] = {"period": "hour", "column": ["share", "calls", "avg_time", "wal_bytes"], "order": "-calls"}
    query["period"] = "6h"
    shown = [str(line.cells[1].text) for line in client.get(reverse(PAGE), query).context["lines"]]
    answer = client.get(reverse(EXPORT), {**query, "format": "csv"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="dbpower-queries.csv"'
    rows = rows_of_csv(answer)
    assert [row["calls"] for row in rows] == shown == ["10", "4"]
    assert list(rows[0]) == [
        *("fingerprint_id", "fingerprint", "databases"),
        *("share_percent", "calls", "avg_time_ms", "wal_bytes"),
    ]
    assert rows[0]["avg_time_ms"] == "200.0"
    content = json.loads(client.get(reverse(EXPORT), {**query, "format": "json"}).getvalue())
    assert [row["calls"] for row in content["rows"]] == [10, 4]
    assert (content["count"], content["at_most"], content["rows"][0]["wal_bytes"]) == (2, 10_000, None)
    assert [gap["amount"] for gap in content["completeness"]] == [7]


def test_files_tell_the_earlier_period_too(cast: Cast, own: Rows, visit: Visit) -> None:
    bucket(own.database, "gone", 3, 5, 60 * SECOND)
    query: dict[str, Any] = {
        "since": _at(2),
        "until": _at(0),
        "compare": "previous",
        "group": "database",
        "format": "json",
    }
    (row,) = json.loads(visit(cast.carol).get(reverse(EXPORT), query).getvalue())["rows"]
    assert (row["database"], row["change"], row["calls"], row["earlier_calls"]) == ("shop-mysql", "better", 4, 5)
    assert (row["total_time_ms"], row["earlier_total_time_ms"]) == (6000.0, 60000.0)


def test_files_are_bounded_and_streamed(cast: Cast, own: Rows, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries_export, "MOST", 3)
    monkeypatch.setattr(queries_export, "_CHUNK", 2)
    for number in range(5):
        bucket(own.database, "x" * (number + 1), 1, 1, SECOND * (number + 1))
    client = visit(cast.carol)
    answer = client.get(reverse(EXPORT), {"format": "json"})
    assert answer.streaming
    content = json.loads(answer.getvalue())
    assert (len(content["rows"]), content["count"]) == (3, 6)
    assert "the first 3 rows" in client.get(reverse(PAGE)).content.decode()


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "-2+3", "+cmd|' /C calc'!A0", "\t=1"])
def test_no_cell_of_a_file_is_a_formula(text: str, cast: Cast, own: Rows, visit: Visit) -> None:
    Fingerprint.objects.update(text=text)
    (row,) = rows_of_csv(visit(cast.carol).get(reverse(EXPORT)))
    assert row["fingerprint"].startswith("'")


def test_an_empty_page_says_what_to_do(cast: Cast, own: Rows, visit: Visit) -> None:
    client = visit(cast.carol)
    assert "Clear the filters" in client.get(reverse(PAGE), {"q": "nothing like that"}).content.decode()
    Bucket.objects.all().delete()
    rollups.roll_up()
    assert "see whether the collectors are online" in client.get(reverse(PAGE)).content.decode()
    assert client.get(reverse(EXPORT)).getvalue() == b""


def test_a_select_of_many_databases_is_cut_and_says_so(
    cast: Cast, own: Rows, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.admin.pages.queries_choices._MOST_OFFERED", 1)
    last = Team.objects.create(organization=cast.example, name="Zebra")
    answer = visit(cast.alice).get(reverse(PAGE), {"team": last.pk})
    team = answer.context["controls"].filters[0]
    assert [option.title for option in team.options if option.value] == ["Shop", "Zebra"]
    assert "group by it" in str(team.note)


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
