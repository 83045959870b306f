"""Home: what each role sees of the fleet, of what is wrong, and of what costs most."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from collectors.admin.pages import home
from collectors.domain.roles import Role
from collectors.domain.sources import Engine
from collectors.models import Bucket, ControlPlane, Heartbeat, MonitoredDatabase, Organization, Team
from tests.admin.conftest import Rows, Visit, rows_of
from tests.cast import Cast, person, register

HOME = "admin:index"


@pytest.mark.parametrize(
    ("who", "collectors", "databases"),
    [("root", 3, 3), ("alice", 2, 2), ("bob", 1, 1), ("dave", 1, 1), ("mallory", 1, 1), ("carol", 0, 1)],
)
def test_everybody_sees_the_numbers_of_what_is_theirs(
    who: str, collectors: int, databases: int, cast: Cast, own: Rows, foreign: Rows, visit: Visit
) -> None:
    context = visit(getattr(cast, who)).get(reverse(HOME)).context
    assert (context["collector_count"], context["database_count"]) == (collectors, databases)


def test_what_is_foreign_is_neither_named_nor_added_up(cast: Cast, own: Rows, foreign: Rows, visit: Visit) -> None:
    Heartbeat.objects.filter(pk=cast.foreign_collector.pk).update(status="OFFLINE", last_heartbeat=timezone.now())
    for page in (HOME, "admin:fleet"):
        response = visit(cast.alice).get(reverse(page))
        assert b"foreign" not in response.content
        assert {tile.title: tile.count for tile in response.context["tiles"]}["Offline"] == "0"
    response = visit(cast.alice).get(reverse(HOME))
    assert [row.text for row in response.context["top"]] == [own.fingerprint.text]
    assert sum(response.context["load"].series[0].values) == 6_000_000_000


def test_a_statement_leads_to_its_page(cast: Cast, own: Rows, visit: Visit) -> None:
    client = visit(cast.carol)
    (row,) = client.get(reverse(HOME)).context["top"]
    assert f'href="{row.address}"' in client.get(reverse(HOME)).content.decode()
    assert client.get(row.address).context["fingerprint"] == own.fingerprint


def test_a_tile_leads_to_as_many_collectors_as_it_counts(cast: Cast, visit: Visit) -> None:
    now = timezone.now()
    ControlPlane.objects.update(accepting_since=now - timedelta(days=1))
    for pk, status, seconds in ((cast.collector.pk, "ERROR", 80), (cast.warehouse_collector.pk, "ONLINE", 5)):
        Heartbeat.objects.filter(pk=pk).update(status=status, last_heartbeat=now - timedelta(seconds=seconds))
    client = visit(cast.alice)
    context = client.get(reverse(HOME)).context
    counted = {tile.title: int(tile.count) for tile in context["tiles"]}
    assert (counted["Late"], counted["Error"], counted["Online"]) == (1, 0, 1)
    assert sum(counted.values()) == context["collector_count"] == 2
    listed = {tile.title: client.get(tile.address).context["cl"].result_count for tile in context["tiles"]}
    assert listed == counted


def test_a_user_sees_what_costs_most_and_nothing_of_collectors(cast: Cast, own: Rows, visit: Visit) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ERROR", last_error="secret trouble")
    response = visit(cast.carol).get(reverse(HOME))
    assert response.context["tiles"] == []
    assert b"secret trouble" not in response.content
    assert "gap in the numbers" in response.content.decode()
    assert response.context["top"][0].calls == "4"


def test_an_empty_console_tells_what_to_do_next(cast: Cast, visit: Visit) -> None:
    fresh = Organization.objects.create(name="Fresh Ltd")
    team = Team.objects.create(organization=fresh, name="First")
    lead = visit(person("lead@example.org", Role.TEAM_LEAD, fresh, team)).get(reverse(HOME)).content.decode()
    assert reverse("admin:collectors_collector_add") in lead
    user = visit(person("user@example.org", Role.USER, fresh, team)).get(reverse(HOME)).content.decode()
    assert "As soon as your team" in user
    assert reverse("admin:collectors_collector_add") not in user


@pytest.mark.parametrize("most", [100, 0], ids=["of few databases", "of many"])
def test_the_busiest_databases_are_apart_and_the_others_together(
    most: int, cast: Cast, own: Rows, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "_MANY_DATABASES", most)
    monkeypatch.setattr(home, "_DATABASES_APART", 1)
    for number in range(2):
        rows_of(register(cast.shop, f"quiet-{number}", Engine.MYSQL)[0], f"select {'x' * (number + 1)} from orders")
    Bucket.objects.filter(database=own.database).update(total_time_ns=9_000_000_000)
    found = visit(cast.alice).get(reverse(HOME)).context["load"].series
    sums = [(one.title, sum(value or 0 for value in one.values)) for one in found]
    assert sums == [("shop-mysql", 9_000_000_000), ("All others", 12_000_000_000)]


def test_what_runs_of_the_control_plane_is_told(cast: Cast, visit: Visit) -> None:
    response = visit(cast.alice).get(reverse(HOME))
    assert {name: lives for name, lives, _ in response.context["parts"]}["Worker"] is False
    assert "parts of the control plane are missing" in response.content.decode()


def test_a_name_of_a_database_is_data(cast: Cast, own: Rows, visit: Visit) -> None:
    MonitoredDatabase.objects.filter(pk=own.database.pk).update(name="</script><b>x")
    content = visit(cast.alice).get(reverse(HOME)).content.decode()
    assert "</script><b>x" not in content
