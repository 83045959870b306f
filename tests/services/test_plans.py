"""Plans: asked for once at a time, kept while they differ, gone with what they belong to."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from collectors.domain import limits
from collectors.domain.commands import CommandType
from collectors.domain.sources import Engine
from collectors.models import AuditEntry, Command, Fingerprint, Heartbeat, Lease, Plan, Statement
from collectors.services import collectors, commands, databases, people, plan_requests, plans, storage
from collectors.services.errors import Conflict, Refused
from tests.cast import SOMEBODY, Cast
from tests.domain.test_plans import SCAN, reported
from tests.plannable import plannable

pytestmark = pytest.mark.django_db


def known_statement(cast: Cast, key: str = "16384:16400:77:t", **members: Any) -> Statement:
    """Return a statement of the warehouse's PostgreSQL."""
    fingerprint, _ = Fingerprint.objects.get_or_create(
        organization=cast.example, fingerprint_id="ABCDEF0123456789", defaults={"text": "select ?"}
    )
    return plannable(cast.warehouse_collector, fingerprint, key, **members)


def ask(statement: Statement) -> Command:
    return plan_requests.request_plan(statement=statement, actor=SOMEBODY)


def report(cast: Cast, command: Command, plan: Any, *, success: bool = True) -> Command:
    collector = cast.warehouse_collector
    return commands.report_execution(
        collector=collector,
        key_digest=collector.api_key_hash,
        command_id=command.pk,
        success=success,
        result={"plan": plan} if success else plan,
    )


def test_the_command_names_the_statement_and_holds_no_text(cast: Cast) -> None:
    command = ask(known_statement(cast))
    assert command.command == "explain"
    assert command.collector_id == cast.warehouse_collector.pk
    assert command.params == {"key": "16384:16400:77:t", "fingerprint_id": "ABCDEF0123456789"}


def test_who_asks_while_it_is_asked_gets_the_same_command(cast: Cast) -> None:
    statement = known_statement(cast)
    first = ask(statement)
    assert ask(statement) == first
    # Of the same text elsewhere there is another plan.
    assert ask(known_statement(cast, "10:6:78:t")) != first
    assert AuditEntry.objects.filter(action="command.explain").count() == 2
    report(cast, first, {"code": "timeout"}, success=False)
    assert ask(statement) != first


def test_a_command_whose_time_is_over_is_asked_for_anew_and_counts_for_nothing(cast: Cast) -> None:
    """It is open until the next sweep, and no agent will ever be given it."""
    statement = known_statement(cast)
    first = ask(statement)
    for number in range(1, limits.PLANS_ASKED):
        ask(known_statement(cast, f"10:5:{number}:t"))
    Command.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ask(statement) != first


def test_whoever_took_over_is_asked_though_the_one_before_still_is(cast: Cast) -> None:
    statement = known_statement(cast)
    first = ask(statement)
    other = collectors.register_collector(
        team=cast.warehouse,
        name="standby",
        engine=Engine.POSTGRES,
        config={},
        database=statement.database,
        actor=SOMEBODY,
    ).collector
    Heartbeat.objects.filter(pk=other.pk).update(status="ONLINE", last_heartbeat=timezone.now())
    Lease.objects.update(holder=other)
    again = ask(statement)
    assert (first.collector_id, again.collector_id) == (cast.warehouse_collector.pk, other.pk)
    assert ask(statement) == again


def test_an_agent_is_not_asked_for_many_at_once(cast: Cast) -> None:
    for number in range(limits.PLANS_ASKED + 1):
        statement = known_statement(cast, f"10:5:{number}:t")
        statement.fingerprint = Fingerprint.objects.create(
            organization=cast.example, fingerprint_id=f"{number:016X}", text=f"select {number}"
        )
        statement.save()
        if number < limits.PLANS_ASKED:
            ask(statement)
    with pytest.raises(Conflict, match="already"):
        ask(statement)


def test_what_can_have_no_plan_is_refused_in_plain_words(cast: Cast) -> None:
    with pytest.raises(Conflict, match="literals"):
        ask(known_statement(cast, source="performance_schema"))
    statement = known_statement(cast)
    Lease.objects.update(holder=None)
    with pytest.raises(Conflict, match="No agent"):
        ask(statement)
    cast.warehouse.refresh_from_db()
    people.change_team(team=cast.warehouse, plans=False, actor=SOMEBODY)
    statement = Statement.objects.get(pk=statement.pk)
    with pytest.raises(Conflict, match="switched off"):
        ask(statement)


def test_a_plan_is_kept_and_the_history_tells_only_its_size(cast: Cast) -> None:
    statement = known_statement(cast)
    command = report(cast, ask(statement), reported(SCAN))
    assert (command.state, command.result) == ("succeeded", {"nodes": 2, "omitted": 0})
    plan = Plan.objects.get()
    assert (plan.statement, plan.organization_id, plan.server_version) == (statement, cast.example.pk, "17.5")
    assert plan.nodes[1]["relation"] == "orders"
    # The same report again changes nothing.
    report(cast, command, reported({**SCAN, "type": "Index Scan"}))
    assert Plan.objects.get().nodes == plan.nodes


def test_the_same_plan_renews_its_numbers_and_the_last_few_different_ones_stay(cast: Cast) -> None:
    statement = known_statement(cast)
    report(cast, ask(statement), reported(SCAN))
    first = Plan.objects.get()
    report(cast, ask(statement), reported({**SCAN, "rows": 99}))
    again = Plan.objects.get()
    assert (again.pk, again.first_taken_at, again.nodes[1]["rows"]) == (first.pk, first.first_taken_at, 99)
    report(cast, ask(statement), reported({**SCAN, "type": "Index Scan"}))
    report(cast, ask(statement), reported(SCAN))
    back = Plan.objects.all()[0]
    assert back.pk == first.pk
    assert back.first_taken_at > first.first_taken_at
    for number in range(limits.PLANS_KEPT):
        report(cast, ask(statement), reported({**SCAN, "relation": f"orders_{number}"}))
    assert Plan.objects.count() == limits.PLANS_KEPT
    assert not Plan.objects.filter(pk=first.pk).exists()


@pytest.mark.parametrize("plan", [None, {}, reported({**SCAN, "query": "SELECT 'x'"})])
def test_a_report_without_a_plan_of_the_wires_shape_changes_nothing(cast: Cast, plan: Any) -> None:
    command = ask(known_statement(cast))
    with pytest.raises(Refused):
        report(cast, command, plan)
    command.refresh_from_db()
    assert (command.state, Plan.objects.count()) == ("pending", 0)


def test_only_explain_may_bring_a_long_result(cast: Cast) -> None:
    command = commands.request_command(collector=cast.warehouse_collector, command=CommandType.COLLECT, actor=SOMEBODY)
    with pytest.raises(Refused, match="too large"):
        report(cast, command, "x" * limits.MAX_RESULT_BYTES)


def test_plans_go_with_the_switch_the_database_and_the_time(cast: Cast) -> None:
    statement = known_statement(cast)
    asked = ask(statement)
    report(cast, asked, reported(SCAN))
    people.change_team(team=cast.warehouse, plans=False, actor=SOMEBODY)
    assert not Plan.objects.exists()
    people.change_team(team=cast.warehouse, plans=True, actor=SOMEBODY)
    late = ask(Statement.objects.get(pk=statement.pk))
    people.change_team(team=cast.warehouse, plans=False, actor=SOMEBODY)
    assert report(cast, late, reported(SCAN)).state == "succeeded"
    assert not Plan.objects.exists()

    people.change_team(team=cast.warehouse, plans=True, actor=SOMEBODY)
    report(cast, ask(Statement.objects.get(pk=statement.pk)), reported(SCAN))
    plans.forget_old()
    assert Plan.objects.exists()
    people.change_organization(organization=cast.example, history_retention_days=3, actor=SOMEBODY)
    Plan.objects.update(taken_at=timezone.now() - timedelta(days=5))
    storage.maintain()
    assert not Plan.objects.exists()

    report(cast, ask(Statement.objects.get(pk=statement.pk)), reported(SCAN))
    collectors.delete_collector(collector=cast.warehouse_collector, actor=SOMEBODY)
    databases.delete_database(database=statement.database, actor=SOMEBODY)
    assert not Plan.objects.exists()
