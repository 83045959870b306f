"""The closed list of commands and their states."""

from collectors.domain.commands import EXECUTED, OPEN, CommandState, CommandType, outcome


def test_the_list_of_commands_is_closed() -> None:
    assert [kind.value for kind in CommandType] == ["start", "stop", "collect", "update_config", "audit", "explain"]


def test_every_state_is_open_executed_or_ended_without_a_report() -> None:
    ended = {CommandState.EXPIRED, CommandState.CANCELLED}
    assert {*OPEN} | {*EXECUTED} | ended == set(CommandState)
    assert not {*OPEN} & {*EXECUTED}


def test_a_report_ends_a_command() -> None:
    assert outcome(success=True) is CommandState.SUCCEEDED
    assert outcome(success=False) is CommandState.FAILED
    assert {outcome(success=True), outcome(success=False)} == {*EXECUTED}
