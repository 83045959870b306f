"""From drained rows to uploads on the spool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.clock import LONGEST_AGE_SECONDS, Instant
from dbpower_agent.fingerprint import fingerprint, fingerprint_id
from dbpower_agent.payload import MAX_MEMBERS, Part, encode_member
from dbpower_agent.sources.slow_log_position import Cursor
from dbpower_agent.sources.slow_log_rows import Execution, RawRow, clean_text, event_end, parse_row, row_hash
from dbpower_agent.sources.slow_log_times import Window, resolve_end

if TYPE_CHECKING:
    from dbpower_agent.sources.mysql_facts import ServerFacts
    from dbpower_agent.sources.slow_log_position import Reading
    from dbpower_agent.spool import Spool

SOURCE: Final = "slow_log"
CAREFUL_ROWS: Final = 50
FINGERPRINT_LIMIT: Final = 65_536


@dataclass(frozen=True)
class Poll:
    """One read of the log: when it was, by this host's and the server's clocks, and what the server had counted."""

    facts: ServerFacts
    read_at: Instant
    interval_seconds: float | None
    window: Window
    slow_queries_before: int | None

    @classmethod
    def begin(cls, facts: ServerFacts, *, previous: Poll | None) -> Poll:
        read_at = Instant.now()
        interval = None if previous is None else round(previous.read_at.age(read_at), 3)
        restarted = previous is not None and facts.uptime_seconds < previous.facts.uptime_seconds
        before = None if previous is None or restarted else previous.facts.slow_queries
        since = None if previous is None else min(previous.facts.now, facts.now)
        return cls(facts, read_at, interval, Window(since, facts.now), before)

    def completeness(self, reading: Reading, *, interval_seconds: float, slow_queries: int) -> dict[str, Any]:
        """What is known to be missing. A gap is as large as the server's counter grew beyond the rows found.

        `slow_queries` is the counter after the read, so that rows written in the middle of it make no gap look smaller.
        """
        known: dict[str, Any] = {}
        if self.interval_seconds is not None and self.interval_seconds > 1.5 * interval_seconds:
            known["missed_polls"] = round(self.interval_seconds / interval_seconds) - 1
        if reading.gap is not None:
            known["reasons"] = [reading.gap]
            # Null says that rows were lost and nobody knows how many.
            known["lost_rows"] = None
            # A counter that fell began anew with the server: what it had counted until then is not known.
            if self.slow_queries_before is not None and slow_queries >= self.slow_queries_before:
                growth = slow_queries - self.slow_queries_before
                known["lost_rows"] = max(0, growth - sum(segment.count for segment in reading.segments))
            if self.interval_seconds is not None:
                known["gap_seconds"] = self.interval_seconds
        return known


class SegmentWriter:
    """Collects the rows of one generation into uploads on the spool, each no larger than the backend takes.

    `lost_rows` and `completeness` go with the first upload alone. `end` is the cursor behind the last row stored,
    None while there is none.
    """

    def __init__(
        self,
        spool: Spool,
        poll: Poll,
        start: Cursor,
        *,
        epoch: int,
        careful_until: int = 0,
        lost_rows: int = 0,
        completeness: dict[str, Any] | None = None,
    ) -> None:
        self._spool = spool
        self._poll = poll
        self._generation = start.generation
        self._position = start.position
        self._epoch = epoch
        self._careful_until = careful_until
        self._lost_rows = lost_rows
        self._completeness = completeness or {}
        self._last_hash = ""
        self._approximate = 0
        self._part = self._new_part()
        self.uploads = 0
        self.end: Cursor | None = None

    def add(self, row: RawRow) -> str:
        """Add one row and return its hash. Raise OSError when the spool does not take a full upload."""
        member = member_of(parse_row(row), self._poll)
        self._approximate += member["time_approximate"]
        encoded = encode_member(member)
        if not self._part.fits(encoded):
            self.flush()
        self._part.add(encoded)
        self._last_hash = row_hash(row)
        return self._last_hash

    def flush(self) -> None:
        """Put what was collected on the spool; nothing when that is nothing."""
        if not self._part.count:
            return
        count = self._part.count
        completeness = dict(self._completeness)
        if self._approximate:
            completeness["approximate_rows"] = self._approximate
        envelope = {
            "source": SOURCE,
            "epoch": self._epoch,
            "interval_seconds": self._poll.interval_seconds,
            "generation": self._generation,
            "position": self._position,
            "row_hash": self._last_hash,
            "lost_rows": self._lost_rows,
            "completeness": completeness,
        }
        self._spool.put(envelope, self._part.finish(), count=count, read_at=self._poll.read_at)
        self._position += count
        self.end = Cursor(self._generation, self._position, self._last_hash)
        self.uploads += 1
        self._lost_rows, self._completeness, self._approximate = 0, {}, 0
        self._part = self._new_part()

    def _new_part(self) -> Part:
        return Part(max_members=CAREFUL_ROWS if self._position < self._careful_until else MAX_MEMBERS)


def member_of(execution: Execution, poll: Poll) -> dict[str, Any]:
    """One member of `queries`, literals stripped."""
    facts = poll.facts
    resolved = resolve_end(event_end(execution, logs_start=facts.is_mariadb), poll.window, server_offset=facts.offset)
    age = (facts.now - resolved.end).total_seconds() + execution.query_time
    text = clean_text(fingerprint(execution.sql_text, dialect="mysql"))
    return {
        "fingerprint_id": fingerprint_id(text),
        "fingerprint": text[:FINGERPRINT_LIMIT],
        "query_time": execution.query_time,
        "lock_time": execution.lock_time,
        "rows_sent": execution.rows_sent,
        "rows_examined": execution.rows_examined,
        "rows_affected": execution.rows_affected,
        "database": execution.database,
        "user": execution.user,
        "host": execution.host,
        "age_seconds": round(min(max(age, 0.0), LONGEST_AGE_SECONDS), 6),
        "time_approximate": resolved.approximate,
    }
