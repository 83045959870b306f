"""The collection thread: everything that may take long. Queued commands, collections, uploads and probes, one by one."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from dbpower_agent.backoff import Backoff
from dbpower_agent.client import BackendUnreachableError
from dbpower_agent.commands import Command, CommandResult
from dbpower_agent.sources.base import Audit, Collection, SourceError
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
STANDBY: Final = {"code": "standby", "detail": "another collector is active"}


@dataclass(frozen=True)
class Failure:
    """Why a source could not be read, as a command's result says it."""

    code: str
    detail: str
    remedy: str | None


class CollectionThread(threading.Thread):
    """`make_sources` builds the sources for a configuration, `on_config` hears of a new one, `on_source_change` that a
    source became readable or unreadable. `alive_at` is the monotonic time of the last sign of progress.
    """

    def __init__(
        self,
        config: AgentConfig,
        state: AgentState,
        make_sources: Callable[[AgentConfig], tuple[Source, ...]],
        uploader: Uploader,
        *,
        on_config: Callable[[AgentConfig], None],
        on_source_change: Callable[[], None],
    ) -> None:
        super().__init__(name="collection", daemon=True)
        self._config = config
        self._state = state
        self._make_sources = make_sources
        self._uploader = uploader
        self._on_config = on_config
        self._on_source_change = on_source_change
        self._desk: CommandDesk | None = None
        self._sources = make_sources(config)
        self._uploader.sources = self._sources
        self._wake = threading.Event()
        self._stop_event = threading.Event()
        self._backoff = Backoff()
        self._started_collection: float | None = None
        self._not_before = 0.0
        self._collect_more = False
        self._rested_at: dict[str, float] = {}
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
            self._close()

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
            due = self._started_collection + self._state.interval_seconds
            due = max(due, min(self._rested_at.get(source.name, 0.0) for source in self._sources))
        return max(0.0, max(due, self._not_before) - now)

    def _execute(self, command: Command) -> None:
        logger.info("command %d: %s", command.id, command.name)
        try:
            result = self._carry_out(command)
        except Exception:
            logger.exception("command %d failed unexpectedly", command.id)
            self._state.failed("command", f"command {command.name} failed unexpectedly")
            result = CommandResult(success=False, result={"code": "internal_error"})
        else:
            self._state.recovered("command")
        if self._desk is not None:
            self._desk.finish(command, result)

    def _carry_out(self, command: Command) -> CommandResult:
        match command.name:
            case "update_config":
                return self._update(command)
            case "explain":
                return self._explain(command)
            case _:
                return self._collect_now(command)

    def _explain(self, command: Command) -> CommandResult:
        """Ask the first source for a plan: the engine that has plans has one source."""
        if not self._holds_lease:
            return CommandResult(success=False, result=STANDBY)
        try:
            return CommandResult(success=True, result=self._sources[0].explain(command.params))
        except SourceError as error:
            return CommandResult(success=False, result={"code": error.code, "detail": error.detail})

    @property
    def _holds_lease(self) -> bool:
        lease = self._state.lease
        return lease is not None and lease.held

    def _collect_now(self, command: Command) -> CommandResult:
        """Carry out `collect`, or `audit`: that is a collection which the backend compares with what it has stored."""
        if not self._holds_lease:
            return CommandResult(success=False, result=STANDBY)
        # Whoever asks for a collection gets one of every source.
        self._rested_at.clear()
        return self._collect(Audit.of(command.id, command.params) if command.name == "audit" else None)

    def _collect(self, audit: Audit | None = None) -> CommandResult:
        """One collection, repeated while the backend asks for rows it lacks."""
        for _ in range(READ_AGAIN_AT_ONCE):
            result = self._collect_once(audit)
            if not result.success:
                return result
            if not self._flush().read_again:
                break
        waiting = self._uploader.waiting
        if not waiting:
            self._delivered()
        if audit is not None:
            self._tell_totals(audit)
        return CommandResult(success=True, result={**result.result, "waiting_uploads": waiting})

    def _delivered(self) -> None:
        for source in self._sources:
            part = f"upkeep of {source.name}"
            try:
                source.delivered()
            except SourceError as error:
                self._state.failed(part, str(error))
                logger.error("%s: %s", error.code, error)
            else:
                self._state.recovered(part)

    def _tell_totals(self, audit: Audit) -> None:
        """Let sources send what an audit needs beside their uploads. One that cannot leaves its part of the audit out.

        So does one whose uploads wait: what they hold would be missing on the backend's side, and look like a difference.
        """
        lease = self._state.lease
        for source in self._sources:
            if self._uploader.is_waiting(source.name):
                logger.warning("audit %d of %s is left out: its uploads wait", audit.command_id, source.name)
                continue
            try:
                source.tell_totals(lease.epoch if lease else 0, audit)
            except (SourceError, BackendUnreachableError, OSError) as error:
                logger.warning("audit %d of %s is left out: %s", audit.command_id, source.name, error)

    def _collect_once(self, audit: Audit | None) -> CommandResult:
        lease = self._state.lease
        epoch = lease.epoch if lease else 0
        self._started_collection = time.monotonic()
        sources = self._due_sources(self._started_collection)
        self._collect_more = False
        results = [self._read(source, epoch, audit) for source in sources]
        failures = [result for result in results if isinstance(result, Failure)]
        collections = [result for result in results if isinstance(result, Collection)]
        if not collections:
            # Try again sooner than the interval, but not at once. While one source works, the others wait for its turn.
            pause = self._backoff.failed()
            self._not_before = time.monotonic() + pause
            self._started_collection = None
            logger.info("nothing could be collected, next try in %.1f s", pause)
            return CommandResult(success=False, result=asdict(failures[0]))
        self._backoff.reset()
        self._state.recovered("command")
        self._not_before = 0.0
        self._collect_more = any(collection.more for collection in collections)
        queries, uploads = (
            sum(getattr(collection, name) for collection in collections) for name in ("queries", "uploads")
        )
        self._state.collected(queries)
        logger.info("collected %d row(s) into %d upload(s)", queries, uploads)
        told = {"queries": queries, "uploads": uploads}
        if failures:
            return CommandResult(success=False, result={**asdict(failures[0]), **told})
        return CommandResult(success=True, result=told)

    def _due_sources(self, now: float) -> tuple[Source, ...]:
        """All sources, but for those that rest after a long read. Rows that are missing are read at once."""
        if self._collect_more:
            return self._sources
        rested = tuple(source for source in self._sources if self._rested_at.get(source.name, 0.0) <= now)
        return rested or self._sources

    def _read(self, source: Source, epoch: int, audit: Audit | None) -> Collection | Failure:
        """Read one source; its failure keeps no other from being read."""
        began = time.monotonic()
        try:
            status = source.probe()
            collection = source.collect(epoch, audit)
        except SourceError as error:
            self._note_source(self._unreadable(source, error))
            return self._failed("source", source, error.code, error.detail, error.remedy)
        except BackendUnreachableError as error:
            return self._failed("collection", source, "backend_unreachable", str(error))
        except OSError as error:
            detail = f"the state directory does not take the data: {error.strerror}"
            return self._failed("collection", source, "disk", detail)
        except Exception as error:
            logger.exception("the collection failed unexpectedly")
            return self._failed("collection", source, "internal_error", type(error).__name__)
        finally:
            self._rested_at[source.name] = began + source.pause_seconds
        self._note_source(status)
        self._state.recovered(f"collection of {source.name}")
        return collection

    def _failed(self, part: str, source: Source, code: str, detail: str, remedy: str | None = None) -> Failure:
        self._state.failed(f"{part} of {source.name}", detail if remedy is None else f"{detail} (to mend it: {remedy})")
        logger.error("reading %s failed: %s: %s", source.name, code, detail)
        return Failure(code, detail, remedy)

    def _flush(self) -> FlushResult:
        result = self._uploader.flush()
        self._flush_at = time.monotonic() + (result.retry_in or 0.0)
        if result.read_again:
            self._collect_more = True
        return result

    def _probe(self) -> None:
        """Keep what the heartbeats say about the sources true between collections."""
        self._probe_at = time.monotonic() + PROBE_SECONDS
        for source in self._sources:
            try:
                self._note_source(source.probe())
            except SourceError as error:
                if self._note_source(self._unreadable(source, error)):
                    self._state.failed(f"source of {source.name}", str(error))
                    logger.error("%s cannot be read: %s: %s", source.name, error.code, error)
            except Exception as error:
                logger.exception("looking at %s failed unexpectedly", source.name)
                self._state.failed(f"source of {source.name}", type(error).__name__)

    def _note_source(self, status: SourceStatus) -> bool:
        self._probe_at = time.monotonic() + PROBE_SECONDS
        if status.readable:
            self._state.recovered(f"source of {status.name}")
        changed = self._state.set_source(status)
        if changed:
            self._on_source_change()
        return changed

    def _unreadable(self, source: Source, error: SourceError) -> SourceStatus:
        return SourceStatus(source.name, readable=False, code=error.code, detail=error.detail, remedy=error.remedy)

    def _close(self) -> None:
        for source in self._sources:
            source.close()

    def _update(self, command: Command) -> CommandResult:
        try:
            config, sources = try_update(self._config, command.params, self._make_sources)
        except UpdateRefusedError as error:
            return refused(error)
        self._close()
        self._config, self._sources, self._uploader.sources = config, sources, sources
        self._state.set_config_version(config.config_version)
        self._on_config(config)
        self._probe_at = self._not_before = 0.0
        return CommandResult(success=True, result={"config_version": config.config_version})


class StoppingError(BaseException):
    """The agent stops; long work ends here, past every handler of errors. What is on the spool is complete."""
