"""Commands of the backend: a closed list, each carried out once, its result remembered for as long as the agent lives."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbpower_agent.state import AgentState

logger = logging.getLogger(__name__)

REMEMBERED: Final = 1000
IMMEDIATE: Final = frozenset({"start", "stop"})
# Only whoever holds the lease reads the server.
NEEDS_LEASE: Final = frozenset({"collect", "audit", "explain"})
QUEUED: Final = NEEDS_LEASE | {"update_config"}


@dataclass(frozen=True)
class Command:
    """One instruction. `params` may hold a password, so they stay out of `repr()`."""

    id: int
    name: str
    params: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class CommandResult:
    success: bool
    result: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"success": self.success, "result": self.result}


class CommandMemory:
    """What became of the last thousand commands. None stands for one that is still being carried out."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._results: OrderedDict[int, CommandResult | None] = OrderedDict()

    def __contains__(self, command_id: int) -> bool:
        return command_id in self._results

    def __len__(self) -> int:
        return len(self._results)

    def begin(self, command_id: int) -> None:
        self._results[command_id] = None
        while len(self._results) > self._size:
            self._results.popitem(last=False)

    def finish(self, command_id: int, result: CommandResult) -> None:
        if command_id in self._results:
            self._results[command_id] = result

    def result(self, command_id: int) -> CommandResult | None:
        return self._results.get(command_id)


class CommandDesk:
    """Takes commands from heartbeat answers, carries out `start` and `stop` at once and queues the slow ones.

    `start` and `stop` set a flag that `collect` and `update_config` never read, so overtaking a running collection
    changes no outcome; among themselves the commands of either kind keep the backend's order. `report` is called
    with every result, `wake` when the queue has work.
    """

    def __init__(
        self,
        state: AgentState,
        *,
        report: Callable[[int, CommandResult], None],
        wake: Callable[[], None],
    ) -> None:
        self._state = state
        self._report = report
        self._wake = wake
        self._lock = threading.Lock()
        self._memory = CommandMemory()
        self._queue: deque[Command] = deque()

    def receive(self, raw_commands: object) -> None:
        """Take the `commands` of one heartbeat answer, in their order."""
        if not isinstance(raw_commands, list):
            return
        for raw in raw_commands:
            command = parse_command(raw)
            if command is None:
                logger.warning("ignored a command that has no usable id or name")
            else:
                self._take(command)

    def next(self) -> Command | None:
        """The next queued command, for the collection thread."""
        with self._lock:
            return self._queue.popleft() if self._queue else None

    @property
    def waiting(self) -> bool:
        with self._lock:
            return bool(self._queue)

    def finish(self, command: Command, result: CommandResult) -> None:
        with self._lock:
            self._memory.finish(command.id, result)
        logger.info("command %d (%s) %s", command.id, command.name, "succeeded" if result.success else "failed")
        self._report(command.id, result)

    def _take(self, command: Command) -> None:
        with self._lock:
            known = command.id in self._memory
            stored = self._memory.result(command.id)
            # Without a lease nobody may collect yet; the backend sends the command again with the next answer.
            if not known and command.name in NEEDS_LEASE and self._state.lease is None:
                return
            if not known:
                self._memory.begin(command.id)
                if command.name in QUEUED:
                    self._queue.append(command)
        if known:
            if stored is not None:
                self._report(command.id, stored)
        elif command.name in QUEUED:
            self._wake()
        elif command.name in IMMEDIATE:
            self._state.set_auto_collect(on=command.name == "start")
            self._wake()
            self.finish(command, CommandResult(success=True, result={"auto_collect": command.name == "start"}))
        else:
            self.finish(command, CommandResult(success=False, result={"code": "unknown_command"}))


def parse_command(raw: object) -> Command | None:
    if not isinstance(raw, dict):
        return None
    command_id, name, params = raw.get("id"), raw.get("command"), raw.get("params")
    if isinstance(command_id, bool) or not isinstance(command_id, int) or not isinstance(name, str):
        return None
    return Command(command_id, name[:40], params if isinstance(params, dict) else {})
