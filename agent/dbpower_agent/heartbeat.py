"""The heartbeat: a thread that does nothing else, so that no collection, however long, can delay it."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.backoff import Backoff
from dbpower_agent.client import Answer, BackendUnreachableError, Client
from dbpower_agent.state import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbpower_agent.commands import CommandDesk
    from dbpower_agent.rotation import KeyRotation
    from dbpower_agent.state import AgentState

logger = logging.getLogger(__name__)

SHORTEST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 600.0
JITTER: Final = 0.05
KEY_REFUSED_PAUSE: Final = 60.0
# Said with 429 too, when many wrong keys came from this network.
KEY_NOT_VALID: Final = "key_not_valid"
GOODBYE_SECONDS: Final = 2.0


class HeartbeatThread(threading.Thread):
    """Reports every `next_heartbeat_seconds`, applies the desired state that comes back and passes commands on.

    `next_beat_at` is the monotonic time of the next attempt: the watchdog compares it with the clock.
    """

    def __init__(
        self,
        client_factory: Callable[[], Client],
        state: AgentState,
        desk: CommandDesk,
        *,
        rotation: KeyRotation,
        wake_collection: Callable[[], None],
        first_pause: float,
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._client_factory = client_factory
        self._state = state
        self._desk = desk
        self._rotation = rotation
        self._wake_collection = wake_collection
        self._pause = first_pause
        self._backoff = Backoff()
        self._stop_event = threading.Event()
        self._soon = threading.Event()
        self._failing = False
        self.next_beat_at = time.monotonic()

    def stop(self) -> None:
        """End the loop; the last act is the heartbeat that says so."""
        self._stop_event.set()
        self._soon.set()

    def beat_soon(self) -> None:
        """Something changed that the backend should know now. A pause that the backend asked for is kept."""
        if not self._failing:
            self._soon.set()

    def run(self) -> None:
        client = self._client_factory()
        while not self._stop_event.is_set():
            self._soon.clear()
            pause = self._beat(client)
            self.next_beat_at = time.monotonic() + pause
            self._soon.wait(pause)
        self._say_goodbye(client)
        client.close()

    def _beat(self, client: Client) -> float:
        """One heartbeat; returns the seconds until the next."""
        try:
            answer = client.heartbeat(self._state.heartbeat_body())
        except BackendUnreachableError as error:
            return self._failed(str(error), None)
        if answer.status != 200:
            # The other key is tried at once when one that was good is refused, and with each later attempt.
            is_refused = answer.status == 401 or answer.body.get("code") == KEY_NOT_VALID
            if is_refused and self._rotation.refused() and not self._failing:
                self._failing = True
                return SHORTEST_PAUSE
            at_least = KEY_REFUSED_PAUSE if is_refused or answer.status == 404 else 0.0
            return self._failed(answer.detail, answer.retry_after, at_least)
        if self._failing:
            logger.info("the backend answers again")
        self._failing = False
        self._backoff.reset()
        self._apply(answer)
        if self._rotation.step(client, wanted=answer.body.get("rotate_key") is True):
            # The next heartbeat proves the new key.
            return SHORTEST_PAUSE
        return self._pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  (spreads load, guards nothing)

    def _failed(self, detail: str, retry_after: float | None, at_least: float = 0.0) -> float:
        pause = self._backoff.failed(retry_after=retry_after, at_least=at_least)
        logger.warning("heartbeat failed, next one in %.1f s: %s", pause, detail)
        self._failing = True
        return pause

    def _apply(self, answer: Answer) -> None:
        """Commands first, then the desired state, which has the last word."""
        body = answer.body
        before = (self._state.lease, self._state.auto_collect, self._state.interval_seconds)
        self._state.set_lease(parse_lease(body.get("lease")))
        self._desk.receive(body.get("commands"))
        if isinstance(body.get("auto_collect"), bool):
            self._state.set_auto_collect(on=body["auto_collect"])
        minutes = number(body.get("collection_interval_minutes"), 0.001, 1440.0)
        if minutes is not None:
            self._state.set_interval(minutes)
        seconds = number(body.get("next_heartbeat_seconds"), SHORTEST_PAUSE, LONGEST_PAUSE)
        if seconds is not None:
            self._pause = seconds
        self._note_skew(body.get("server_time"))
        if before != (self._state.lease, self._state.auto_collect, self._state.interval_seconds):
            self._wake_collection()

    def _note_skew(self, server_time: object) -> None:
        """How far this host's clock is ahead of the backend's: shown to operators, used for nothing."""
        try:
            moment = datetime.fromisoformat(str(server_time))
        except ValueError:
            return
        if moment.tzinfo is not None:
            self._state.set_clock_skew(round(time.time() - moment.timestamp(), 1))

    def _say_goodbye(self, client: Client) -> None:
        try:
            client.heartbeat(self._state.heartbeat_body(stopping=True), timeout=GOODBYE_SECONDS)
        except BackendUnreachableError as error:
            logger.info("the backend could not be told that the agent stops: %s", error)


def parse_lease(raw: object) -> Lease | None:
    if not isinstance(raw, dict):
        return None
    held, epoch = raw.get("held"), raw.get("epoch")
    if not isinstance(held, bool) or isinstance(epoch, bool) or not isinstance(epoch, int):
        return None
    return Lease(held=held, epoch=epoch)


def number(value: Any, lowest: float, highest: float) -> float | None:
    """A number clamped into bounds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return min(max(float(value), lowest), highest)
