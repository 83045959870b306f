"""The list of collectors and one collector's page."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from collectors.domain import keys
from collectors.domain.sources import Engine
from collectors.models import AuditEntry, Collector, Command, Heartbeat, MonitoredDatabase
from collectors.services import collectors, configs, heartbeats
from tests.admin.conftest import Visit
from tests.cast import SOMEBODY, Cast, register

LIST = "admin:collectors_collector_changelist"
PAGE = "admin:collectors_collector_change"
CANARY = "canary-database-password"
KEY = re.compile(r"collector_\d+_[A-Za-z0-9_-]{43}")


def change(cast: Cast, **changes: Any) -> dict[str, Any]:
    """Return the form of the collector's page as the browser would send it."""
    filled = {
        "name": cast.collector.name,
        "collection_interval_minutes": 5,
        "db_host": "127.0.0.1",
        "db_user": "dbpower",
    }
    return {**filled, **changes}


def stored_config(collector: Collector) -> dict[str, Any]:
    """Return the configuration as the agent will get it."""
    fresh = Collector.objects.get(pk=collector.pk)
    return configs.decrypt(collector_id=fresh.pk, ciphertext=fresh.config)


# -- The list ----------------------------------------------------------------------------------------------------------


def test_the_list_tells_status_age_and_counts_in_words(cast: Cast, visit: Visit) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(
        status="ERROR",
        last_heartbeat=timezone.now() - timedelta(seconds=12),
        queries_collected=12_345,
        errors_count=6,
        source={"name": "slow_log", "readable": False},
        spool={"files": 0, "data_age_seconds": 172},
    )
    client = visit(cast.bob)
    client.post(
        reverse("admin:collectors_collector_columns"), {"column": ["status", "heartbeat", "data", "source", "queries"]}
    )
    content = client.get(reverse(LIST)).content.decode()
    assert re.search(r"ERROR\s*</span>", content)
    assert re.search(r'title="\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"[^>]*>1\d s ago<', content)
    assert re.search(r"unreadable\s*</span>", content)
    assert re.search(r"</span> fresh</span> <time[^>]*>3 min \d+ s ago<", content)
    assert "12,345" in content


def test_a_stopped_collector_that_is_heard_is_online(cast: Cast, visit: Visit) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="STOPPED", last_heartbeat=timezone.now())
    client = visit(cast.bob)
    client.post(reverse("admin:collectors_collector_columns"), {"column": ["status", "online"]})
    content = client.get(reverse(LIST)).content.decode()
    assert "STOPPED" in content
    assert "</span> yes</td>" in content


def test_a_collector_never_heard_is_not_online(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    client.post(reverse("admin:collectors_collector_columns"), {"column": ["heartbeat", "online"]})
    content = client.get(reverse(LIST)).content.decode()
    assert "</span> no</td>" in content
    assert "never" in content


def test_more_rows_cost_no_more_queries(
    cast: Cast, visit: Visit, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        register(cast.shop, f"more-{number}", Engine.MYSQL)
    client = visit(cast.alice)
    with django_assert_max_num_queries(17):
        assert b"more-19" in client.get(reverse(LIST)).content


def test_the_list_is_paged(cast: Cast, visit: Visit) -> None:
    for number in range(60):
        register(cast.shop, f"more-{number:02}", Engine.MYSQL)
    client = visit(cast.bob)
    first, second = (client.get(reverse(LIST), {"p": page}).content for page in (1, 2))
    assert (b"more-00" in first, b"more-59" in first) == (True, False)
    assert b"more-59" in second


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"heartbeat__status__exact": "STARTING"}, True),
        ({"heartbeat__status__exact": "OFFLINE"}, False),
        ({"type__exact": "mysql"}, True),
        ({"type__exact": "postgres"}, False),
        ({"q": "shop-my"}, True),
        ({"q": "nothing"}, False),
    ],
)
def test_the_list_can_be_narrowed(query: dict[str, str], found: bool, cast: Cast, visit: Visit) -> None:
    assert (b"shop-mysql" in visit(cast.alice).get(reverse(LIST), query).content) == found


def test_it_can_be_narrowed_by_team_and_organization(cast: Cast, visit: Visit) -> None:
    client = visit(cast.root)
    for field, row in (("team", cast.shop), ("organization", cast.example)):
        content = client.get(reverse(LIST), {f"{field}__id__exact": row.pk}).content
        assert b"shop-mysql" in content
        assert b"foreign-mysql" not in content


def test_a_label_of_a_row_leads_to_all_that_bear_it_whatever_is_in_it(cast: Cast, visit: Visit) -> None:
    collectors.change_collector(collector=cast.collector, region="eu+west", tags=["c++"], actor=SOMEBODY)
    client = visit(cast.alice)
    page = client.get(reverse(LIST)).content.decode()
    links = re.findall(r'class="dbpower-chip[^"]*" href="([^"]*)"', page)
    assert len(links) == 2
    for link in links:
        found = client.get(reverse(LIST) + link).context["cl"].result_list
        assert [row.pk for row in found] == [cast.collector.pk], link


# -- One collector -----------------------------------------------------------------------------------------------------


def test_the_page_shows_facts_and_findings_and_histories(cast: Cast, visit: Visit) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(
        status="ERROR",
        last_heartbeat=timezone.now(),
        version="1.2.3",
        uptime_seconds=3_700,
        last_error="cannot read <b>mysql.slow_log</b>",
        last_error_at=timezone.now(),
        source={
            "name": "slow_log",
            "readable": False,
            "detail": "no grant",
            "remedy": "GRANT SELECT ON mysql.slow_log",
        },
    )
    client = visit(cast.bob)
    client.post(reverse("admin:collectors_collector_do", args=[cast.collector.pk, "stop"]))
    content = client.get(reverse(PAGE, args=[cast.collector.pk])).content.decode()
    for words in (
        "1.2.3, up 1 h 1 min",
        "GRANT SELECT ON mysql.slow_log",
        "no grant",
        "registered",
        "stop",
        "bob@example.org",
    ):
        assert words in content
    assert "<b>mysql.slow_log</b>" not in content
    assert "&lt;b&gt;mysql.slow_log&lt;/b&gt;" in content


def test_the_page_never_holds_the_password(cast: Cast, visit: Visit) -> None:
    content = visit(cast.root).get(reverse(PAGE, args=[cast.collector.pk])).content.decode()
    assert CANARY not in content
    assert cast.collector.api_key_hash not in content
    assert 'value="127.0.0.1"' in content


def test_name_and_interval_change_without_touching_the_connection(cast: Cast, visit: Visit) -> None:
    body = change(cast, name="renamed", collection_interval_minutes=7)
    response = visit(cast.bob).post(reverse(PAGE, args=[cast.collector.pk]), body)
    assert response.status_code == 302
    collector = Collector.objects.get(pk=cast.collector.pk)
    assert (collector.name, collector.collection_interval_minutes, collector.config_version) == ("renamed", 7, 1)
    assert Command.objects.count() == 0


def test_a_changed_connection_keeps_the_password_and_tells_the_agent(cast: Cast, visit: Visit) -> None:
    visit(cast.bob).post(reverse(PAGE, args=[cast.collector.pk]), change(cast, db_user="other", tls_mode="require"))
    assert stored_config(cast.collector) == {
        "host": "127.0.0.1",
        "user": "other",
        "password": CANARY,
        "tls": {"mode": "require"},
    }
    assert Command.objects.get().command == "update_config"


def test_an_old_page_brings_no_old_connection_back(cast: Cast, visit: Visit) -> None:
    client, address = visit(cast.bob), reverse(PAGE, args=[cast.collector.pk])
    (seen,) = re.findall(r'name="config_seen" value="(\d+)"', client.get(address).content.decode())
    client.post(address, change(cast, db_host="10.0.0.2", db_password="another", config_seen=seen))
    assert stored_config(cast.collector)["host"] == "10.0.0.2"
    late = change(cast, name="renamed", config_seen=seen)
    for _ in range(2):
        answer = client.post(address, late)
        assert "changed by somebody else" in answer.content.decode()
        # Sent again as it is shown, it is no newer.
        assert f'name="config_seen" value="{seen}"' in answer.content.decode()
    assert stored_config(cast.collector)["host"] == "10.0.0.2"
    assert not Collector.objects.filter(name="renamed").exists()


def test_a_typed_password_replaces_the_stored_one(cast: Cast, visit: Visit) -> None:
    visit(cast.bob).post(reverse(PAGE, args=[cast.collector.pk]), change(cast, db_password="another"))
    assert stored_config(cast.collector)["password"] == "another"
    assert "another" not in str(list(AuditEntry.objects.values()))


def test_a_secret_of_the_agents_host_is_named_kept_and_replaced(cast: Cast, visit: Visit) -> None:
    client, page = visit(cast.bob), reverse(PAGE, args=[cast.collector.pk])
    assert client.post(page, change(cast, db_password_from="orders")).status_code == 302
    assert stored_config(cast.collector) == {"host": "127.0.0.1", "user": "dbpower", "password_from": "orders"}
    assert b'value="orders"' in client.get(page).content
    both = client.post(page, change(cast, db_password_from="orders", db_password="p"))
    assert b"not both" in both.content
    nothing = client.post(page, change(cast))
    assert b"takes the secret&#x27;s place" in nothing.content
    assert client.post(page, change(cast, db_password_from="../x")).status_code == 200
    assert stored_config(cast.collector)["password_from"] == "orders"
    assert client.post(page, change(cast, db_password="p")).status_code == 302
    assert stored_config(cast.collector) == {"host": "127.0.0.1", "user": "dbpower", "password": "p"}


@pytest.mark.parametrize(
    "field",
    ["team", "organization", "status", "api_key_hash", "config", "auto_collect", "config_version", "id", "database"],
)
def test_what_is_not_in_the_form_cannot_be_set(field: str, cast: Cast, visit: Visit) -> None:
    before = Collector.objects.filter(pk=cast.collector.pk).values().get()
    visit(cast.bob).post(reverse(PAGE, args=[cast.collector.pk]), change(cast, **{field: cast.foreign.pk}))
    assert Collector.objects.filter(pk=cast.collector.pk).values().get() == before


def test_where_keys_were_used_and_where_two_agents_with_one_key_are_is_told(cast: Cast, visit: Visit) -> None:
    heartbeats.authenticate(collector_id=cast.collector.pk, key_digest=keys.digest_of(cast.key), address="192.0.2.9")
    new = collectors.rotate_key(collector=cast.collector, actor=SOMEBODY).api_key
    heartbeats.authenticate(collector_id=cast.collector.pk, key_digest=keys.digest_of(new), address="192.0.2.10")
    Heartbeat.objects.filter(pk=cast.collector.pk).update(
        duplicate_seen_at=timezone.now(), address="192.0.2.20", duplicate_address="192.0.2.21"
    )
    response = visit(cast.bob).get(reverse(PAGE, args=[cast.collector.pk]))
    facts = dict(response.context["facts"])
    assert "192.0.2.10" in str(facts["Key last used"])
    assert "192.0.2.9" in str(facts["Previous key"])
    for address in (b"from 192.0.2.20", b"from 192.0.2.21"):
        assert address in response.content


def test_an_unreadable_connection_is_said_and_can_be_entered_anew(cast: Cast, visit: Visit) -> None:
    Collector.objects.filter(pk=cast.collector.pk).update(config="not a ciphertext")
    client = visit(cast.bob)
    assert b"The stored connection cannot be read" in client.get(reverse(PAGE, args=[cast.collector.pk])).content
    body = change(cast, db_host="10.0.0.9", db_password="another")
    assert client.post(reverse(PAGE, args=[cast.collector.pk]), body).status_code == 302
    assert stored_config(cast.collector) == {"host": "10.0.0.9", "user": "dbpower", "password": "another"}


def test_removing_asks_first_and_keeps_the_history_of_the_database(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    path = reverse("admin:collectors_collector_delete", args=[cast.collector.pk])
    assert b"cannot be undone" in client.get(path).content
    assert Collector.objects.filter(pk=cast.collector.pk).exists()
    assert client.post(path, {"post": "yes"}).status_code == 302
    assert not Collector.objects.filter(pk=cast.collector.pk).exists()
    assert MonitoredDatabase.objects.filter(pk=cast.collector.database_id).exists()


def test_rotating_many_keys_shows_each_once(cast: Cast, visit: Visit) -> None:
    response = visit(cast.alice).post(
        reverse(LIST),
        {"action": "rotate_key", "_selected_action": [cast.collector.pk, cast.warehouse_collector.pk], "index": 0},
    )
    shown = set(KEY.findall(response.content.decode()))
    assert "no-store" in response.headers["Cache-Control"]
    for row in (cast.collector, cast.warehouse_collector):
        fresh = Collector.objects.get(pk=row.pk)
        assert any(keys.matches(key, fresh.api_key_hash) for key in shown)
    assert Collector.objects.get(pk=cast.collector.pk).verify_api_key(cast.key)


def test_a_stranger_meets_the_sign_in_page(db: None) -> None:
    assert Client().get(reverse(LIST)).headers["Location"].startswith("/admin/login/")
