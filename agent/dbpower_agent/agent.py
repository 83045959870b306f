"""Putting the parts together, and living until a signal comes."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import stat
import time
from typing import IO, TYPE_CHECKING, Final

from dbpower_agent import __version__
from dbpower_agent.atomic_files import remove_leftovers
from dbpower_agent.client import Client
from dbpower_agent.commands import CommandDesk
from dbpower_agent.config_store import OVERRIDE_NAME
from dbpower_agent.healthcheck import ALIVE_NAME, WRITE_EVERY_SECONDS, mark_alive, remove_mark
from dbpower_agent.heartbeat import HeartbeatThread
from dbpower_agent.keyring import KeyRing, KeysUnusableError
from dbpower_agent.loop import CollectionThread
from dbpower_agent.reports import ReportThread
from dbpower_agent.rotation import KeyRotation
from dbpower_agent.sources.base import SnapshotNumbers, SourceTools
from dbpower_agent.sources.factory import make_sources
from dbpower_agent.spool import Spool
from dbpower_agent.state import AgentState
from dbpower_agent.systemd import ServiceManager
from dbpower_agent.uploader import Uploader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dbpower_agent.config import AgentConfig
    from dbpower_agent.logs import SafeFormatter
    from dbpower_agent.sources.base import Source

logger = logging.getLogger(__name__)

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
# Stopping takes five seconds at most, the goodbye to the backend included.
GOODBYE_SECONDS: Final = 3.5
LAST_SECONDS: Final = 1.0
# The longest single step without a sign of life: one read at its limit and its upload.
COLLECTION_SILENCE: Final = 900.0
HEARTBEAT_SILENCE: Final = 120.0


class StateDirectoryError(Exception):
    """The state directory cannot be used; the message says why and what to do."""


class Agent:
    """One agent process. Signals are blocked in all threads and taken by the main one, between two signs of life."""

    def __init__(self, config: AgentConfig, formatter: SafeFormatter, environ: Mapping[str, str]) -> None:
        self._config = config
        self._formatter = formatter
        self._manager = ServiceManager(environ)
        self._lock = prepare_state_directory(config.state_dir)
        self._keys = _keys(config)
        config.local_secrets.heard = lambda secret: formatter.mask([secret])
        self._mask_secrets()
        self._state = AgentState(
            collection_interval_minutes=config.collection_interval_minutes, config_version=config.config_version
        )
        self._spool = Spool(
            config.state_dir / "spool",
            max_bytes=config.spool_max_bytes,
            max_age_seconds=config.spool_max_age_hours * 3600,
        )
        self._uploader = Uploader(
            self._client(),
            self._spool,
            self._state,
            still_alive=lambda: self._collection.still_alive(),  # noqa: PLW0108  (made below)
        )
        self._uploader.note_spool()
        self._numbers = SnapshotNumbers()
        self._collection = CollectionThread(
            config,
            self._state,
            self._sources,
            self._uploader,
            on_config=self._use_config,
            on_source_change=lambda: self._heartbeat.beat_soon(),  # noqa: PLW0108  (made below)
        )
        self._reports = ReportThread(self._client)
        desk = CommandDesk(self._state, report=self._reports.put, wake=self._collection.wake)
        self._collection.take_commands_from(desk)
        self._heartbeat = self._heartbeat_thread(desk)

    def run(self) -> int:
        """Work until a signal comes; returns the exit code: 0 for a wanted end, 1 when a thread died."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        logger.info("agent %s of collector %d starts", __version__, self._config.collector_id)
        for thread in (self._reports, self._heartbeat, self._collection):
            thread.start()
        self._manager.ready()
        code = self._watch()
        self._stop(code)
        return code

    def _watch(self) -> int:
        step = min(WRITE_EVERY_SECONDS, self._manager.watchdog_seconds or WRITE_EVERY_SECONDS)
        while True:
            if not (self._heartbeat.is_alive() and self._collection.is_alive() and self._reports.is_alive()):
                logger.critical("a thread has died; the agent ends so that it can be started again")
                return 1
            if self._at_work():
                self._manager.alive()
                try:
                    mark_alive(self._config.state_dir)
                except OSError as error:
                    logger.warning("the sign of life cannot be written: %s", error.strerror)
            received = signal.sigtimedwait(SIGNALS, step)
            # After a suspension that outlasted the step, CPython returns a signal that nobody sent.
            if received is not None and received.si_signo in SIGNALS:
                logger.info("%s received, stopping", signal.Signals(received.si_signo).name)
                return 0

    def _at_work(self) -> bool:
        now = time.monotonic()
        return now < self._heartbeat.next_beat_at + HEARTBEAT_SILENCE and (
            now < self._collection.alive_at + COLLECTION_SILENCE
        )

    def _stop(self, code: int) -> None:
        self._manager.stopping()
        deadline = time.monotonic() + GOODBYE_SECONDS
        self._heartbeat.stop()
        self._collection.stop()
        self._reports.stop()
        self._heartbeat.join(GOODBYE_SECONDS)
        for thread in (self._collection, self._reports):
            thread.join(max(0.0, deadline - time.monotonic()) + LAST_SECONDS / 2)
        remove_mark(self._config.state_dir)
        logger.info("stopped")
        self._lock.close()
        if self._collection.is_alive() or self._heartbeat.is_alive():
            # A thread inside a driver's C code cannot be interrupted; what it reads is read again next time.
            logging.shutdown()
            os._exit(code)

    def _heartbeat_thread(self, desk: CommandDesk) -> HeartbeatThread:
        rotation = KeyRotation(
            self._keys,
            self._state,
            collector_id=self._config.collector_id,
            allowed=self._config.rotate_key,
            on_new_key=self._mask_secrets,
        )
        return HeartbeatThread(
            self._client,
            self._state,
            desk,
            rotation=rotation,
            wake_collection=self._collection.wake,
            first_pause=self._config.heartbeat_seconds,
        )

    def _client(self) -> Client:
        return Client(self._config, self._keys)

    def _sources(self, config: AgentConfig) -> tuple[Source, ...]:
        tools = SourceTools(
            spool=self._spool,
            cursors=self._uploader,
            state_dir=config.state_dir,
            still_alive=lambda: self._collection.still_alive(),  # noqa: PLW0108  (called while it is being made)
            interval_seconds=lambda: self._state.interval_seconds,
            numbers=self._numbers,
        )
        return make_sources(config, tools)

    def _use_config(self, config: AgentConfig) -> None:
        self._config = config
        self._mask_secrets()

    def _mask_secrets(self) -> None:
        self._formatter.mask((*self._config.secrets, *self._keys.secrets))


def _keys(config: AgentConfig) -> KeyRing:
    try:
        keys = KeyRing(config.state_dir, config.api_key)
    except KeysUnusableError as error:
        raise StateDirectoryError(str(error)) from error
    for path in (config.path, config.state_dir / OVERRIDE_NAME, config.state_dir / ALIVE_NAME):
        remove_leftovers(path)
    keys.tidy()
    return keys


def prepare_state_directory(directory: Path) -> IO[bytes]:
    """Create the directory and lock it: two agents with one spool would send everything twice.

    One that others may write is refused: they could put their own files in the place of its keys.

    Returns the open lock; closing it, or the death of the process, releases it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = directory.stat().st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StateDirectoryError(
                f"{directory}: others may write there (mode {stat.S_IMODE(mode):04o}), and it holds keys; "
                f"run: chmod 700 {directory}, or set state_dir to a directory below it, which the agent makes"
            )
        lock = (directory / "lock").open("ab")
    except OSError as error:
        raise StateDirectoryError(
            f"{directory}: cannot be used as state directory: {error.strerror}; set state_dir"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StateDirectoryError(f"{directory}: another agent is using this state directory") from None
    return lock
