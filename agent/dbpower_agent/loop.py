"""The collection thread: everything that may take long. Queued commands, collections, uploads and probes, one by one."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from dbpower_agent.backoff import Backoff
from dbpower_agent.client import BackendUnreachableError
from dbpower_agent.commands import Command, CommandResult
from dbpower_agent.sources.base import SourceError
from dbpower_agent.state import SourceStatus
from dbpower_agent.updates import UpdateRefusedError, refused, try_update

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbpower_agent.commands import CommandDesk
    from dbpower_agent.config import AgentConfig
    from dbpower_agent.sources.base import Source
    from dbpower_agent.state import AgentState
    from dbpower_agent.uploader import FlushResult, Uploader

logger = logging.getLogger(__name__)

PROBE_SECONDS: Final = 30.0
LONGEST_SLEEP: Final = 15.0
READ_AGAIN_AT_ONCE: Final = 3


class CollectionThread(threading.Thread):
    """`make_source` builds the source for a configuration, `on_config` hears of a new one, `on_source_change` that the
    source became readable or unreadable. `alive_at` is the monotonic time of the last sign of progress.
    """

    def __init__(
        self,
        config: AgentConfig,
        state: AgentState,
        make_source: Callable[[AgentConfig], Source],
        uploader: Uploader,
        *,
        on_config: Callable[[AgentConfig], None],
        on_source_change: Callable[[], None],
    ) -> None:
        super().__init__(name="collection", daemon=True)
        self._config = config
        self._state = state
        self._make_source = make_source
        self._uploader = uploader
        self._on_config = on_config
        self._on_source_change = on_source_change
        self._desk: CommandDesk | None = None
        self._source = make_source(config)
        self._uploader.source = self._source
        self._wake = threading.Event()
        self._stop_event = threading.Event()
        self._backoff = Backoff()
        self._started_collection: float | None = None
        self._not_before = 0.0
        self._collect_more = False
        self._flush_at = 0.0
        self._probe_at = 0.0
        self.alive_at = time.monotonic()

    def take_commands_from(self, desk: CommandDesk) -> None:
        self._desk = desk

    def wake(self) -> None:
        """Something changed: look again at what is due."""
        self._wake.set()

    def stop(self) -> None:
        self._stop_event.set()
        self._wake.set()

    def still_alive(self) -> None:
        """Called from within long work, for the watchdog; ends that work when the agent stops."""
        self.alive_at = time.monotonic()
        if self._stop_event.is_set():
            raise StoppingError

    def run(self) -> None:
        try:
            while not self._stop_event.is_set():
                self.alive_at = time.monotonic()
                self._wake.clear()
                pause = self._step()
                self._wake.wait(pause)
        except StoppingError:
            logger.debug("the collection was interrupted because the agent stops")
        finally:
            self._source.close()

    def _step(self) -> float:
        """Do the most urgent thing that is due; returns the seconds until the next may be."""
        command = self._desk.next() if self._desk else None
        if command is not None:
            self._execute(command)
            return 0.0
        now = time.monotonic()
        if self._flush_at <= now and self._uploader.waiting:
            self._flush()
            return 0.0
        if self._collection_due_in(now) == 0.0:
            self._collect()
            return 0.0
        if self._probe_at <= now:
            self._probe()
            return 0.0
        return self._sleep(now)

    def _sleep(self, now: float) -> float:
        moments = [self._probe_at - now, LONGEST_SLEEP]
        if self._uploader.waiting:
            moments.append(self._flush_at - now)
        due_in = self._collection_due_in(now)
        if due_in is not None:
            moments.append(due_in)
        return max(0.01, min(moments))

    def _collection_due_in(self, now: float) -> float | None:
        """Seconds until the next automatic collection, None while there is none to come."""
        lease = self._state.lease
        if not self._state.auto_collect or lease is None or not lease.held:
            return None
        due = now
        if self._started_collection is not None and not self._collect_more:
            due = self._started_collection + max(self._state.interval_seconds, self._source.pause_seconds)
        return max(0.0, max(due, self._not_before) - now)

    def _execute(self, command: Command) -> None:
        logger.info("command %d: %s", command.id, command.name)
        try:
            result = self._collect_now() if command.name == "collect" else self._update(command)
        except Exception:
            logger.exception("command %d failed unexpectedly", command.id)
            self._state.failed("command", f"command {command.name} failed unexpectedly")
            result = CommandResult(success=False, result={"code": "internal_error"})
        if self._desk is not None:
            self._desk.finish(command, result)

    def _collect_now(self) -> CommandResult:
        lease = self._state.lease
        if lease is None or not lease.held:
            return CommandResult(success=False, result={"code": "standby", "detail": "another collector is active"})
        return self._collect()

    def _collect(self) -> CommandResult:
        """One collection, repeated while the backend asks for rows it lacks."""
        for _ in range(READ_AGAIN_AT_ONCE):
            result = self._collect_once()
            if not result.success:
                return result
            if not self._flush().read_again:
                break
        waiting = self._uploader.waiting
        return CommandResult(success=True, result={**result.result, "waiting_uploads": waiting})

    def _collect_once(self) -> CommandResult:
        lease = self._state.lease
        epoch = lease.epoch if lease else 0
        self._started_collection = time.monotonic()
        self._collect_more = False
        try:
            status = self._source.probe()
            collection = self._source.collect(epoch)
        except SourceError as error:
            self._note_source(self._unreadable(error))
            return self._failed("source", error.code, error.detail, error.remedy)
        except BackendUnreachableError as error:
            return self._failed("collection", "backend_unreachable", str(error))
        except OSError as error:
            return self._failed("collection", "disk", f"the state directory does not take the data: {error.strerror}")
        except Exception as error:
            logger.exception("the collection failed unexpectedly")
            return self._failed("collection", "internal_error", type(error).__name__)
        self._note_source(status)
        self._backoff.reset()
        self._not_before = 0.0
        self._collect_more = collection.more
        self._state.recovered("collection")
        self._state.collected(collection.queries)
        logger.info("collected %d row(s) into %d upload(s)", collection.queries, collection.uploads)
        return CommandResult(success=True, result={"queries": collection.queries, "uploads": collection.uploads})

    def _failed(self, part: str, code: str, detail: str, remedy: str | None = None) -> CommandResult:
        """A collection failed: try again sooner than the interval, but not at once."""
        pause = self._backoff.failed()
        self._not_before = time.monotonic() + pause
        self._started_collection = None
        self._state.failed(part, detail if remedy is None else f"{detail} (to mend it: {remedy})")
        logger.error("collection failed, next try in %.1f s: %s: %s", pause, code, detail)
        return CommandResult(success=False, result={"code": code, "detail": detail, "remedy": remedy})

    def _flush(self) -> FlushResult:
        result = self._uploader.flush()
        self._flush_at = time.monotonic() + (result.retry_in or 0.0)
        if result.read_again:
            self._collect_more = True
        return result

    def _probe(self) -> None:
        """Keep what the heartbeats say about the source true between collections."""
        self._probe_at = time.monotonic() + PROBE_SECONDS
        try:
            self._note_source(self._source.probe())
        except SourceError as error:
            if self._note_source(self._unreadable(error)):
                self._state.failed("source", str(error))
                logger.error("the source cannot be read: %s: %s", error.code, error)
        except Exception as error:
            logger.exception("looking at the source failed unexpectedly")
            self._state.failed("source", type(error).__name__)

    def _note_source(self, status: SourceStatus) -> bool:
        self._probe_at = time.monotonic() + PROBE_SECONDS
        if status.readable:
            self._state.recovered("source")
        changed = self._state.set_source(status)
        if changed:
            self._on_source_change()
        return changed

    def _unreadable(self, error: SourceError) -> SourceStatus:
        return SourceStatus(
            self._source.name, readable=False, code=error.code, detail=error.detail, remedy=error.remedy
        )

    def _update(self, command: Command) -> CommandResult:
        try:
            config, source = try_update(self._config, command.params, self._make_source)
        except UpdateRefusedError as error:
            return refused(error)
        self._source.close()
        self._config, self._source, self._uploader.source = config, source, source
        self._state.set_config_version(config.config_version)
        self._on_config(config)
        self._probe_at = self._not_before = 0.0
        return CommandResult(success=True, result={"config_version": config.config_version})


class StoppingError(BaseException):
    """The agent stops; long work ends here, past every handler of errors. What is on the spool is complete."""
