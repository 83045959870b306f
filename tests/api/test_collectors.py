"""Collectors as people see them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from collectors.models import Collector, ControlPlane, Heartbeat
from collectors.services import labels
from collectors.services.collectors import delete_collector
from dbpower_agent.database_config import TEXT_MEMBERS
from tests.api.callers import Caller, content_of, signed_in, with_key
from tests.cast import SOMEBODY, Cast

pytestmark = pytest.mark.django_db


def test_registering_shows_the_key_this_once(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    config = {"host": "db1", "port": 3306, "user": "dbpower", "password": "canary-p", "database": "shop"}
    body = {"name": "new", "type": "mysql", "team_id": cast.shop.pk, "config": config}
    answer = bob.post("collectors/register", body)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    made = content_of(answer)
    assert made["api_key"].startswith(f"collector_{made['id']}_")
    assert made["config"] == {name: value for name, value in config.items() if name != "password"}
    assert (made["status"], made["is_online"], made["team_id"], made["type"]) == (
        "STARTING",
        False,
        cast.shop.pk,
        "mysql",
    )
    assert with_key(made["api_key"]).post(f"collectors/{made['id']}/heartbeat", {}).status_code == 200
    again = bob.get(f"collectors/{made['id']}")
    assert made["api_key"] not in again.content.decode()
    assert "api_key" not in content_of(again)


def test_a_configuration_may_be_left_out_and_every_member_of_it(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    configs: list[dict[str, object]] = [{}, {"host": ""}, {"socket": "/run/mysqld.sock"}, {"tls": {}}]
    for config in configs:
        body = {"name": "x", "type": "mysql", "team_id": cast.shop.pk, "config": config}
        assert content_of(bob.post("collectors/register", body))["config"] == config
    assert (
        bob.post("collectors/register", {"name": "x", "type": "mysql", "team_id": str(cast.shop.pk)}).status_code == 201
    )


def test_details_have_what_the_agent_reported(cast: Cast) -> None:
    details = content_of(signed_in(cast.bob).get(f"collectors/{cast.collector.pk}"))
    assert {
        "queries_collected", "errors_count", "uptime_seconds", "last_error", "last_heartbeat", "last_collection",
        "is_online", "status", "auto_collect", "collection_interval_minutes", "config", "config_version",
    } <= set(details)  # fmt: skip
    assert (details["last_heartbeat"], details["last_collection"], details["is_online"]) == (None, None, False)
    assert datetime.fromisoformat(details["created_at"]).tzinfo is not None


@pytest.mark.parametrize(
    ("status", "heard", "accepting", "online"),
    [
        ("STOPPED", 100, 3600, True),
        ("STOPPED", 130, 3600, False),
        ("ONLINE", 130, 3600, False),
        ("ONLINE", 130, 60, True),
        ("STOPPED", 130, 60, False),
    ],
)
def test_is_online_tells_the_truth_whatever_the_status(
    cast: Cast, status: str, heard: int, accepting: int, online: bool
) -> None:
    Heartbeat.objects.update(status=status, last_heartbeat=Now() - timedelta(seconds=heard))
    ControlPlane.objects.update(accepting_since=Now() - timedelta(seconds=accepting))
    bob = signed_in(cast.bob)
    assert content_of(bob.get(f"collectors/{cast.collector.pk}"))["is_online"] is online
    assert content_of(bob.get("collectors"))["collectors"][0]["is_online"] is online


def test_a_list_has_no_connections_and_needs_the_same_statements_for_many(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            answer = content_of(bob.get("collectors"))
        counts.append(len(queries))
        assert all("config" not in row for row in answer["collectors"])
        for number in range(5):
            bob.post("collectors/register", {"name": f"n{number}", "type": "mysql", "team_id": cast.shop.pk})
    assert answer["count"] == 6
    assert counts[0] == counts[1]


def test_a_changed_name_makes_no_command(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    changed = content_of(
        bob.patch(f"collectors/{cast.collector.pk}", {"name": "renamed", "collection_interval_minutes": 7})
    )
    assert (changed["name"], changed["collection_interval_minutes"], changed["config_version"]) == ("renamed", 7, 1)
    assert content_of(bob.get(f"collectors/{cast.collector.pk}/commands"))["count"] == 0


def test_a_connection_that_no_key_opens_is_shown_as_unknown_and_can_be_replaced(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    Collector.objects.filter(pk=cast.collector.pk).update(config="broken")
    details = bob.get(f"collectors/{cast.collector.pk}")
    assert (details.status_code, content_of(details)["config"]) == (200, None)
    answer = bob.patch(f"collectors/{cast.collector.pk}", {"config": {"host": "db2", "password": "p"}})
    assert content_of(answer)["config"] == {"host": "db2"}


def test_a_secret_of_the_agents_host_is_named_and_shown_by_its_name(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    config = {"host": "db2", "password_from": "orders"}
    answer = bob.patch(f"collectors/{cast.collector.pk}", {"config": config})
    assert (answer.status_code, content_of(answer)["config"]) == (200, config)
    body = {"name": "new", "type": "mysql", "team_id": cast.shop.pk, "config": config}
    assert content_of(bob.post("collectors/register", body))["config"] == config


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "a/b", "a" * 33, "á", "a\n", "$(id)", [], {}])
def test_a_name_that_is_none_is_refused(name: object, cast: Cast) -> None:
    answer = signed_in(cast.bob).patch(f"collectors/{cast.collector.pk}", {"config": {"password_from": name}})
    assert answer.status_code == 400, answer.content


def test_a_password_is_one_and_no_longer_than_agents_take(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    path = f"collectors/{cast.collector.pk}"
    both = bob.patch(path, {"config": {"password": "p", "password_from": "orders"}})
    assert (both.status_code, list(content_of(both)["errors"])) == (400, ["config"])
    longest = TEXT_MEMBERS["password"]
    assert bob.patch(path, {"config": {"password": "x" * longest}}).status_code == 200
    assert bob.patch(path, {"config": {"password": "x" * (longest + 1)}}).status_code == 400


@pytest.mark.parametrize("verb", ["start", "stop", "collect"])
def test_a_command_is_accepted_with_and_without_a_body(cast: Cast, verb: str) -> None:
    bob = signed_in(cast.bob)
    for body in (None, {}, {"anything": 1}):
        answer = bob.post(f"collectors/{cast.collector.pk}/{verb}", body)
        assert answer.status_code == 202
        command = content_of(answer)
        assert (command["command"], command["state"], command["requested_by_id"]) == (verb, "pending", cast.bob.pk)
        lives = datetime.fromisoformat(command["expires_at"]) - timezone.now()
        assert timedelta(seconds=290) < lives <= timedelta(seconds=300)
    answer = bob.post(f"collectors/{cast.collector.pk}/{verb}", content_type="")
    assert answer.status_code == 202


def test_a_pending_command_can_be_cancelled(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    number = content_of(bob.post(f"collectors/{cast.collector.pk}/collect"))["id"]
    answer = bob.post(f"collectors/{cast.collector.pk}/commands/{number}/cancel")
    assert (answer.status_code, content_of(answer)["state"]) == (200, "cancelled")
    assert content_of(with_key(cast.key).post(f"collectors/{cast.collector.pk}/heartbeat", {}))["commands"] == []


def test_a_database_outlives_its_collectors(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    database = f"databases/{cast.collector.database_id}"
    assert content_of(bob.delete(database))["code"] == "not_empty"
    bob.delete(f"collectors/{cast.collector.pk}")
    assert bob.get(database).status_code == 200
    assert bob.delete(database).status_code == 204
    assert bob.get(database).status_code == 404


def test_two_teams_of_one_name_are_a_conflict(cast: Cast) -> None:
    alice = signed_in(cast.alice)
    answer = alice.post("teams", {"name": "Shop", "organization_id": cast.example.pk})
    assert (answer.status_code, content_of(answer)["code"]) == (409, "exists")
    assert alice.patch(f"teams/{cast.warehouse.pk}", {"name": "Shop"}).status_code == 409


def test_labels_are_registered_changed_shown_and_filtered(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    body = {"name": "new", "type": "mysql", "team_id": cast.shop.pk, "region": "EU-1", "tags": ["Prod", "a", "prod"]}
    made = content_of(bob.post("collectors/register", body))
    assert (made["region"], made["tags"]) == ("eu-1", ["a", "prod"])
    changed = content_of(bob.patch(f"collectors/{cast.collector.pk}", {"region": "us-1", "tags": ["prod"]}))
    assert (changed["region"], changed["tags"]) == ("us-1", ["prod"])
    for query, expected in (
        ("tag=prod", {made["id"], cast.collector.pk}),
        ("tag=a", {made["id"]}),
        ("tag=none", set()),
        ("region=us-1", {cast.collector.pk}),
        ("tag=prod&region=eu-1", {made["id"]}),
    ):
        found = content_of(bob.get(f"collectors?{query}"))
        assert ({row["id"] for row in found["collectors"]}, found["count"]) == (expected, len(expected)), query
    assert content_of(bob.patch(f"collectors/{cast.collector.pk}", {"name": "x"}))["tags"] == ["prod"]
    emptied = content_of(bob.patch(f"collectors/{cast.collector.pk}", {"region": "", "tags": []}))
    assert (emptied["region"], emptied["tags"]) == ("", [])


def test_a_token_gives_its_labels_to_the_hosts_that_enrol_with_it(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    body = {"name": "rack 7", "team_id": cast.shop.pk, "type": "mysql", "max_uses": 1}
    made = content_of(bob.post("enrolment-tokens", {**body, "region": "EU-1", "tags": ["Prod", "billing"]}))
    assert (made["region"], made["tags"]) == ("eu-1", ["billing", "prod"])
    host = {"token": made["token"], "request_id": "0" * 32, "name": "db7"}
    enrolled = content_of(Caller().post("enrolments", host))["collector_id"]
    found = content_of(bob.get("collectors?tag=billing&region=eu-1"))["collectors"]
    assert [row["id"] for row in found] == [enrolled]
    assert content_of(bob.post("enrolment-tokens", body))["tags"] == []
    refused = bob.post("enrolment-tokens", {**body, "tags": ["two words"]})
    assert (refused.status_code, set(content_of(refused)["errors"])) == (400, {"tags"})


def test_another_tenants_labels_are_found_by_nobody_else(cast: Cast) -> None:
    signed_in(cast.mallory).patch(f"collectors/{cast.foreign_collector.pk}", {"region": "secret", "tags": ["secret"]})
    for query in ("tag=secret", "region=secret"):
        assert content_of(signed_in(cast.alice).get(f"collectors?{query}"))["count"] == 0


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("tags", "prod"),
        ("tags", ["two words"]),
        ("tags", [1, {}]),
        ("tags", [f"t{number}" for number in range(21)]),
        ("tags", None),
        ("region", "two words"),
        ("region", "x" * 41),
        ("region", ["eu"]),
    ],
)
def test_what_is_no_label_is_refused(cast: Cast, member: str, value: object) -> None:
    answer = signed_in(cast.bob).patch(f"collectors/{cast.collector.pk}", {member: value})
    assert answer.status_code == 400
    assert {name.split(".")[0] for name in content_of(answer)["errors"]} == {member}


def test_a_collector_that_goes_while_it_is_changed_is_absent(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    written = labels.written

    def gone(**given: Any) -> Any:
        delete_collector(collector=cast.collector, actor=SOMEBODY)
        return written(**given)

    monkeypatch.setattr(labels, "written", gone)
    answer = signed_in(cast.alice).patch(f"collectors/{cast.collector.pk}", {"name": "late"})
    assert (answer.status_code, content_of(answer)["code"]) == (404, "not_found")
