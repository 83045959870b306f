"""The source `performance_schema`: complete snapshots of what MySQL or MariaDB counts by statement digest."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from dbpower_agent.clock import Instant
from dbpower_agent.sources.base import Audit, Collection, Source, SourceTools, statement
from dbpower_agent.sources.digest_columns import OVERFLOW_KEY, DigestColumns, DigestRow, text_of
from dbpower_agent.sources.digest_table import DigestTable
from dbpower_agent.sources.drain import Drain
from dbpower_agent.sources.snapshot_parts import SnapshotParts
from dbpower_agent.sources.snapshots import SnapshotSeries, text_parts
from dbpower_agent.state import SourceStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbpower_agent.payload import Part
    from dbpower_agent.sources.mysql_session import MySQLSession

TEXT_LIMIT: Final = 131_072
KEY: Final = re.compile(r"(?P<schema>.*):(?P<digest>[0-9a-f]{32,64})", re.DOTALL)
OTHER: Final = "other statements (performance_schema_digests_size was reached)"


class PerformanceSchemaSource(Source):
    """Reads counters without texts; texts only for the keys the backend asks for. Never resets anything."""

    name: ClassVar[str] = "performance_schema"

    def __init__(self, session: MySQLSession, tools: SourceTools) -> None:
        self._session = session
        self._tools = tools
        self._series = SnapshotSeries(self.name, tools)
        self._table: DigestTable | None = None
        self._lost: tuple[str, int] | None = None

    def probe(self) -> SourceStatus:
        table = self._open()
        table.probe()
        missing = table.missing_consumers()
        if missing:
            remedy = "; ".join(map(switch_on, missing))
            detail = f"performance_schema counts no statements: {', '.join(missing)} is off"
            return SourceStatus(self.name, readable=True, code="consumers_off", detail=detail, remedy=remedy)
        return SourceStatus(self.name, readable=True)

    def close(self) -> None:
        self._session.close()

    def collect(self, epoch: int, audit: Audit | None = None) -> Collection:
        table = self._open()
        read_at = Instant.now()
        generation = table.generation()
        lost = table.digests_lost()
        with Drain(self._tools.state_dir) as drain, SnapshotParts(self._tools.state_dir) as parts:
            self._drain(table, drain)
            _fill(parts, table.columns, drain)
            completeness = self._completeness(table, generation.name, lost)
            stored = self._series.store(
                parts, generation, epoch=epoch, read_at=read_at, completeness=completeness, audit=audit
            )
        self._lost = (generation.name, lost)
        return stored

    def wanted_texts(self, keys: list[str]) -> Iterator[Part]:
        """Texts of `keys` as the server normalised them; null for those it no longer has."""
        return text_parts(keys, self._texts(keys), dialect="mysql")

    def _texts(self, keys: list[str]) -> Iterator[tuple[str, str | None]]:
        if OVERFLOW_KEY in keys:
            yield OVERFLOW_KEY, OTHER
        digests = sorted({match["digest"] for key in keys if (match := KEY.fullmatch(key))})
        if not digests:
            return
        # Only hex digits pass the pattern, so they may become part of the statement.
        sql = statement("digest_texts").format(limit=TEXT_LIMIT, digests=", ".join(f"'{digest}'" for digest in digests))
        for schema, digest, text in self._open().stream(sql):
            yield f"{text_of(schema)}:{text_of(digest)}", None if text is None else text_of(text)

    def _drain(self, table: DigestTable, drain: Drain) -> None:
        """The whole table on local disk. Raise SourceError when the read does not come to its end."""
        sql = statement("digest_snapshot").format(columns=table.columns.select)
        for number, row in enumerate(table.stream(sql)):
            if number % 500 == 0:
                self._tools.still_alive()
            drain.add(row)
        drain.finish()

    def _completeness(self, table: DigestTable, generation: str, lost: int) -> dict[str, Any]:
        known: dict[str, Any] = {}
        if table.capacity is not None:
            known["capacity"] = table.capacity
        if self._lost is not None:
            known["digest_lost"] = max(lost - (self._lost[1] if self._lost[0] == generation else 0), 0)
        return known

    def _open(self) -> DigestTable:
        """The table behind the open connection; looks again after every reconnect, for it may be another server."""
        connection = self._session.connect()
        if self._table is None or self._table.connection is not connection:
            self._table = DigestTable(connection)
        return self._table


def switch_on(consumer: str) -> str:
    """The statement with which an operator switches a consumer on."""
    return f"UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME = '{consumer}'"  # noqa: S608


def _fill(parts: SnapshotParts, columns: DigestColumns, drain: Drain) -> None:
    """Write one member for each key. Rows that share one are few, so only those are held until all are there."""
    counted: Counter[str] = Counter(columns.parse(row).key for row in drain.rows())
    drain.rewind()
    shared: dict[str, list[DigestRow]] = {}
    for raw in drain.rows():
        row = columns.parse(raw)
        if counted[row.key] > 1:
            shared.setdefault(row.key, []).append(row)
        else:
            parts.add(columns.member(row))
    for rows in shared.values():
        parts.add(columns.member(columns.together(rows)))
