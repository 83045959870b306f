"""Changing the collector key when the backend asks for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dbpower_agent.client import BackendUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbpower_agent.client import Client
    from dbpower_agent.keyring import KeyRing
    from dbpower_agent.state import AgentState

logger = logging.getLogger(__name__)

CONFLICT = 409


class KeyRotation:
    """Works in the heartbeat's thread. Every step can be repeated, so that the agent may die between any two of them."""

    def __init__(
        self,
        keys: KeyRing,
        state: AgentState,
        *,
        collector_id: int,
        allowed: bool,
        on_new_key: Callable[[], None],
    ) -> None:
        self._keys = keys
        self._state = state
        self._collector_id = collector_id
        self._allowed = allowed
        self._on_new_key = on_new_key
        self._told = False

    def step(self, client: Client, *, wanted: bool) -> bool:
        """Go on with a rotation that is wanted or under way; returns whether a new key is in use, which is then to be proven."""
        try:
            is_new = self._step(client, wanted=wanted)
        except OSError as error:
            self._state.failed("key", f"the new collector key cannot be stored: {error.strerror}")
            logger.error("the new collector key cannot be stored: %s", error.strerror)
        except BackendUnreachableError as error:
            logger.warning("the backend could not be told of the new collector key: %s", error)
        else:
            self._state.recovered("key")
            return is_new
        return False

    def refused(self) -> bool:
        """The key in use was refused; returns whether there is another one to try."""
        try:
            other = self._keys.fall_back()
        except OSError as error:
            logger.error("the collector keys cannot be stored: %s", error.strerror)
            return False
        if other:
            logger.warning("the collector key was refused; the agent tries the other one that it has")
        return other

    def _step(self, client: Client, *, wanted: bool) -> bool:
        if self._keys.pending_sha256 is None:
            if not wanted:
                return False
            if not self._allowed:
                self._say_once("the backend asks for a new collector key, and rotate_key is off here")
                return False
            self._keys.make(self._collector_id)
            self._on_new_key()
        sha256 = self._keys.pending_sha256
        if sha256 is None:
            return False
        answer = client.tell_key(sha256)
        if answer.status == CONFLICT:
            logger.warning("the new collector key is not wanted any more: %s", answer.detail)
            self._keys.drop()
            return False
        if answer.status != 200:
            logger.warning("the new collector key was not taken: %s", answer.detail)
            return False
        self._keys.switch()
        logger.info("the agent uses a new collector key, which it made itself")
        return True

    def _say_once(self, text: str) -> None:
        if not self._told:
            logger.warning(text)
        self._told = True
