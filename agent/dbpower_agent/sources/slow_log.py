"""The source `slow_log`: MySQL's and MariaDB's log of slow statements, where it is written to a table."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from dbpower_agent.client import BackendUnreachableError
from dbpower_agent.sources.base import Audit, Collection, Source, SourceError, SourceTools
from dbpower_agent.sources.mysql_facts import ServerFacts, grant_of, read_facts, read_slow_queries
from dbpower_agent.sources.slow_log_audit import parts_of, totals_of
from dbpower_agent.sources.slow_log_position import CURRENT, Cursor, PositionReader, Reading, Segment
from dbpower_agent.sources.slow_log_tables import ServerLogTables
from dbpower_agent.sources.slow_log_uploads import CAREFUL_ROWS, Poll, SegmentWriter
from dbpower_agent.spool import CorruptSpoolFileError, StoredUpload
from dbpower_agent.state import SourceStatus

if TYPE_CHECKING:
    from dbpower_agent.sources.mysql_session import MySQLSession
    from dbpower_agent.sources.slow_log_rotation import Rotation

logger = logging.getLogger(__name__)

# The log is read at most this share of the time: a table nobody rotates gets polled more and more rarely.
LARGEST_SHARE: Final = 0.01


class SlowLogSource(Source):
    """Reads by row position. The cursor is the backend's; uploads waiting on the spool are its local continuation."""

    name: ClassVar[str] = "slow_log"

    def __init__(
        self,
        session: MySQLSession,
        tools: SourceTools,
        *,
        old_tables: tuple[str, ...],
        rotation: Rotation | None = None,
    ) -> None:
        self._session = session
        self._tools = tools
        self._old_tables = old_tables
        self._rotation = rotation
        self._tables = ServerLogTables(session.connect, state_dir=tools.state_dir, still_alive=tools.still_alive)
        self._reader: PositionReader | None = None
        self._identity: str | None = None
        self._tail: Cursor | None = None
        self._previous: Poll | None = None
        self._careful: dict[str, int] = {}
        self._given_up: dict[tuple[str, int], tuple[int, str]] = {}

    def probe(self) -> SourceStatus:
        connection = self._session.connect()
        try:
            self._tables.first_row(CURRENT)
        except SourceError as error:
            raise self._explained(error) from error
        return status_of(read_facts(connection))

    def close(self) -> None:
        self._session.close()

    @property
    def pause_seconds(self) -> float:
        return self._tables.seconds_spent / LARGEST_SHARE

    def collect(self, epoch: int, audit: Audit | None = None) -> Collection:  # noqa: ARG002 (see tell_totals)
        cursor = self._start(epoch)
        self._tables.seconds_spent, self._tables.truncated = 0.0, False
        facts = read_facts(self._session.connect())
        reader = self._reader_for(facts)
        poll = Poll.begin(facts, previous=self._previous)
        skipped = self._given_up.get((cursor.generation, cursor.position)) if cursor is not None else None
        lost_rows = 0
        if cursor is not None and skipped is not None:
            lost_rows = skipped[0] - cursor.position
            cursor = Cursor(cursor.generation, *skipped)
        try:
            reading = reader.read(cursor, lambda generation: self._cursor_of(epoch, generation))
        except SourceError as error:
            raise self._explained(error) from error
        try:
            return self._store(reading, poll, epoch, lost_rows)
        finally:
            reading.close()

    def delivered(self) -> None:
        end, reader = self._tail, self._reader
        if self._rotation is None or end is None or reader is None or reader.moved(end):
            return
        # The cursor is in the present log, so all of the former one came before.
        if reader.generation_of(CURRENT) == end.generation:
            self._rotation.run(end.position)

    def tell_totals(self, epoch: int, audit: Audit) -> None:
        """Sum up the log from the row on from which the backend still has all, to the last row that was taken."""
        end, reader = self._tail, self._reader
        if end is None or reader is None or reader.generation_of(CURRENT) != end.generation or reader.moved(end):
            logger.info("audit %d: the slow log has just begun anew, or a crash moved its rows", audit.command_id)
            return
        begin = min(audit.log_positions.get(end.generation, 0), end.position)
        drain = self._tables.drain(CURRENT, begin, None)
        if drain is None:
            return
        with drain:
            totals = totals_of(islice(drain.rows(), end.position - begin), self._tools.still_alive)
        where = {"source": self.name, "epoch": epoch, "generation": end.generation, "audit": audit.command_id}
        for keys, tail in parts_of(totals):
            self._tools.cursors.send_now({**where, "position": begin, "until": end.position, **keys}, tail)

    def cursor_refused(self, envelope: dict[str, Any], cursor: dict[str, Any] | None) -> int | None:
        """Read again what lies between the backend's cursor and the upload, unless those rows are gone or unwanted."""
        generation, position = str(envelope["generation"]), int(envelope["position"])
        wanted = Cursor.from_json(cursor) or Cursor(generation, 0, None)
        begin = wanted.position if wanted.generation == generation else 0
        given_up = self._given_up.get((generation, begin))
        if given_up is not None and given_up[0] >= position:
            return position - begin
        reader = self._reader or self._reader_for(read_facts(self._session.connect()))
        if reader.holds(generation):
            self._tail = self._previous = None
            return None
        return max(position - begin, 0)

    def rejected(self, envelope: dict[str, Any], count: int) -> None:
        """First offer the rows again in small uploads; what is refused even then is given up and declared lost."""
        generation, position = str(envelope["generation"]), int(envelope["position"])
        if count > CAREFUL_ROWS:
            self._careful[generation] = max(self._careful.get(generation, 0), position + count)
        else:
            self._given_up[(generation, position)] = (position + count, str(envelope["row_hash"]))
        self._tail = self._previous = None

    def _start(self, epoch: int) -> Cursor | None:
        """Where to go on: behind the newest upload on the spool, else where the backend says."""
        spool = self._tools.spool
        while (waiting := spool.newest_of(self.name)) is not None:
            try:
                self._tail = self._tail or end_of(spool.load(waiting))
            except CorruptSpoolFileError:
                spool.set_aside(waiting)
            else:
                return self._tail
        try:
            self._tail = self._ask(epoch, None)
        except BackendUnreachableError:
            if self._tail is None:
                raise
        return self._tail

    def _cursor_of(self, epoch: int, generation: str) -> Cursor | None:
        """While the backend is away a new log is read from its start: what the backend has already, it drops."""
        try:
            return self._ask(epoch, generation)
        except BackendUnreachableError:
            return None

    def _ask(self, epoch: int, generation: str | None) -> Cursor | None:
        return Cursor.from_json(self._tools.cursors.ask_cursor(self.name, epoch, generation))

    def _store(self, reading: Reading, poll: Poll, epoch: int, lost_rows: int) -> Collection:
        """Turn what was drained into uploads; the statement is closed by now."""
        uploads = 0
        completeness = poll.completeness(
            reading,
            interval_seconds=self._tools.interval_seconds(),
            slow_queries=poll.facts.slow_queries if reading.gap is None else read_slow_queries(self._session.connect()),
        )
        for segment in reading.segments:
            written = self._write(segment, poll, epoch, lost_rows, completeness)
            uploads += written
            if written:
                lost_rows, completeness = 0, {}
        # Where rows were lost and none follow, the next poll that finds some tells of it: from the counter before the loss.
        told = bool(reading.segments) or (reading.empty and reading.gap is None)
        if told and not self._tables.truncated:
            self._previous = poll
        return Collection(sum(segment.count for segment in reading.segments), uploads, more=self._tables.truncated)

    def _write(self, segment: Segment, poll: Poll, epoch: int, lost_rows: int, completeness: dict[str, Any]) -> int:
        writer = SegmentWriter(
            self._tools.spool,
            poll,
            Cursor(segment.generation, segment.position, None),
            epoch=epoch,
            careful_until=self._careful.get(segment.generation, 0),
            lost_rows=lost_rows,
            completeness=completeness,
        )
        try:
            for index, row in enumerate(segment.new_rows()):
                if index % 500 == 0:
                    self._tools.still_alive()
                hash_ = writer.add(row)
                if self._reader is not None:
                    self._reader.took(segment.generation, segment.position + index, hash_)
            writer.flush()
        finally:
            # A full disk ends this early: what is on the spool by then is not read again.
            if writer.end is not None:
                self._tail = writer.end
        return writer.uploads

    def _explained(self, error: SourceError) -> SourceError:
        """Add the grant that is missing."""
        if error.code != "missing_privilege":
            return error
        return SourceError(error.code, error.detail, grant_of(self._session.connect(), "SELECT ON mysql.slow_log"))

    def _reader_for(self, facts: ServerFacts) -> PositionReader:
        """A reader belongs to one server: behind the same address may stand another one after a failover."""
        if self._reader is None or self._identity != facts.identity:
            self._reader = PositionReader(self._tables, identity=facts.identity, old_tables=self._old_tables)
            self._identity, self._previous = facts.identity, None
        return self._reader


def end_of(upload: StoredUpload) -> Cursor:
    """The cursor behind an upload that waits on the spool."""
    envelope = upload.envelope
    return Cursor(str(envelope["generation"]), int(envelope["position"]) + upload.count, str(envelope["row_hash"]))


def status_of(facts: ServerFacts) -> SourceStatus:
    """The log can be read; say so, and say when the server writes nothing into it."""
    name = SlowLogSource.name
    if "TABLE" not in facts.log_output:
        detail = f"log_output is {facts.log_output}: slow statements are not written to mysql.slow_log"
        return SourceStatus(
            name, readable=True, code="log_output", detail=detail, remedy="SET GLOBAL log_output = 'TABLE'"
        )
    if not facts.logging:
        detail = "slow_query_log is off: no slow statement is logged"
        return SourceStatus(
            name, readable=True, code="slow_query_log", detail=detail, remedy="SET GLOBAL slow_query_log = ON"
        )
    return SourceStatus(name, readable=True)
