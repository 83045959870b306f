"""One collector's page: its statuses over time, why it is not heard, what was collected, and what changes by itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from collectors.domain.sources import Source
from collectors.models import Collector, Command, Heartbeat, Outage, StatusChange
from collectors.services import collections, key_failures
from tests.admin.conftest import Rows, Visit
from tests.cast import Cast

NOW = timezone.now


def page(cast: Cast, visit: Visit, name: str = "change", query: str = "", collector: Collector | None = None) -> Any:
    address = reverse(f"admin:collectors_collector_{name}", args=((collector or cast.collector).pk,))
    return visit(cast.alice).get(address + query)


def flip(cast: Cast, status: str, hours: float, collector: Collector | None = None, **members: Any) -> None:
    collector = collector or cast.collector
    StatusChange.objects.create(
        organization_id=collector.organization_id,
        collector=collector,
        new_status=status,
        cause="no heartbeat before the deadline" if status == "OFFLINE" else "heartbeat",
        changed_at=NOW() - timedelta(hours=hours),
        **members,
    )


def test_the_time_line_has_every_change_with_its_cause_and_shares(cast: Cast, visit: Visit) -> None:
    StatusChange.objects.all().delete()
    flip(cast, "ONLINE", 30)
    flip(cast, "OFFLINE", 6)
    flip(cast, "ONLINE", 3)
    response = page(cast, visit, query="?period=day")
    assert response.context["uptime"] == "87.5 %"
    assert response.context["shares"] == [("OFFLINE", "12.5 %"), ("ONLINE", "87.5 %")]
    assert [(status, cause) for _, status, _, cause in response.context["flips"]] == [
        ("ONLINE", "heartbeat"),
        ("OFFLINE", "no heartbeat before the deadline"),
        ("ONLINE", "heartbeat"),
    ]
    assert response.context["flips"][1][2] in {"2 h 59 min", "3 h"}
    assert [round(bar.x) for bar in response.context["bars"]] == [0, 750, 875]
    assert page(cast, visit, query="?period=hour").context["uptime"] == "100.0 %"


def test_why_it_is_offline_is_told_with_what_the_control_plane_saw(cast: Cast, visit: Visit) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(
        status="OFFLINE", last_heartbeat=NOW() - timedelta(hours=1), address="10.0.0.7", last_error="disk full"
    )
    key_failures.note(
        presented="collector",
        address="10.0.0.8",
        path=f"/api/v1/collectors/{cast.collector.pk}/heartbeat",
        collector_id=cast.collector.pk,
    )
    content = page(cast, visit).content.decode()
    assert "Why is it offline?" in content
    for said in ("10.0.0.7", "disk full", "A wrong key was sent to this collector from 10.0.0.8."):
        assert said in content


@pytest.mark.parametrize(
    ("skew", "said", "found"),
    [
        (None, "not told", False),
        (-0.4, "less than 1 s from the server", False),
        (-29.0, "29 s behind the server", False),
        (-192.5, "3 min 12 s behind the server", True),
        (7200.0, "2 h ahead of the server", True),
    ],
)
def test_the_clock_of_its_host_is_told_and_a_wrong_one_is_a_finding(
    skew: float | None, said: str, found: bool, cast: Cast, visit: Visit
) -> None:
    for status in ("OFFLINE", "ONLINE"):
        Heartbeat.objects.filter(pk=cast.collector.pk).update(
            status=status, last_heartbeat=NOW(), clock_skew_seconds=skew
        )
        content = page(cast, visit).content.decode()
        assert content.count(said) == 1 + found + (status == "OFFLINE")
        assert ("timedatectl" in content) is found


def test_when_it_was_heard_and_what_it_complained_of_is_told(cast: Cast, visit: Visit) -> None:
    StatusChange.objects.all().delete()
    flip(cast, "ONLINE", 30)
    flip(cast, "ERROR", 8, detail="disk full")
    flip(cast, "ONLINE", 7)
    flip(cast, "OFFLINE", 6, last_heartbeat=NOW() - timedelta(hours=6, minutes=2))
    flip(cast, "ONLINE", 3)
    Outage.objects.create(began_at=NOW() - timedelta(hours=2), ended_at=NOW() - timedelta(hours=1))
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ONLINE", last_heartbeat=NOW())
    response = page(cast, visit, query="?period=day")
    lines = response.context["heard"]
    assert [line["sound"] for line in lines] == ["heard", "outage", "heard", "silent", "heard", "errors", "heard"]
    assert lines[3]["length"] == "3 h 2 min"
    assert lines[5]["text"] == "heard, with an error: disk full"
    assert "the longest" not in response.context["heard_summary"]
    assert "heartbeat: disk full" in [cause for *_, cause in response.context["flips"]]


def test_collections_are_listed_with_what_is_missing_between_them(
    cast: Cast, own: Rows, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    StatusChange.objects.all().delete()
    flip(cast, "ONLINE", 30)
    flip(cast, "OFFLINE", 1)
    flip(cast, "ONLINE", 0.6)
    for minutes, collector in (
        (63, cast.collector),
        (58, cast.collector),
        (30, cast.collector),
        (30, cast.foreign_collector),
    ):
        collections.record(
            collector=collector,
            source=Source.PERFORMANCE_SCHEMA,
            read_at=NOW() - timedelta(minutes=minutes),
            received_at=NOW() - timedelta(minutes=minutes - 1),
            rows=1234,
            calls=77,
            duplicates=0,
            is_stale=False,
            took_ms=9,
        )
    lines = page(cast, visit, query="?period=day").context["collections"]
    assert [line.get("hole", line.get("calls")) for line in lines] == [
        "no collection for 30 min",
        "77",
        "no collection for 28 min (OFFLINE)",
        "77",
        "77",
    ]
    assert (lines[1]["rows"], lines[1]["late"], lines[1]["took"]) == ("1,234", "1 min", "9 ms")
    assert "2 times without the collections" in page(cast, visit, query="?period=day").content.decode()
    monkeypatch.setattr("collectors.admin.pages.collections._HOLES", 1)
    response = page(cast, visit, query="?period=day")
    assert "More than 1 time without the collections" in response.content.decode()
    assert "no collection for 30 min" in [line.get("hole") for line in response.context["collections"]]


def test_of_one_that_is_online_nothing_is_asked(cast: Cast, visit: Visit) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ONLINE", last_heartbeat=NOW())
    assert "Why is" not in page(cast, visit).content.decode()


def test_a_revoked_key_is_a_reason(cast: Cast, visit: Visit) -> None:
    Collector.objects.filter(pk=cast.collector.pk).update(api_key_hash="")
    assert "Its keys were revoked" in page(cast, visit).content.decode()


def test_the_live_part_tells_the_state_and_the_commands_as_they_are_now(cast: Cast, own: Rows, visit: Visit) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ERROR", last_error="new trouble")
    Command.objects.filter(pk=own.command.pk).update(
        state="succeeded", ended_at=NOW(), result={"rows": 5, "uploads": 1}
    )
    content = page(cast, visit, "now").content.decode()
    assert "new trouble" in content
    assert "succeeded" in content
    assert "rows: 5 · uploads: 1" in content
    assert 'hx-swap-oob="true"' in content
    assert "hx-swap-oob" not in page(cast, visit).content.decode()


@pytest.mark.parametrize(("who", "status"), [("bob", 200), ("carol", 403), ("dave", 404), ("mallory", 404)])
def test_the_live_part_is_for_those_who_see_the_collector(who: str, status: int, cast: Cast, visit: Visit) -> None:
    address = reverse("admin:collectors_collector_now", args=(cast.collector.pk,))
    assert visit(getattr(cast, who)).get(address).status_code == status


def test_the_connection_is_shown_without_the_password(cast: Cast, visit: Visit) -> None:
    response = page(cast, visit)
    assert dict(response.context["connection"])["password"] == "stored, not shown"
    assert b"canary-database-password" not in response.content


def test_what_was_collected_is_that_of_its_own_database_with_gaps_and_flips(
    cast: Cast, own: Rows, foreign: Rows, visit: Visit
) -> None:
    StatusChange.objects.all().delete()
    flip(cast, "STARTING", 3)
    flip(cast, "ONLINE", 2)
    chart = page(cast, visit).context["collected"]
    assert sum(chart.series[0].values) == 4
    assert [gap.text for gap in chart.gaps] == ["shop-mysql: rows of the slow log were gone before they were read (7)"]
    assert "ONLINE: heartbeat" in [mark.text for mark in chart.marks]
