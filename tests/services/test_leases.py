"""Leases: of several collectors on one database one collects, and another takes over when it no longer can."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now

from collectors.domain.commands import CommandType
from collectors.domain.heartbeats import Report
from collectors.domain.keys import digest_of
from collectors.domain.leases import HaRole
from collectors.domain.sources import Engine
from collectors.models import Collector, ControlPlane, Heartbeat, Lease
from collectors.services import heartbeats
from collectors.services.collectors import delete_collector, register_collector
from collectors.services.commands import request_command
from tests.cast import SOMEBODY, Cast
from tests.services.uploading import calls, send, snapshot, statement
from tests.threads import at_once

pytestmark = pytest.mark.django_db

READABLE = {"name": "pg_stat_statements", "readable": True}
UNREADABLE = {"name": "pg_stat_statements", "readable": False, "code": "cannot_connect"}


@dataclass
class Node:
    """A collector with its agent."""

    collector: Collector
    key: str
    instance: str

    def beat(self, **members: Any) -> heartbeats.Answer:
        report = Report(
            instance=self.instance, queries_collected=0, errors_count=0, auto_collect=True, source=dict(READABLE)
        )
        return heartbeats.record(
            collector_id=self.collector.pk, key_digest=digest_of(self.key), report=replace(report, **members)
        )

    @property
    def role(self) -> HaRole | None:
        return Collector.objects.get(pk=self.collector.pk).ha_role

    def heard(self, seconds_ago: float) -> None:
        Heartbeat.objects.filter(pk=self.collector.pk).update(last_heartbeat=Now() - timedelta(seconds=seconds_ago))


@pytest.fixture
def pair(cast: Cast) -> tuple[Node, Node]:
    """Two collectors on one database; the control plane has been there for long."""
    ControlPlane.objects.update(accepting_since=Now() - timedelta(days=1))
    first = Node(cast.warehouse_collector, cast.warehouse_key, "a" * 32)
    joined = register_collector(
        team=cast.warehouse, name="warehouse-2", engine=Engine.POSTGRES, database=cast.warehouse_collector.database,
        config={}, actor=SOMEBODY,
    )  # fmt: skip
    return first, Node(joined.collector, joined.api_key, "b" * 32)


def test_the_first_one_heard_collects_and_the_other_stands_by(pair: tuple[Node, Node]) -> None:
    first, second = pair
    assert (first.role, second.role) == (None, None)
    assert first.beat().holds_lease
    assert not second.beat().holds_lease
    assert first.beat().holds_lease
    assert (first.role, second.role) == (HaRole.ACTIVE, HaRole.STANDBY)


def test_a_standby_asks_more_often_than_the_one_that_collects(pair: tuple[Node, Node]) -> None:
    first, second = pair
    assert heartbeats.next_heartbeat_seconds(first.beat()) == 30
    standby = heartbeats.next_heartbeat_seconds(second.beat())
    # Taken over within 90 s of the last heartbeat of the one that died, jitter included.
    assert settings.DBPOWER_LEASE_SECONDS + 1.1 * standby < 90


def test_the_holder_renews_its_lease_in_one_statement(pair: tuple[Node, Node], django_assert_num_queries: Any) -> None:
    first, second = pair
    first.beat()
    second.beat()
    with django_assert_num_queries(1):
        assert first.beat().holds_lease


def test_a_silent_holder_loses_the_lease_and_does_not_get_it_back(pair: tuple[Node, Node]) -> None:
    first, second = pair
    old = first.beat().epoch
    second.beat()
    first.heard(74)
    assert not second.beat().holds_lease
    first.heard(76)
    taken = second.beat()
    assert taken.holds_lease
    assert taken.epoch > old
    back = first.beat()
    assert not back.holds_lease
    assert second.beat().holds_lease
    assert (first.role, second.role) == (HaRole.STANDBY, HaRole.ACTIVE)


def test_a_holder_that_ends_hands_over_at_once(pair: tuple[Node, Node]) -> None:
    first, second = pair
    first.beat()
    second.beat()
    first.beat(stopping=True)
    assert second.beat().holds_lease


def test_a_holder_that_is_stopped_hands_over(pair: tuple[Node, Node]) -> None:
    first, second = pair
    first.beat()
    second.beat()
    request_command(collector=first.collector, command=CommandType.STOP, actor=SOMEBODY)
    assert second.beat().holds_lease
    assert not first.beat(auto_collect=False).holds_lease


def test_a_stopped_standby_takes_nothing_over(pair: tuple[Node, Node]) -> None:
    first, second = pair
    first.beat()
    second.beat()
    request_command(collector=second.collector, command=CommandType.STOP, actor=SOMEBODY)
    first.heard(500)
    assert not second.beat().holds_lease


def test_a_stopped_collector_that_is_alone_keeps_its_lease_and_can_be_asked_to_collect(cast: Cast) -> None:
    only = Node(cast.collector, cast.key, "a" * 32)
    only.beat()
    request_command(collector=only.collector, command=CommandType.STOP, actor=SOMEBODY)
    assert only.beat(auto_collect=False).holds_lease


def test_a_holder_that_cannot_read_hands_over_to_one_that_can_and_only_to_such(pair: tuple[Node, Node]) -> None:
    first, second = pair
    first.beat()
    second.beat()
    assert first.beat(source=UNREADABLE).holds_lease, "nobody has taken it"
    assert not second.beat(source=UNREADABLE).holds_lease
    assert not second.beat(source=None).holds_lease, "it has not looked yet"
    assert second.beat().holds_lease
    assert not first.beat().holds_lease


def test_after_an_outage_of_ours_the_holder_has_a_whole_deadline_to_be_heard(pair: tuple[Node, Node]) -> None:
    first, second = pair
    first.beat()
    second.beat()
    first.heard(3600)
    ControlPlane.objects.update(accepting_since=Now() - timedelta(seconds=60))
    assert not second.beat().holds_lease
    ControlPlane.objects.update(accepting_since=Now() - timedelta(seconds=80))
    assert second.beat().holds_lease


def test_the_lease_of_a_removed_collector_is_free(pair: tuple[Node, Node]) -> None:
    first, second = pair
    first.beat()
    second.beat()
    delete_collector(collector=first.collector, actor=SOMEBODY)
    assert second.beat().holds_lease


@pytest.mark.django_db(transaction=True)
def test_of_many_that_ask_at_once_one_gets_it(cast: Cast) -> None:
    ControlPlane.objects.update(accepting_since=Now() - timedelta(days=1))
    database = cast.warehouse_collector.database
    dead = Node(cast.warehouse_collector, cast.warehouse_key, "0" * 32)
    dead.beat()
    nodes = []
    for number in range(1, 6):
        joined = register_collector(
            team=cast.warehouse, name=f"warehouse-{number}", engine=Engine.POSTGRES, database=database, config={},
            actor=SOMEBODY,
        )  # fmt: skip
        nodes.append(Node(joined.collector, joined.api_key, f"{number}" * 32))
        nodes[-1].beat()
    dead.heard(500)
    answers = at_once(*(node.beat for node in nodes))
    held = [answer for answer in answers if isinstance(answer, heartbeats.Answer) and answer.holds_lease]
    assert len(held) == 1, answers
    assert Lease.objects.get(database=database).epoch == held[0].epoch


def test_what_the_old_holder_read_is_stale_once_another_collects_even_before_that_one_sends(
    pair: tuple[Node, Node],
) -> None:
    first, second = pair
    old = first.beat().epoch
    second.beat()
    send(first.collector, snapshot(1, statement("1", 10), epoch=old))
    send(first.collector, snapshot(2, statement("1", 15), epoch=old))
    first.heard(500)
    new = second.beat().epoch
    # Read while the other one already had the lease, and sent before its first snapshot, which was read earlier.
    assert send(first.collector, snapshot(3, statement("1", 30), epoch=old)).stale
    send(second.collector, snapshot(1, statement("1", 25), epoch=new))
    assert calls(second.collector) == {"1": 15}
    send(second.collector, snapshot(2, statement("1", 31), epoch=new))
    assert calls(second.collector) == {"1": 21}


class TestTwoAgentsWithOneKey:
    """The one that started last collects; the other one is told to wait, and it is shown."""

    @pytest.fixture
    def agents(self, cast: Cast) -> tuple[Node, Node]:
        ControlPlane.objects.update(accepting_since=Now() - timedelta(days=1))
        return Node(cast.collector, cast.key, "a" * 32), Node(cast.collector, cast.key, "b" * 32)

    def noticed(self, agents: tuple[Node, Node]) -> bool:
        return Heartbeat.objects.get(pk=agents[0].collector.pk).duplicate_seen_at is not None

    def addresses(self, agents: tuple[Node, Node]) -> tuple[str, str]:
        """Return where the one that collects is, and where the one that waits."""
        row = Heartbeat.objects.get(pk=agents[0].collector.pk)
        return row.address, row.duplicate_address

    def began(self, agents: tuple[Node, Node], seconds_ago: float) -> None:
        row = Heartbeat.objects.filter(pk=agents[0].collector.pk)
        row.update(instance_since=Now() - timedelta(seconds=seconds_ago))

    def test_the_older_one_waits_and_gets_no_commands(self, agents: tuple[Node, Node]) -> None:
        older, newer = agents
        older.beat()
        assert newer.beat().holds_lease
        request_command(collector=newer.collector, command=CommandType.COLLECT, actor=SOMEBODY)
        answer = older.beat()
        assert not answer.holds_lease
        assert answer.commands == []
        assert len(newer.beat().commands) == 1

    def test_a_heartbeat_that_was_under_way_during_a_restart_is_no_second_agent(
        self, agents: tuple[Node, Node]
    ) -> None:
        older, newer = agents
        older.beat()
        newer.beat()
        older.beat()
        assert not self.noticed(agents)

    def test_one_that_goes_on_is(self, agents: tuple[Node, Node]) -> None:
        older, newer = agents
        older.beat()
        newer.beat()
        self.began(agents, 61)
        newer.beat(address="192.0.2.2")
        older.beat(address="192.0.2.1")
        assert self.noticed(agents)
        assert self.addresses(agents) == ("192.0.2.2", "192.0.2.1")

    def test_one_that_has_run_since_before_the_other_was_heard_is(self, agents: tuple[Node, Node]) -> None:
        one, other = agents
        one.beat(uptime_seconds=500, address="192.0.2.1")
        one.heard(10)
        other.beat(uptime_seconds=300, address="192.0.2.2")
        assert self.noticed(agents)
        assert self.addresses(agents) == ("192.0.2.2", "192.0.2.1")

    def test_an_agent_that_was_away_and_is_back_is_not(self, agents: tuple[Node, Node]) -> None:
        one, other = agents
        one.beat(uptime_seconds=500)
        one.heard(400)
        other.beat(uptime_seconds=300)
        assert not self.noticed(agents)

    def test_what_the_older_one_read_is_stale(self, agents: tuple[Node, Node]) -> None:
        older, newer = agents
        epoch = older.beat().epoch
        newer.beat()
        body = snapshot(1, statement("1", 10), epoch=epoch, source="performance_schema")
        assert send(older.collector, body).stale

    @pytest.mark.parametrize("took_leave", [True, False])
    def test_what_waited_on_the_disk_of_a_restarted_agent_is_not(
        self,
        agents: tuple[Node, Node],
        took_leave: bool,
    ) -> None:
        before, after = agents
        epoch = before.beat().epoch
        if took_leave:
            before.beat(stopping=True)
        else:
            before.heard(3600)
        after.beat()
        body = snapshot(1, statement("1", 10), epoch=epoch, source="performance_schema")
        assert send(before.collector, body).accepted == 1

    def test_the_older_one_collects_again_when_the_newer_one_is_gone(self, agents: tuple[Node, Node]) -> None:
        older, newer = agents
        older.beat(queries_collected=40)
        newer.beat(queries_collected=2)
        newer.heard(76)
        assert older.beat(queries_collected=45).holds_lease
        assert Heartbeat.objects.get(pk=older.collector.pk).queries_collected == 42
        older.beat(queries_collected=50)
        assert Heartbeat.objects.get(pk=older.collector.pk).queries_collected == 47
