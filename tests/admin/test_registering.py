"""The form that registers a collector, and the one page that shows its key."""

import json
import logging
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse

from collectors.domain import keys
from collectors.models import AuditEntry, Collector, Heartbeat, MonitoredDatabase
from tests.admin.conftest import Visit
from tests.admin.test_collectors import KEY, LIST, PAGE, stored_config
from tests.cast import Cast

ADD = "admin:collectors_collector_add"


def registration(cast: Cast, **changes: Any) -> dict[str, Any]:
    """Return a filled-in form."""
    filled = {
        "team": cast.shop.pk,
        "name": "orders",
        "type": "postgres",
        "database": "",
        "collection_interval_minutes": 5,
        "db_host": "db.example.org",
        "db_port": 5433,
        "db_user": "dbpower",
        "db_password": "canary-new-password",
        "db_database": "orders",
        "tls_mode": "verify_identity",
        "tls_ca": "/etc/ssl/ca.pem",
    }
    return {**filled, **changes}


def test_registering_shows_the_key_once_with_a_ready_configuration(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    response = client.post(reverse(ADD), registration(cast))

    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    key = KEY.search(response.content.decode())
    assert key
    collector = Collector.objects.get(name="orders")
    assert keys.matches(key[0], collector.api_key_hash)
    shown = json.loads(response.context["config"])
    assert shown == {
        "collector_id": collector.pk,
        "api_key": key[0],
        "backend_url": "http://testserver",
        "db_type": "postgres",
        "db_config": {
            "host": "db.example.org",
            "port": 5433,
            "user": "dbpower",
            "database": "orders",
            "tls": {"mode": "verify_identity", "ca": "/etc/ssl/ca.pem"},
            "password": "",
        },
    }
    assert stored_config(collector)["password"] == "canary-new-password"
    for path in (reverse(PAGE, args=[collector.pk]), reverse(LIST), reverse("admin:index")):
        assert key[0].encode() not in client.get(path).content


def test_neither_key_nor_password_is_left_anywhere(cast: Cast, visit: Visit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = visit(cast.bob)
    page = client.post(reverse(ADD), registration(cast))
    first = KEY.search(page.content.decode())
    assert first
    assert b"canary-new-password" not in page.content
    collector = Collector.objects.get(name="orders")
    second = KEY.search(
        client.post(reverse("admin:collectors_collector_do", args=[collector.pk, "rotate_key"])).content.decode()
    )
    assert second
    places = [caplog.text, str(client.session.items()), str(client.cookies)]
    places += [session.session_data + str(session.get_decoded()) for session in Session.objects.all()]
    places += [str(values) for values in AuditEntry.objects.values()]
    places += [str(values) for values in Collector.objects.values()]
    for place in places:
        for secret in (first[0], second[0], "canary-new-password"):
            assert secret not in place


def test_a_second_collector_can_join_a_database(cast: Cast, visit: Visit) -> None:
    body = registration(cast, type="mysql", database=cast.collector.database_id)
    assert visit(cast.bob).post(reverse(ADD), body).status_code == 200
    assert Collector.objects.get(name="orders").database_id == cast.collector.database_id


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "\x00"},
        {"type": "oracle"},
        {"collection_interval_minutes": "0"},
        {"collection_interval_minutes": "9" * 40},
        {"db_port": "70000"},
        {"db_host": "a,b"},
        {"db_host": "user@host"},
        {"db_socket": "relative"},
        {"db_user": "a\x07b"},
        {"tls_mode": "maybe"},
        {"tls_cert": "/only/one"},
    ],
)
def test_wrong_input_is_shown_beside_its_field_and_changes_nothing(
    changes: dict[str, Any], cast: Cast, visit: Visit
) -> None:
    before = MonitoredDatabase.objects.count(), Collector.objects.count()
    response = visit(cast.bob).post(reverse(ADD), registration(cast, **changes))
    assert response.status_code == 200
    assert set(response.context["form"].errors) & {*changes, "tls_key"}
    assert b"canary-new-password" not in response.content
    assert (MonitoredDatabase.objects.count(), Collector.objects.count()) == before


def test_a_service_that_refuses_is_quoted_beside_the_field(cast: Cast, visit: Visit) -> None:
    body = registration(cast, database=cast.collector.database_id)
    response = visit(cast.bob).post(reverse(ADD), body)
    assert response.status_code == 200
    assert response.context["form"].errors["database"]


def test_nobody_registers_in_a_team_without_the_right(cast: Cast, visit: Visit) -> None:
    for team in (cast.warehouse, cast.foreign):
        response = visit(cast.bob).post(reverse(ADD), registration(cast, team=team.pk))
        assert "team" in response.context["form"].errors
    assert visit(cast.carol).post(reverse(ADD), registration(cast)).status_code == 403
    assert not Collector.objects.filter(name="orders").exists()


def test_a_collector_with_a_secret_of_its_host_gets_a_configuration_that_says_where_it_may_go(
    cast: Cast, visit: Visit
) -> None:
    response = visit(cast.bob).post(reverse(ADD), registration(cast, db_password="", db_password_from="orders"))
    shown = json.loads(response.context["config"])
    assert shown["db_secrets"] == {"orders": {"file": "", "to": [{"host": "db.example.org", "port": 5433}]}}
    assert (shown["db_config"]["password_from"], "password" in shown["db_config"]) == ("orders", False)


def test_the_team_whose_page_led_here_is_chosen_and_nobody_elses(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    page = client.get(reverse("admin:collectors_team_change", args=[cast.shop.pk])).content.decode()
    assert f'href="{reverse(ADD)}?team={cast.shop.pk}"' in page
    for team, chosen in ((cast.shop.pk, True), (cast.foreign.pk, False), ("9" * 40, False)):
        form = client.get(reverse(ADD), {"team": team}).content.decode()
        assert (f'<option value="{team}" selected' in form) is chosen
        assert str(cast.sample) not in form


def test_whoever_asked_to_collect_while_waiting_is_told_so(cast: Cast, visit: Visit) -> None:
    client, pk = visit(cast.bob), cast.collector.pk
    Heartbeat.objects.filter(pk=pk).update(last_heartbeat=cast.collector.created_at)
    waiting = reverse("admin:collectors_collector_arrival", args=[pk])
    assert "Collect now" in client.get(waiting).content.decode()
    client.post(reverse("admin:collectors_collector_do", args=[pk, "collect"]))
    page = client.get(waiting).content.decode()
    assert "Asked to collect now" in page
    assert "arrival-collect" not in page
