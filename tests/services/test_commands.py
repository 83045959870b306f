"""Commands end once, whoever ends them first; the newest `start` or `stop` says what is wanted."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from collectors.domain.commands import CommandState, CommandType
from collectors.domain.heartbeats import Report
from collectors.domain.liveness import Status
from collectors.models import AuditEntry, Collector, Command, Heartbeat, StatusChange
from collectors.services import commands, heartbeats
from collectors.services.collectors import change_collector, delete_collector
from collectors.services.errors import Conflict
from tests.cast import SOMEBODY, Cast
from tests.threads import at_once

pytestmark = pytest.mark.django_db

START, STOP, COLLECT = CommandType.START, CommandType.STOP, CommandType.COLLECT


def ask(cast: Cast, command: CommandType) -> Command:
    return commands.request_command(collector=cast.collector, command=command, actor=SOMEBODY)


def report(cast: Cast, command: Command, *, success: bool = True, result: Any = None) -> Command:
    return commands.report_execution(
        collector=cast.collector,
        key_digest=cast.collector.api_key_hash,
        command_id=command.pk,
        success=success,
        result=result,
    )


def state(command: Command) -> str:
    return Command.objects.get(pk=command.pk).state


def status(cast: Cast) -> str:
    return Heartbeat.objects.get(pk=cast.collector.pk).status


def wanted(cast: Cast) -> bool:
    return Collector.objects.get(pk=cast.collector.pk).auto_collect


def overdue(command: Command) -> None:
    Command.objects.filter(pk=command.pk).update(expires_at=Now() - timedelta(seconds=1))


def test_a_command_lives_five_minutes(cast: Cast) -> None:
    command = ask(cast, COLLECT)
    assert command.state == CommandState.PENDING
    assert abs(command.expires_at - command.created_at - timedelta(seconds=300)) < timedelta(seconds=1)
    assert not command.executed


def test_a_command_is_in_the_audit(cast: Cast) -> None:
    command = ask(cast, COLLECT)
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.object_id, entry.after) == (
        "command.collect",
        cast.collector.pk,
        {"command_id": command.pk},
    )
    assert entry.organization_id == cast.example.pk


def test_a_stop_is_wanted_at_once_and_shown_when_it_was_carried_out(cast: Cast) -> None:
    Heartbeat.objects.update(status=Status.ONLINE)
    command = ask(cast, STOP)
    assert (wanted(cast), status(cast)) == (False, Status.ONLINE)
    report(cast, command)
    assert (state(command), status(cast)) == (CommandState.SUCCEEDED, Status.STOPPED)
    change = StatusChange.objects.latest("pk")
    assert (change.old_status, change.new_status) == ("ONLINE", "STOPPED")


def test_an_accepted_start_is_starting_until_it_was_carried_out(cast: Cast) -> None:
    Collector.objects.update(auto_collect=False)
    long_ago = Now() - timedelta(days=1)
    Heartbeat.objects.update(status=Status.STOPPED, starting_since=long_ago)
    command = ask(cast, START)
    assert (wanted(cast), status(cast)) == (True, Status.STARTING)
    heartbeat = Heartbeat.objects.get(pk=cast.collector.pk)
    assert abs(heartbeat.starting_since - command.created_at) < timedelta(seconds=5)
    report(cast, command)
    assert status(cast) == Status.ONLINE


def test_a_stop_that_failed_changes_no_status(cast: Cast) -> None:
    Heartbeat.objects.update(status=Status.ONLINE)
    command = report(cast, ask(cast, STOP), success=False, result={"error": "x"})
    assert (command.state, command.result, command.executed) == (CommandState.FAILED, {"error": "x"}, True)
    assert status(cast) == Status.ONLINE


def test_the_same_report_twice_changes_nothing(cast: Cast) -> None:
    command = ask(cast, COLLECT)
    first = report(cast, command, result={"rows": 1})
    second = report(cast, command, result={"rows": 2})
    assert second.result == {"rows": 1}
    assert second.ended_at == first.ended_at


def test_another_outcome_is_a_conflict_that_says_how_it_ended(cast: Cast) -> None:
    command = ask(cast, COLLECT)
    report(cast, command)
    with pytest.raises(Conflict) as refusal:
        report(cast, command, success=False)
    assert (refusal.value.code, refusal.value.state) == ("command_ended", {"state": "succeeded"})


def test_a_command_of_another_collector_is_unknown(cast: Cast) -> None:
    command = ask(cast, COLLECT)
    with pytest.raises(Command.DoesNotExist):
        commands.report_execution(
            collector=cast.foreign_collector,
            key_digest=cast.foreign_collector.api_key_hash,
            command_id=command.pk,
            success=True,
            result=None,
        )
    assert state(command) == CommandState.PENDING


def test_a_report_that_comes_too_late_finds_the_command_expired_even_before_the_sweep(cast: Cast) -> None:
    command = ask(cast, STOP)
    overdue(command)
    with pytest.raises(Conflict) as refusal:
        report(cast, command)
    assert refusal.value.state == {"state": "expired"}
    assert status(cast) == Status.STARTING


@pytest.mark.parametrize("ending", ["report", "cancel", "expire"])
def test_what_has_ended_stays_as_it_ended(cast: Cast, ending: str) -> None:
    command = ask(cast, COLLECT)
    if ending == "report":
        report(cast, command)
    elif ending == "cancel":
        commands.cancel_command(command=command, actor=SOMEBODY)
    else:
        overdue(command)
        assert commands.expire_overdue() == 1
    before = Command.objects.values().get(pk=command.pk)
    for act in (
        lambda: report(cast, command, success=False),
        lambda: commands.cancel_command(command=Command.objects.get(pk=command.pk), actor=SOMEBODY),
    ):
        with pytest.raises(Conflict):
            act()
    overdue(command)
    assert commands.expire_overdue() == 0
    after = Command.objects.values().get(pk=command.pk)
    assert {**before, "expires_at": None} == {**after, "expires_at": None}


def test_a_later_start_is_not_undone_by_an_older_stop(cast: Cast) -> None:
    Heartbeat.objects.update(status=Status.ONLINE)
    stop, start = ask(cast, STOP), ask(cast, START)
    report(cast, start)
    assert (state(stop), state(start)) == (CommandState.CANCELLED, CommandState.SUCCEEDED)
    with pytest.raises(Conflict):
        report(cast, stop)
    assert (wanted(cast), status(cast)) == (True, Status.ONLINE)


def test_an_older_stop_that_was_done_meanwhile_does_not_show_as_stopped(cast: Cast) -> None:
    Heartbeat.objects.update(status=Status.ONLINE)
    stop, start = ask(cast, STOP), ask(cast, START)
    report(cast, stop)
    assert (wanted(cast), status(cast)) == (True, Status.STARTING)
    report(cast, start)
    assert status(cast) == Status.ONLINE


def test_cancelling_the_newest_brings_back_what_was_wanted_before(cast: Cast) -> None:
    commands.cancel_command(command=ask(cast, STOP), actor=SOMEBODY)
    assert wanted(cast) is True
    report(cast, ask(cast, STOP))
    commands.cancel_command(command=ask(cast, START), actor=SOMEBODY)
    assert (wanted(cast), status(cast)) == (False, Status.STOPPED)


def test_cancelling_an_older_one_leaves_what_the_newest_wants(cast: Cast) -> None:
    stop = ask(cast, STOP)
    ask(cast, START)
    commands.cancel_command(command=stop, actor=SOMEBODY)
    assert wanted(cast) is True


def test_a_newer_configuration_makes_the_older_command_void(cast: Cast) -> None:
    first = change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "a"})
    second = change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "b"})
    assert first is not None
    assert second is not None
    assert (state(first), state(second)) == (CommandState.CANCELLED, CommandState.PENDING)


@pytest.mark.django_db(transaction=True)
def test_result_cancel_and_expiry_at_once_have_one_effect(cast: Cast) -> None:
    for _ in range(6):
        command = ask(cast, COLLECT)
        Command.objects.filter(pk=command.pk).update(expires_at=Now() + timedelta(milliseconds=30))
        late = threading.Event()

        def expire(late: threading.Event = late) -> int:
            late.wait(0.03)
            return commands.expire_overdue()

        acts: list[Callable[[], Any]] = [
            partial(report, cast, command),
            partial(report, cast, command, success=False),
            partial(commands.cancel_command, command=command, actor=SOMEBODY),
            expire,
        ]
        results = at_once(*acts)
        unexpected = [r for r in results if isinstance(r, Exception) and not isinstance(r, Conflict)]
        assert not unexpected
        ended = [r for r in results[:3] if isinstance(r, Command)]
        assert len(ended) + (1 if state(command) == CommandState.EXPIRED else 0) == 1
        assert all(state(command) == r.state for r in ended)


@pytest.mark.django_db(transaction=True)
def test_of_start_and_stop_at_once_the_higher_number_is_what_is_wanted(cast: Cast) -> None:
    for _ in range(6):
        results = at_once(*[partial(ask, cast, kind) for kind in (START, STOP, START, STOP)])
        assert not [result for result in results if isinstance(result, Exception)]
        assert wanted(cast) == (Command.objects.latest("pk").command == START)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["start", "cancel"])
def test_nobody_and_a_heartbeat_wait_for_each_other_in_a_circle(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    if act == "cancel":
        ask(cast, STOP)
        start = ask(cast, START)
    key = cast.collector.api_key_hash
    heartbeats.record(collector_id=cast.collector.pk, key_digest=key, report=Report())
    flip, is_heard, at_flip = commands._flip, threading.Event(), threading.Event()

    def flipping(*args: Any, **values: Any) -> None:
        at_flip.set()
        flip(*args, **values)

    def beat() -> None:
        with transaction.atomic():
            heartbeats.record(
                collector_id=cast.collector.pk, key_digest=key, report=Report(instance="a" * 32, error="x")
            )
            is_heard.set()
            at_flip.wait(0.5)

    def ask_or_cancel() -> Command:
        is_heard.wait(5)
        if act == "cancel":
            return commands.cancel_command(command=start, actor=SOMEBODY)
        return ask(cast, START)

    monkeypatch.setattr(commands, "_flip", flipping)
    assert not [result for result in at_once(beat, ask_or_cancel) if isinstance(result, Exception)]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_an_agents_report_and_the_removal_of_its_collector_do_not_wait_for_each_other(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, apply, is_taken = ask(cast, START), commands._apply_outcome, threading.Event()

    def applying(command: Command) -> None:
        is_taken.set()
        threading.Event().wait(0.3)
        apply(command)

    def remove() -> None:
        is_taken.wait(5)
        delete_collector(collector=Collector.objects.get(pk=cast.collector.pk), actor=SOMEBODY)

    monkeypatch.setattr(commands, "_apply_outcome", applying)
    results = at_once(partial(report, cast, command), remove)
    assert not [result for result in results if isinstance(result, Exception)]
    assert not Collector.objects.filter(pk=cast.collector.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_a_stop_that_is_asked_for_while_a_start_is_cancelled_is_what_is_wanted(cast: Cast) -> None:
    start, asked = ask(cast, START), threading.Event()

    def stop() -> None:
        with transaction.atomic():
            ask(cast, STOP)
            asked.set()
            threading.Event().wait(0.3)

    def cancel() -> None:
        asked.wait(5)
        commands.cancel_command(command=start, actor=SOMEBODY)

    assert not [result for result in at_once(stop, cancel) if isinstance(result, Exception)]
    assert wanted(cast) is False
