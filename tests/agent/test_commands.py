"""Commands: carried out once each, in order, remembered for a while."""

from typing import Any

from dbpower_agent.commands import REMEMBERED, CommandDesk, CommandMemory, CommandResult
from dbpower_agent.state import AgentState, Lease


class Office:
    """A desk with a record of what it reported."""

    def __init__(self) -> None:
        self.state = AgentState(collection_interval_minutes=5, config_version=1)
        self.state.set_lease(Lease(held=True, epoch=1))
        self.reports: list[tuple[int, CommandResult]] = []
        self.woken = 0
        self.desk = CommandDesk(self.state, report=lambda *report: self.reports.append(report), wake=self.wake)

    def wake(self) -> None:
        self.woken += 1

    def receive(self, *commands: tuple[int, str]) -> None:
        self.desk.receive([{"id": number, "command": name, "params": {}} for number, name in commands])


def test_start_and_stop_take_effect_at_once_in_the_order_given() -> None:
    office = Office()
    office.receive((1, "stop"), (2, "start"))
    assert office.state.auto_collect is True
    office.receive((3, "start"), (4, "stop"))
    assert office.state.auto_collect is False
    assert [number for number, _ in office.reports] == [1, 2, 3, 4]


def test_an_old_stop_that_comes_again_does_not_undo_a_newer_start() -> None:
    office = Office()
    office.receive((1, "stop"))
    office.receive((1, "stop"), (2, "start"))
    office.receive((1, "stop"))
    assert office.state.auto_collect is True
    assert [number for number, _ in office.reports] == [1, 1, 2, 1]


def test_slow_commands_wait_for_the_collection_thread_and_are_queued_once() -> None:
    office = Office()
    for _ in range(3):
        office.receive((1, "collect"), (2, "update_config"))
    assert office.reports == []
    assert office.woken == 2
    queued = [office.desk.next(), office.desk.next(), office.desk.next()]
    assert [command.id if command else None for command in queued] == [1, 2, None]


def test_a_repeat_is_answered_with_the_stored_result() -> None:
    office = Office()
    office.receive((1, "collect"))
    command = office.desk.next()
    assert command is not None
    result = CommandResult(success=True, result={"queries": 3})
    office.desk.finish(command, result)
    office.receive((1, "collect"))
    assert office.reports == [(1, result), (1, result)]
    assert office.desk.next() is None


def test_the_memory_holds_the_last_thousand() -> None:
    memory = CommandMemory()
    for number in range(REMEMBERED + 200):
        memory.begin(number)
        memory.finish(number, CommandResult(success=True, result={}))
    assert len(memory) == REMEMBERED == 1000
    assert 199 not in memory
    assert 200 in memory


def test_collect_waits_while_the_lease_is_unknown() -> None:
    office = Office()
    office.state.set_lease(None)
    office.receive((1, "collect"))
    assert office.desk.next() is None
    office.state.set_lease(Lease(held=True, epoch=1))
    office.receive((1, "collect"))
    assert office.desk.next() is not None


def test_nothing_but_the_closed_list_is_carried_out() -> None:
    office = Office()
    office.receive((1, "rm -rf /"), (2, "__class__"), (3, "START"))
    assert [report.success for _, report in office.reports] == [False] * 3
    assert office.state.auto_collect is False


def test_malformed_commands_harm_nothing() -> None:
    office = Office()
    malformed: list[Any] = [None, 1, "x", [], {}, {"id": "1", "command": "stop"}, {"id": True, "command": "stop"}]
    malformed += [{"id": 1, "command": 5}, {"id": 2.5, "command": "start"}]
    nothing: list[Any] = [malformed, None, {}, "commands", 7]
    for raw in nothing:
        office.desk.receive(raw)
    assert office.reports == []
    office.desk.receive([{"id": 9, "command": "start", "params": "no object"}])
    assert office.state.auto_collect is True


def test_parameters_stay_out_of_repr() -> None:
    office = Office()
    office.desk.receive([{"id": 1, "command": "update_config", "params": {"config": {"password": "canary"}}}])
    assert "canary" not in repr(office.desk.next())
