"""The page of one statement: its text, its numbers, and what people write on it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from collectors.admin import sql_text
from collectors.domain.roles import Role
from collectors.models import (
    AuditEntry,
    Fingerprint,
    FingerprintNote,
    FingerprintTag,
    Gap,
    SlowQuery,
    Statement,
    StatusChange,
)
from collectors.services import fingerprint_notes
from tests.admin.conftest import Rows, Visit
from tests.admin.test_queries import NASTY
from tests.cast import SOMEBODY, Cast, person
from tests.services.test_top_queries import SECOND, bucket
from tests.services.uploading import send, slow_log, slow_query


def address(fingerprint: Fingerprint) -> str:
    return reverse("admin:query", args=[fingerprint.pk])


@pytest.fixture
def shared(cast: Cast, own: Rows) -> Fingerprint:
    """A statement that both teams of Example GmbH run."""
    bucket(own.database, "select a", 1, 10, 5 * SECOND)
    bucket(cast.warehouse_collector.database, "select a", 1, 30, 15 * SECOND, schema="crm")
    return Fingerprint.objects.get(text="select a")


def test_the_button_that_copies_the_statement_has_the_words_that_its_script_says(
    cast: Cast, shared: Fingerprint, visit: Visit
) -> None:
    page = visit(cast.carol).get(address(shared)).content.decode()
    (button,) = re.findall(r'<button[^>]*data-copy="copy-statement"[^>]*>', page)
    assert 'data-copied="Copied"' in button
    assert "data-selected=" in button


def facts(answer: Any) -> dict[str, str]:
    return {str(cell.title): cell.text for cell in answer.context["facts"]}


def test_everybody_sees_the_numbers_of_their_own_databases(cast: Cast, shared: Fingerprint, visit: Visit) -> None:
    for who, calls, places in (
        (cast.alice, "40", ["warehouse-pg", "shop-mysql"]),
        (cast.carol, "10", ["shop-mysql"]),
        (cast.dave, "30", ["warehouse-pg"]),
    ):
        answer = visit(who).get(address(shared))
        assert facts(answer)["Calls"] == calls
        databases, schemas, users, hosts = answer.context["places"]
        assert [name for name, _, _ in databases.rows] == places
        assert sum(share for _, _, share in schemas.rows) == pytest.approx(100)
        assert (len(users.rows), hosts.rows) == (len(places), [])
        content = answer.content.decode()
        assert ("warehouse-pg" in content) == ("warehouse-pg" in places)
        assert ("shop-mysql" in content) == ("shop-mysql" in places)


def test_the_page_of_others_is_like_one_that_there_is_not(
    cast: Cast, shared: Fingerprint, foreign: Rows, visit: Visit
) -> None:
    for who, fingerprint in (
        (cast.mallory, shared),
        (cast.carol, foreign.fingerprint),
        (cast.alice, foreign.fingerprint),
    ):
        client = visit(who)
        there = client.get(address(fingerprint))
        absent = client.get(reverse("admin:query", args=[999_999]))
        assert there.status_code == absent.status_code == 404
        assert there.content == absent.content
        for form in ({"note": "x"}, {"tags": "x"}, {"remove": "1"}):
            assert client.post(address(fingerprint), form).status_code == 404
    assert not FingerprintNote.objects.exists()


@pytest.mark.parametrize("pk", ["0", "-1", "x", "9" * 30, "1.5", "%D9%A1"])
def test_addresses_of_nothing_are_not_found(pk: str, cast: Cast, visit: Visit) -> None:
    assert visit(cast.root).get(f"/admin/queries/{pk}/").status_code == 404


def test_rows_of_the_list_lead_here_and_keep_the_period(cast: Cast, shared: Fingerprint, visit: Visit) -> None:
    client = visit(cast.alice)
    now = int(timezone.now().timestamp())
    for query in ("?period=week", f"?since={now - 7200}&until={now}", "?period=week&group=fingerprint_database"):
        line = client.get(reverse("admin:queries") + query).context["lines"][0]
        assert line.link.startswith(address(shared) + query.split("&group")[0])
        assert (
            client.get(line.link).context["range"].time
            == client.get(reverse("admin:queries") + query).context["range"].time
        )


def test_a_statement_that_did_not_run_has_a_page_too(cast: Cast, shared: Fingerprint, visit: Visit) -> None:
    now = int(timezone.now().timestamp())
    answer = visit(cast.carol).get(address(shared), {"since": now - 90_000, "until": now - 86_400})
    assert set(facts(answer).values()) == {"-"}
    assert "No single executions" in answer.content.decode()
    assert answer.context["last_seen"] is not None


def test_status_changes_are_marked_for_those_who_see_collectors(cast: Cast, shared: Fingerprint, visit: Visit) -> None:
    StatusChange.objects.all().delete()
    for collector in (cast.collector, cast.warehouse_collector, cast.foreign_collector):
        StatusChange.objects.create(
            organization_id=collector.organization_id,
            collector=collector,
            old_status="ONLINE",
            new_status="OFFLINE",
            cause="heartbeats missed",
        )
    for who, marks in ((cast.alice, 2), (cast.bob, 1), (cast.dave, 1), (cast.carol, 0)):
        chart = visit(who).get(address(shared)).context["charts"][0]
        assert len(chart.marks) == marks
        assert all("ONLINE → OFFLINE" in mark.text and mark.tone == "bad" for mark in chart.marks)


def test_gaps_of_the_databases_it_runs_on_are_told(cast: Cast, shared: Fingerprint, own: Rows, visit: Visit) -> None:
    now = timezone.now()
    Gap.objects.create(
        organization_id=cast.example.pk,
        database=cast.warehouse_collector.database,
        source="pg_stat_statements",
        kind="evictions",
        covered_from=now - timedelta(hours=2),
        covered_to=now - timedelta(hours=1),
    )
    assert [visit(who).get(address(shared)).context["gap_count"] for who in (cast.alice, cast.carol, cast.dave)] == [
        2,
        1,
        1,
    ]
    assert len(visit(cast.carol).get(address(shared)).context["charts"][0].gaps) == 1


def test_single_executions_are_the_longest_or_the_newest(cast: Cast, visit: Visit) -> None:
    rows = [slow_query(query_time=time, age_seconds=age) for time, age in ((1, 10), (9, 99), (4, 1))]
    send(cast.collector, slow_log(0, 3, queries=rows))
    client = visit(cast.carol)
    fingerprint = Fingerprint.objects.get()

    def seconds(query: str) -> list[float]:
        return [one.query_time_ns / 1e9 for one in client.get(address(fingerprint) + query).context["slow"]]

    assert seconds("") == seconds("?slow=x") == [9, 4, 1]
    assert seconds("?slow=newest") == [4, 1, 9]
    latency = client.get(address(fingerprint)).context["charts"][2]
    assert [line.title for line in latency.series] == ["Average", "95 %", "99 %"]
    # One or two slots, whatever time it is.
    assert 3.9e9 < max(value or 0 for value in latency.series[2].values) < 9.1e9


# -- Notes and tags ----------------------------------------------------------------------------------------------------


def test_notes_are_read_by_all_who_may_see_the_statement(cast: Cast, shared: Fingerprint, visit: Visit) -> None:
    answer = visit(cast.carol).post(address(shared) + "?period=week", {"note": "ask Carol <b>first</b>"})
    assert answer.headers["Location"] == address(shared) + "?period=week"
    for who in (cast.carol, cast.dave, cast.alice, cast.root):
        content = visit(who).get(address(shared)).content.decode()
        assert "ask Carol &lt;b&gt;first&lt;/b&gt;" in content
    entry = AuditEntry.objects.get(action="fingerprint.note")
    assert (entry.user_id, entry.organization_id) == (cast.carol.pk, cast.example.pk)


def test_notes_are_removed_by_their_authors_and_by_who_governs(cast: Cast, shared: Fingerprint, visit: Visit) -> None:
    for who, removable in (
        (cast.dave, False),
        (cast.bob, False),
        (cast.carol, True),
        (cast.alice, True),
        (cast.root, True),
    ):
        note = fingerprint_notes.add_note(fingerprint=shared, author=cast.carol, text="x", actor=SOMEBODY)
        visit(who).post(address(shared), {"remove": str(note.pk)})
        assert FingerprintNote.objects.filter(pk=note.pk).exists() != removable, who
    assert visit(cast.carol).post(address(shared), {"remove": "9" * 40}).status_code == 302


def test_a_note_of_another_statement_is_not_removed_here(
    cast: Cast, shared: Fingerprint, own: Rows, visit: Visit
) -> None:
    note = fingerprint_notes.add_note(fingerprint=own.fingerprint, author=cast.carol, text="x", actor=SOMEBODY)
    visit(cast.carol).post(address(shared), {"remove": str(note.pk)})
    assert FingerprintNote.objects.exists()


def test_a_refused_note_is_told(cast: Cast, shared: Fingerprint, visit: Visit) -> None:
    answer = visit(cast.carol).post(address(shared), {"note": "x" * 5_000}, follow=True)
    assert "at least one character and at most 4000" in answer.content.decode()


def test_the_list_is_narrowed_by_tags(cast: Cast, shared: Fingerprint, own: Rows, visit: Visit) -> None:
    visit(cast.carol).post(address(shared), {"tags": "Nightly, owner: billing"})
    client = visit(cast.dave)
    (line,) = client.get(reverse("admin:queries"), {"tag": "NIGHTLY"}).context["lines"]
    assert line.tags == ["nightly", "owner: billing"]
    assert len(client.get(reverse("admin:queries"), {"tag": "no such"}).context["lines"]) == 0
    tags = next(text for text in client.get(reverse("admin:queries")).context["controls"].texts if text.name == "tag")
    assert tags.offered == ["nightly", "owner: billing"]
    stranger = person("eve@example.org", Role.USER, cast.sample, cast.foreign)
    tags = next(
        text for text in visit(stranger).get(reverse("admin:queries")).context["controls"].texts if text.name == "tag"
    )
    assert tags.offered == []
    visit(cast.carol).post(address(shared), {"tags": ""})
    assert not FingerprintTag.objects.exists()


# -- Text --------------------------------------------------------------------------------------------------------------


def test_the_text_is_escaped_whatever_it_is(cast: Cast, own: Rows, visit: Visit) -> None:
    Fingerprint.objects.filter(pk=own.fingerprint.pk).update(text=NASTY)
    content = visit(cast.carol).get(address(own.fingerprint)).content.decode()
    assert "alert(1)" in content
    assert "<script>alert" not in content


@pytest.mark.parametrize(
    "text",
    [
        "select o.id from orders o where o.city = ? and o.state in (?+) limit ?",
        NASTY,
        "",
        ";;; -- x",
        "(" * 3_000,
        "select " + "a, " * 30_000,
        "call p(?, $1, :x, @y, %s) /* c */ -- d\n",
    ],
)
def test_nothing_but_white_space_is_changed(text: str) -> None:
    shown = sql_text.formatted(text)
    assert "".join(shown.split()) == "".join(text.split())


def test_words_of_sql_are_told_apart_and_placeholders_kept() -> None:
    shown = str(sql_text.highlighted("select a from t where b < ? and c in (?+)"))
    assert '<span class="dbpower-sql-keyword">select</span>' in shown
    assert "&lt;" in shown
    assert '<span class="dbpower-sql-placeholder">?</span>' in shown
    assert sql_text.formatted("select a from t where b = ?") == "select a\nfrom t\nwhere b = ?"


def test_the_number_of_queries_is_bounded(
    cast: Cast, shared: Fingerprint, visit: Visit, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        fingerprint_notes.add_note(fingerprint=shared, author=cast.carol, text="x", actor=SOMEBODY)
    client = visit(cast.alice)
    assert Statement.objects.count() > SlowQuery.objects.count() > 0
    with django_assert_max_num_queries(70):
        client.get(address(shared))
