"""Tells the backend what became of commands, in a thread of its own, until the backend has acknowledged it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from dbpower_agent.backoff import Backoff
from dbpower_agent.client import BackendUnreachableError, Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbpower_agent.commands import CommandResult

logger = logging.getLogger(__name__)

# 200: taken. 404: unknown here. 409: ended already. The other client errors can only repeat themselves.
ENDS_IT: Final = frozenset({200, 400, 404, 409, 413, 415, 422})
KEY_REFUSED_PAUSE: Final = 60.0
MOST_WAITING: Final = 1000


class ReportThread(threading.Thread):
    """Sends results in the order they came. A result that waits already is not queued a second time."""

    def __init__(self, client_factory: Callable[[], Client]) -> None:
        super().__init__(name="reports", daemon=True)
        self._client_factory = client_factory
        self._condition = threading.Condition()
        self._waiting: OrderedDict[int, CommandResult] = OrderedDict()
        self._stopping = False

    def put(self, command_id: int, result: CommandResult) -> None:
        with self._condition:
            self._waiting.setdefault(command_id, result)
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
            self._condition.notify()

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def run(self) -> None:
        client = self._client_factory()
        backoff = Backoff()
        while True:
            with self._condition:
                while not self._waiting and not self._stopping:
                    self._condition.wait()
                if self._stopping and not self._waiting:
                    break
                command_id, result = next(iter(self._waiting.items()))
            pause = self._send(client, backoff, command_id, result)
            if pause is None:
                continue
            with self._condition:
                if self._stopping:
                    break
                self._condition.wait_for(lambda: self._stopping, timeout=pause)
        client.close()

    def _send(self, client: Client, backoff: Backoff, command_id: int, result: CommandResult) -> float | None:
        """One attempt. Returns the pause before the next one, None when the report is done with."""
        try:
            answer = client.report(command_id, result.as_json())
        except BackendUnreachableError as error:
            logger.warning("the result of command %d could not be reported: %s", command_id, error)
            return backoff.failed()
        if answer.status in ENDS_IT:
            if answer.status != 200:
                logger.info("the result of command %d was not wanted: %s", command_id, answer.detail)
            backoff.reset()
            with self._condition:
                self._waiting.pop(command_id, None)
            return None
        logger.warning("the result of command %d was not taken: %s", command_id, answer.detail)
        at_least = KEY_REFUSED_PAUSE if answer.status == 401 else 0.0
        return backoff.failed(retry_after=answer.retry_after, at_least=at_least)
