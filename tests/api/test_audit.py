"""The audit in API and console: what is in it, what it is narrowed by, and the file that people take away."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from collectors.domain import limits
from collectors.models import AuditEntry, Collector
from collectors.services import audit, audit_chain
from tests.api.callers import content_of, signed_in
from tests.cast import SOMEBODY, Cast

pytestmark = pytest.mark.django_db


def rows_of(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_whoever_is_refused_is_in_the_audit_of_the_organization_that_was_asked(cast: Cast) -> None:
    carol = signed_in(cast.carol)
    path = f"/api/v1/databases/{cast.collector.database_id}"
    for _ in range(3):
        assert carol.patch(path, {"name": "x"}).status_code == 403
    (entry,) = AuditEntry.objects.filter(action="access.refused")
    assert (entry.user_id, entry.actor, entry.address) == (cast.carol.pk, "carol@example.org", "127.0.0.1")
    assert (entry.organization_id, entry.object_type, entry.object_id) == (
        cast.example.pk,
        "monitoreddatabase",
        cast.collector.database_id,
    )
    assert entry.after == {"method": "PATCH", "path": path}
    shown = content_of(signed_in(cast.alice).get("audit?action=access.refused"))
    assert [row["object_label"] for row in shown["entries"]] == ["shop-mysql"]
    assert content_of(signed_in(cast.mallory).get("audit?action=access.refused"))["count"] == 0


def test_whoever_is_refused_in_the_console_is_in_the_audit(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.carol)
    assert client.get("/admin/collectors/collector/").status_code == 403
    entry = AuditEntry.objects.get(action="access.refused")
    assert entry.after == {"method": "GET", "path": "/admin/collectors/collector/"}


def test_a_refusal_is_written_once_a_minute_and_no_body_is_in_it(cast: Cast) -> None:
    carol = signed_in(cast.carol)
    for _ in range(5):
        carol.post("users", {"email": "x@example.org", "password": "canary-password"})
    entry = AuditEntry.objects.get(action="access.refused")
    assert "canary" not in str(entry.after)


def refusals() -> list[dict[str, Any]]:
    return list(AuditEntry.objects.filter(action="access.refused").order_by("pk").values_list("after", flat=True))


def test_the_same_refusal_spelt_in_many_ways_is_one(cast: Cast) -> None:
    carol = signed_in(cast.carol)
    for digits in range(1, 19):
        for slash in ("", "/", "?x=1"):
            assert carol.delete(f"teams/{str(cast.shop.pk).zfill(digits)}{slash}").status_code == 403
    assert len(refusals()) == 1
    assert carol.patch(f"teams/{cast.shop.pk}", {"name": "x"}).status_code == 403
    assert len(refusals()) == 2


def test_nobody_fills_the_audit_with_refusals_and_that_more_were_left_out_is_told(cast: Cast) -> None:
    carol, dave = Client(), Client()
    carol.force_login(cast.carol)
    dave.force_login(cast.dave)
    for number in range(60):
        assert carol.get(f"/admin/collectors/user/{number}x/change/").status_code == 403
    assert len(refusals()) == 1, "what is no number is all the same"
    for number in range(60):
        assert carol.get(f"/admin/collectors/user/{number}/change/").status_code == 403
    assert len(refusals()) == limits.REFUSALS_WRITTEN_PER_MINUTE + 1
    assert refusals()[-1] == {"more": "left out for a minute"}
    assert dave.get("/admin/collectors/team/add/").status_code == 403
    assert refusals()[-1]["path"] == "/admin/collectors/team/add/"


def test_it_is_narrowed_by_time_action_object_and_address(cast: Cast) -> None:
    alice = signed_in(cast.alice)
    alice.patch(f"collectors/{cast.collector.pk}", {"name": "renamed"})
    entry = AuditEntry.objects.get(action="collector.change")
    before, after = (
        (entry.created_at + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z") for seconds in (-1, 1)
    )
    for query, found in (
        ("action=collector.change", 1),
        (f"object_type=collector&object_id={cast.collector.pk}&action=collector.change", 1),
        ("address=127.0.0.1", 1),
        ("address=192.0.2.1", 0),
        (f"since={before}&action=collector.change", 1),
        (f"until={after}&action=collector.change", 1),
        (f"until={before}&action=collector.change", 0),
        (f"user_id={cast.alice.pk}", 1),
        ("since=yesterday", None),
    ):
        answer = alice.get(f"audit?{query}")
        if found is None:
            assert answer.status_code == 400
        else:
            assert content_of(answer)["count"] == found, query


@pytest.mark.parametrize("how", ["api", "console"])
def test_the_file_holds_what_the_list_holds_and_no_formula(how: str, cast: Cast) -> None:
    audit_chain.seal()
    Collector.objects.filter(pk=cast.collector.pk).update(name='=HYPERLINK("http://x")')
    row = Collector.objects.get(pk=cast.collector.pk)
    audit.record(
        actor=SOMEBODY, action="test.line", row=row, organization_id=cast.example.pk, after={"text": 'a"b,\r\n;\u2028'}
    )
    client = Client()
    client.force_login(cast.alice)
    path = "/api/v1/audit/export?" if how == "api" else "/admin/collectors/auditentry/export/?"
    answer: Any = client.get(path)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="dbpower-audit.csv"'
    rows = rows_of(answer)
    expected = AuditEntry.objects.filter(organization=cast.example).order_by("-pk")
    assert [int(line["id"]) for line in rows] == [entry.pk for entry in expected]
    assert rows[0]["object_label"] == '\'=HYPERLINK("http://x")'
    assert rows[0]["after"] == '{"text": "a\\"b,\\r\\n;\u2028"}'
    assert rows[-1]["seal"] == expected.last().seal  # type: ignore[union-attr]
    assert not [cell for line in rows for cell in line.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    narrowed = "action=test.line" if how == "api" else "q=test.line"
    assert len(rows_of(client.get(path + narrowed))) == 1


@pytest.mark.parametrize(
    "query",
    [
        "organization__id__exact=abc",
        "organization__id__exact=%00",
        "created_at__year=99999",
        "created_at__gte=x",
        "created_at__month=77&created_at__year=2026",
        "created_at__day=31&created_at__month=2&created_at__year=2026",
        "q=%00",
        "bogus=1",
        "o=abc",
        "p=9999",
    ],
)
def test_filters_that_say_nothing_break_neither_the_file_nor_the_list(query: str, cast: Cast) -> None:
    client = Client()
    client.force_login(cast.alice)
    assert client.get(f"/admin/collectors/auditentry/?{query}").status_code < 500
    answer: Any = client.get(f"/admin/collectors/auditentry/export/?{query}")
    assert answer.status_code in (200, 302, 400)
    assert answer.status_code != 200 or b"".join(answer.streaming_content)


@pytest.mark.parametrize(("who", "status"), [("bob", 403), ("carol", 403)])
def test_the_file_of_the_console_is_for_whoever_sees_the_list(who: str, status: int, cast: Cast) -> None:
    client = Client()
    client.force_login(getattr(cast, who))
    assert client.get("/admin/collectors/auditentry/export/").status_code == status
