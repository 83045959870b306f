"""Brings the spool to the backend, oldest first, and asks it for cursors."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.backoff import Backoff
from dbpower_agent.client import Answer, BackendUnreachableError, Client
from dbpower_agent.payload import build_request, empty_tail
from dbpower_agent.sources.base import SourceError
from dbpower_agent.spool import CorruptSpoolFileError, Spool, SpoolEntry, StoredUpload

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbpower_agent.sources.base import Source
    from dbpower_agent.state import AgentState

logger = logging.getLogger(__name__)

NEVER_TAKEN: Final = frozenset({400, 413, 415, 422})
KEY_REFUSED_PAUSE: Final = 60.0
MOST_TEXT_ROUNDS: Final = 40
MOST_KEYS: Final = 500


@dataclass(frozen=True)
class FlushResult:
    """`retry_in` seconds until the spool should be tried again, None when it is empty.

    `read_again` is true when the backend lacks rows that the source still has.
    """

    retry_in: float | None = None
    read_again: bool = False


class Uploader:
    """Used by the collection thread only. `sources` are those that the agent reads now."""

    def __init__(
        self, client: Client, spool: Spool, state: AgentState, *, still_alive: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self._spool = spool
        self._state = state
        self._still_alive = still_alive
        self._backoff = Backoff()
        self._telling = 0
        self.sources: tuple[Source, ...] = ()

    @property
    def waiting(self) -> int:
        """How many uploads are on the spool."""
        return len(self._spool.entries)

    def is_waiting(self, source: str) -> bool:
        """Whether an upload of `source` is on the spool."""
        return self._spool.newest_of(source) is not None

    def ask_cursor(self, source: str, epoch: int, generation: str | None) -> dict[str, Any] | None:
        """Send an upload without members; its answer carries the cursor. Raise BackendUnreachableError."""
        envelope: dict[str, Any] = {"source": source, "epoch": epoch, "age_seconds": 0, "interval_seconds": None}
        if generation is not None:
            envelope["generation"] = generation
        answer = self._client.upload(build_request(envelope, empty_tail()))
        if answer.status != 200:
            raise BackendUnreachableError(f"the backend did not tell its cursor: {answer.detail}")
        cursor = answer.body.get("cursor")
        return cursor if isinstance(cursor, dict) else None

    def send_now(self, envelope: dict[str, Any], tail: bytes) -> None:
        """Send an upload that is worth nothing later. Raise BackendUnreachableError."""
        answer = self._client.upload(build_request(envelope, tail))
        if answer.status != 200:
            raise BackendUnreachableError(f"the backend did not take it: {answer.detail}")

    def flush(self) -> FlushResult:
        """Send what waits until it is gone or the backend does not take any more."""
        self._spool.enforce_limits()
        result = FlushResult()
        # A file damaged this time stays an error at least until the next time, so that a heartbeat tells of it.
        if self._spool.entries:
            self._state.recovered("spool")
        while self._spool.entries:
            entry = self._spool.entries[0]
            self._still_alive()
            try:
                done = self._send(entry, self._spool.load(entry))
            except (CorruptSpoolFileError, zlib.error) as error:
                logger.error("a file of the spool is damaged and was set aside: %s", error)
                self._state.failed("spool", f"a damaged file was set aside: {entry.path.name}")
                self._spool.set_aside(entry)
            except (BackendUnreachableError, SourceError) as error:
                result = FlushResult(retry_in=self._put_off(str(error), Answer(0)))
                break
            else:
                if done is not None:
                    result = done
                    break
        self.note_spool()
        return result

    def note_spool(self) -> None:
        self._state.set_spool(files=len(self._spool.entries), size=self._spool.size, dropped=self._spool.dropped_files)

    def _send(self, entry: SpoolEntry, stored: StoredUpload) -> FlushResult | None:
        """Send one upload. None: go on with the next one."""
        answer = self._client.upload(build_request(self._envelope(stored), stored.tail))
        if answer.status == 200:
            self._backoff.reset()
            self._spool.told(self._telling)
            self._spool.remove(entry)
            self._state.recovered("upload")
            self._answer_texts(entry.source, stored, answer)
            return None
        if answer.status == 409:
            return self._cursor_refused(entry, stored, answer)
        if answer.status in NEVER_TAKEN:
            self._reject(entry, stored, answer)
            return None
        return FlushResult(retry_in=self._put_off(answer.detail, answer))

    def _envelope(self, stored: StoredUpload, **changes: Any) -> dict[str, Any]:
        """The stored envelope with everything that is known only now."""
        completeness = dict(stored.envelope.get("completeness") or {})
        completeness["spool_bytes"] = self._spool.size
        # The growth since the last upload that was taken: a loss is told once, however many uploads follow it.
        self._telling = self._spool.untold_files
        completeness["spool_dropped_files"] = self._telling
        if self._state.clock_skew_seconds is not None:
            completeness["clock_skew_seconds"] = self._state.clock_skew_seconds
        age = round(stored.read_at.age(), 3)
        return {**stored.envelope, "age_seconds": age, "completeness": completeness, **changes}

    def _cursor_refused(self, entry: SpoolEntry, stored: StoredUpload, answer: Answer) -> FlushResult | None:
        """The upload starts above the backend's cursor: read what is between, or say that it is lost."""
        source, lease = self._source(entry.source), self._state.lease
        if source is None or lease is None or not lease.held:
            # Whoever holds the lease reads these rows from the log.
            logger.info("discarded %d upload(s) of a standby agent", self._spool.discard(entry.source))
            return None
        lost_rows = source.cursor_refused(stored.envelope, answer.body.get("cursor"))
        if lost_rows is None:
            logger.info("the backend asks for earlier rows; reading them again")
            self._spool.discard(entry.source)
            return FlushResult(read_again=True)
        logger.warning("%d row(s) before position %s are lost", lost_rows, stored.envelope.get("position"))
        changed = self._envelope(stored, lost_rows=lost_rows)
        again = self._client.upload(build_request(changed, stored.tail))
        if again.status == 200:
            self._backoff.reset()
            self._spool.told(self._telling)
            self._spool.remove(entry)
            return None
        if again.status in NEVER_TAKEN:
            self._reject(entry, stored, again)
            return None
        return FlushResult(retry_in=self._put_off(again.detail, again))

    def _reject(self, entry: SpoolEntry, stored: StoredUpload, answer: Answer) -> None:
        logger.error("the backend refuses %s for good: %s", entry.path.name, answer.detail)
        self._state.failed("upload", f"the backend refused an upload: {answer.detail}")
        self._spool.reject(entry)
        source = self._source(entry.source)
        if source is not None:
            source.rejected(stored.envelope, stored.count)

    def _put_off(self, detail: str, answer: Answer) -> float:
        at_least = KEY_REFUSED_PAUSE if answer.status == 401 else 0.0
        pause = self._backoff.failed(retry_after=answer.retry_after, at_least=at_least)
        waiting = len(self._spool.entries)
        logger.warning("%d upload(s) wait on the spool, next try in %.1f s: %s", waiting, pause, detail)
        return pause

    def _answer_texts(self, source_name: str, stored: StoredUpload, answer: Answer) -> None:
        """Send the texts the backend lacks. What fails here is asked for again with the next snapshot."""
        wanted = _keys(answer.body.get("text_wanted"))
        source = self._source(source_name)
        asked: set[str] = set()
        for _ in range(MOST_TEXT_ROUNDS):
            if not wanted or source is None:
                return
            asked.update(wanted)
            try:
                wanted = self._send_texts(source, wanted, int(stored.envelope.get("epoch") or 0))
            except (SourceError, BackendUnreachableError) as error:
                logger.warning("texts of statements could not be sent: %s", error)
                return
            wanted = [key for key in wanted if key not in asked]

    def _source(self, name: str) -> Source | None:
        return next((source for source in self.sources if source.name == name), None)

    def _send_texts(self, source: Source, keys: list[str], epoch: int) -> list[str]:
        more: list[str] = []
        for part in source.wanted_texts(keys):
            self._still_alive()
            envelope = {"source": source.name, "epoch": epoch, "age_seconds": 0}
            answer = self._client.upload(build_request(envelope, part.finish()))
            if answer.status != 200:
                raise BackendUnreachableError(answer.detail)
            more = _keys(answer.body.get("text_wanted"))
        return more


def _keys(raw: object) -> list[str]:
    if not isinstance(raw, list):
        return []
    return [key for key in raw if isinstance(key, str)][:MOST_KEYS]
