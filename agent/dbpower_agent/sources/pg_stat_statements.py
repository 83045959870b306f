"""The source `pg_stat_statements`: complete snapshots of the counters of all statements of a PostgreSQL cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from dbpower_agent.clock import Instant
from dbpower_agent.sources.base import Audit, Collection, Source, SourceError, SourceTools, statement
from dbpower_agent.sources.pg_extension import Extension, find_extension, system_identifier
from dbpower_agent.sources.pg_plans import KEY, Wanted, explain
from dbpower_agent.sources.postgres_connection import PostgresConnection
from dbpower_agent.sources.snapshot_parts import SnapshotParts
from dbpower_agent.sources.snapshots import Generation, SnapshotSeries, text_parts
from dbpower_agent.state import SourceStatus

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from dbpower_agent.database_config import DatabaseConfig
    from dbpower_agent.payload import Part

ATTEMPTS: Final = 3
TEXT_LIMIT: Final = 131_072
# The text the server shows in place of one that its reader may not see.
HIDDEN: Final = "<insufficient privilege>"


@dataclass(frozen=True)
class Life:
    """The life of all counters: from one reset to the next. `reset_us` is '0' where the server does not tell.

    `evictions` counts since the life began, None where the server does not tell.
    """

    reset_us: str
    age_seconds: float | None
    evictions: int | None


class PgStatStatementsSource(Source):
    """Reads counters without texts; texts only for the keys the backend asks for."""

    name: ClassVar[str] = "pg_stat_statements"

    def __init__(self, config: DatabaseConfig, tools: SourceTools) -> None:
        self._config = config
        self._tools = tools
        self._connection: PostgresConnection | None = None
        self._extension: Extension | None = None
        self._server_id = ""
        self._series = SnapshotSeries(self.name, tools)
        self._own: set[str] = set()
        self._foreign: set[str] = set()

    def probe(self) -> SourceStatus:
        extension = self._connect()
        try:
            self._life(extension)
        except SourceError as error:
            if error.code != "missing_privilege":
                raise
            remedy = (
                f'GRANT USAGE ON SCHEMA {extension.schema.replace("%%", "%")} TO "{self._config.user or "postgres"}"'
            )
            raise SourceError(error.code, error.detail, remedy) from error
        return SourceStatus(self.name, readable=True)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def collect(self, epoch: int, audit: Audit | None = None) -> Collection:
        extension = self._connect()
        for _ in range(ATTEMPTS):
            read_at = Instant.now()
            before = self._life(extension)
            with SnapshotParts(self._tools.state_dir) as parts:
                self._read(extension, parts)
                after = self._life(extension)
                if before.reset_us == after.reset_us:
                    return self._store(parts, extension, read_at, (before, after), epoch, audit)
        raise SourceError("reset_while_reading", "pg_stat_statements is reset faster than it can be read")

    def wanted_texts(self, keys: list[str]) -> Iterator[Part]:
        """Texts of `keys`, utility statements stripped of literals; null for those the server no longer has."""
        return text_parts(
            keys, self._texts([match for key in keys if (match := KEY.fullmatch(key))]), dialect="postgres"
        )

    def explain(self, params: dict[str, Any]) -> dict[str, Any]:
        """The plan of one recorded statement, by its key: its text is read here, on this server."""
        wanted = Wanted.of(params)
        match = KEY.fullmatch(wanted.key)
        texts = dict(self._texts([match] if match else []))
        self._connect()
        return explain(self._open(), self._config, wanted, texts.get(wanted.key))

    def _texts(self, keys: list[re.Match[str]]) -> Iterator[tuple[str, str | None]]:
        if not keys:
            return
        extension = self._connect()
        connection = self._open()
        sql = statement("pg_texts").format(
            schema=extension.schema, toplevel=extension.columns.toplevel, limit=TEXT_LIMIT
        )
        arrays = [[key[number] for key in keys] for number in (1, 2, 3)]
        for userid, dbid, queryid, toplevel, text in connection.stream(sql, arrays):
            yield f"{userid}:{dbid}:{queryid}:{'t' if toplevel else 'f'}", None if text == HIDDEN else text

    def _read(self, extension: Extension, parts: SnapshotParts) -> None:
        """Fill `parts`. Raise SourceError when the snapshot would not be complete."""
        columns = extension.columns
        sql = statement("pg_snapshot").format(
            schema=extension.schema, toplevel=columns.toplevel, since=columns.since, columns=columns.select
        )
        undecided: list[dict[str, Any]] = []
        for number, row in enumerate(self._open().stream(sql)):
            if number % 500 == 0:
                self._tools.still_alive()
            if row[2] is None:
                raise self._no_privilege()
            if row[0] != extension.own_userid or row[2] in self._foreign:
                parts.add(columns.member(row))
            elif row[2] not in self._own:
                undecided.append(columns.member(row))
        if undecided:
            self._learn_own(extension)
        for member in undecided:
            if member["digest"] not in self._own:
                parts.add(member)

    def _learn_own(self, extension: Extension) -> None:
        """Find out which statements of the agent's role are the agent's own: those carry its mark in their text."""
        sql = statement("pg_own_statements").format(schema=extension.schema)
        for queryid, marked in self._open().rows(sql, [extension.own_userid]):
            if marked:
                self._own.add(queryid)
            elif marked is not None:
                self._foreign.add(queryid)
        self._foreign -= self._own

    def _store(
        self,
        parts: SnapshotParts,
        extension: Extension,
        read_at: Instant,
        lives: tuple[Life, Life],
        epoch: int,
        audit: Audit | None,
    ) -> Collection:
        before, after = lives
        generation = Generation(
            self._server_id, f"{self._server_id}:{before.reset_us}", before.age_seconds, evictions=after.evictions
        )
        known = {} if extension.capacity is None else {"capacity": extension.capacity}
        return self._series.store(parts, generation, epoch=epoch, read_at=read_at, completeness=known, audit=audit)

    def _life(self, extension: Extension) -> Life:
        if not extension.has_info:
            # Version 13 does not say; reading nothing at least proves that the counters can be read.
            self._open().rows(f"SELECT /* dbpower-agent */ 1 FROM {extension.schema}.pg_stat_statements(false) LIMIT 1")  # noqa: S608
            return Life("0", None, None)
        ((reset_us, age, evictions),) = self._open().rows(statement("pg_info").format(schema=extension.schema))
        return Life(reset_us or "0", age, evictions)

    def _connect(self) -> Extension:
        """The open connection's extension; looks again after every reconnect, for an upgrade may lie between."""
        if self._connection is None or self._connection.closed or self._extension is None:
            self._connection = PostgresConnection(self._config)
            self._extension = find_extension(self._connection, self._config)
            self._server_id = system_identifier(self._connection)
            self._own, self._foreign = set(), set()
        return self._extension

    def _open(self) -> PostgresConnection:
        if self._connection is None:
            raise SourceError("database_unreachable", "the connection was lost")
        return self._connection

    def _no_privilege(self) -> SourceError:
        role = self._config.user or "postgres"
        self.close()
        return SourceError(
            "missing_privilege",
            f"role {role!r} does not see the statements of other roles, so a snapshot would not be complete",
            f'GRANT pg_read_all_stats TO "{role}"',
        )
