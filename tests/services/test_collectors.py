"""Collectors: registered, changed, given new keys, removed."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from collectors.domain.liveness import Status
from collectors.domain.sources import Engine
from collectors.models import AuditEntry, Collector, Command, Heartbeat, MonitoredDatabase, StatusChange
from collectors.services import configs
from collectors.services.collectors import change_collector, delete_collector, register_collector, rotate_key
from collectors.services.errors import Refused
from tests.cast import SOMEBODY, Cast

pytestmark = pytest.mark.django_db


def stored(collector: Collector) -> dict[str, Any]:
    fresh = Collector.objects.get(pk=collector.pk)
    return configs.decrypt(collector_id=fresh.pk, ciphertext=fresh.config)


def test_registering_makes_a_database_a_heartbeat_row_and_a_history(cast: Cast) -> None:
    collector = cast.collector
    assert collector.database.name == "shop-mysql"
    assert (collector.database.team, collector.database.organization) == (cast.shop, cast.example)
    assert collector.heartbeat.status == Status.STARTING
    assert collector.heartbeat.organization_id == cast.example.pk
    assert [change.new_status for change in StatusChange.objects.filter(collector=collector)] == ["STARTING"]
    assert (collector.auto_collect, collector.collection_interval_minutes, collector.config_version) == (True, 5, 1)


def test_the_key_is_stored_as_a_hash_only(cast: Cast) -> None:
    assert cast.collector.verify_api_key(cast.key)
    assert not cast.collector.verify_api_key(cast.foreign_key)
    assert cast.key.startswith(f"collector_{cast.collector.pk}_")
    token = cast.key.split("_", 2)[2]
    assert token not in str(Collector.objects.filter(pk=cast.collector.pk).values().get())


def test_a_collector_may_join_a_database_of_its_team(cast: Cast) -> None:
    joined = register_collector(
        team=cast.shop, name="second", engine=Engine.MYSQL, config={}, actor=SOMEBODY, database=cast.collector.database
    )
    assert joined.collector.database_id == cast.collector.database_id
    assert MonitoredDatabase.objects.count() == 3


@pytest.mark.parametrize(("whose", "engine"), [("warehouse", Engine.POSTGRES), ("shop", Engine.POSTGRES)])
def test_a_database_of_another_team_or_type_is_refused(cast: Cast, whose: str, engine: Engine) -> None:
    database = cast.warehouse_collector.database if whose == "warehouse" else cast.collector.database
    before = Collector.objects.count()
    with pytest.raises(Refused) as refusal:
        register_collector(team=cast.shop, name="x", engine=engine, config={}, actor=SOMEBODY, database=database)
    assert list(refusal.value.errors) == ["database_id"]
    assert Collector.objects.count() == before


def test_a_changed_configuration_gets_a_version_and_keeps_the_password(cast: Cast) -> None:
    command = change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "127.0.0.1", "user": "x"})
    assert command is not None
    assert command.params == {}
    assert cast.collector.config_version == 2
    assert stored(cast.collector) == {"host": "127.0.0.1", "user": "x", "password": "canary-database-password"}


def test_a_configuration_that_leads_elsewhere_does_not_take_the_password_along(cast: Cast) -> None:
    change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "elsewhere.example.org"})
    assert stored(cast.collector) == {"host": "elsewhere.example.org"}


HELD = {"host": "db1.example.org", "password": "canary-database-password"}
VERIFIED = {"mode": "verify_identity", "ca": "/etc/ssl/ca.pem"}


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ({}, {}, True),
        ({}, {"tls": {"mode": "verify_identity"}}, True),
        ({}, {"tls": {"mode": "verify_ca"}}, False),
        ({}, {"tls": {"mode": "disable"}}, False),
        ({}, {"tls": {"ca": "/etc/ssl/other.pem"}}, False),
        ({}, {"port": 3307}, False),
        ({}, {"socket": "/run/mysqld.sock"}, False),
        ({"tls": VERIFIED}, {"tls": VERIFIED}, True),
        ({"tls": VERIFIED}, {"tls": {"mode": "verify_identity"}}, False),
        ({"tls": VERIFIED}, {"tls": {**VERIFIED, "mode": "require"}}, False),
        ({"tls": {"mode": "require"}}, {"tls": VERIFIED}, True),
        ({"tls": {"mode": "disable"}}, {"tls": None}, True),
        ({"host": "127.0.0.1"}, {"host": "127.0.0.1", "tls": {"mode": "disable"}}, True),
        ({"host": "127.0.0.1", "tls": {"mode": "require"}}, {"host": "127.0.0.1"}, False),
    ],
)
def test_a_password_goes_to_the_place_it_was_given_for_and_over_tls_that_is_no_weaker(
    before: dict[str, Any], after: dict[str, Any], kept: bool, cast: Cast
) -> None:
    for held in (HELD, {"host": "db1.example.org", "password_from": "orders"}):
        change_collector(collector=cast.collector, actor=SOMEBODY, config={**held, **before})
        change_collector(
            collector=cast.collector, actor=SOMEBODY, config={"host": "db1.example.org", "user": "x", **after}
        )
        ((name, value),) = [(name, value) for name, value in held.items() if name != "host"]
        assert stored(cast.collector).get(name) == (value if kept else None)


def test_the_name_of_a_hosts_secret_takes_the_place_of_a_password_and_back(cast: Cast) -> None:
    change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "127.0.0.1", "password_from": "orders"})
    assert stored(cast.collector) == {"host": "127.0.0.1", "password_from": "orders"}
    assert AuditEntry.objects.latest("pk").after == {
        "config": {"host": "127.0.0.1", "password_from": "orders", "password": "changed"}
    }
    change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "127.0.0.1", "password": "p"})
    assert stored(cast.collector) == {"host": "127.0.0.1", "password": "p"}


def test_a_password_and_the_name_of_one_exclude_each_other(cast: Cast) -> None:
    both = {"password": "p", "password_from": "orders"}
    with pytest.raises(Refused, match="not both"):
        change_collector(collector=cast.collector, actor=SOMEBODY, config=both)
    with pytest.raises(Refused, match="not both"):
        register_collector(team=cast.shop, name="x", engine=Engine.MYSQL, config=both, actor=SOMEBODY)


def test_no_password_reaches_the_audit(cast: Cast) -> None:
    change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "db2", "password": "canary-other"})
    entry = AuditEntry.objects.latest("pk")
    assert entry.after == {"config": {"host": "db2", "password": "changed"}}
    assert "canary" not in str(list(AuditEntry.objects.values()))


def test_a_configuration_that_no_key_opens_can_be_replaced(cast: Cast) -> None:
    Collector.objects.filter(pk=cast.collector.pk).update(config="gAAAA-of-a-lost-key")
    change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "db2", "password": "p"})
    assert stored(cast.collector) == {"host": "db2", "password": "p"}


def test_what_is_not_changed_is_not_written(cast: Cast) -> None:
    entries = AuditEntry.objects.count()
    assert change_collector(collector=cast.collector, actor=SOMEBODY, name="shop-mysql") is None
    assert AuditEntry.objects.count() == entries
    assert not Command.objects.exists()


def test_a_change_touches_nothing_that_somebody_else_changed_meanwhile(cast: Cast) -> None:
    stale = Collector.objects.get(pk=cast.collector.pk)
    change_collector(collector=cast.collector, actor=SOMEBODY, collection_interval_minutes=17)
    change_collector(collector=stale, actor=SOMEBODY, name="renamed")
    fresh = Collector.objects.get(pk=cast.collector.pk)
    assert (fresh.name, fresh.collection_interval_minutes) == ("renamed", 17)


def test_a_rotation_keeps_the_present_key_for_the_overlap(cast: Cast) -> None:
    rotated = rotate_key(collector=cast.collector, actor=SOMEBODY, overlap=timedelta(hours=2))
    collector = Collector.objects.get(pk=cast.collector.pk)
    assert rotated.api_key != cast.key
    assert collector.verify_api_key(cast.key)
    assert collector.verify_api_key(rotated.api_key)
    assert collector.previous_key_expires_at is not None
    assert abs(collector.previous_key_expires_at - timezone.now() - timedelta(hours=2)) < timedelta(seconds=5)
    assert AuditEntry.objects.latest("pk").after == {"overlap_seconds": 7200}
    assert rotated.api_key not in str(list(AuditEntry.objects.values()))


def test_removing_a_collector_keeps_the_history_of_its_database(cast: Cast) -> None:
    database = cast.collector.database_id
    delete_collector(collector=Collector.objects.get(pk=cast.collector.pk), actor=SOMEBODY)
    assert not Heartbeat.objects.filter(organization_id=cast.example.pk, collector__name="shop-mysql").exists()
    assert MonitoredDatabase.objects.filter(pk=database).exists()
    assert AuditEntry.objects.latest("pk").before == {"name": "shop-mysql", "database_id": database}
