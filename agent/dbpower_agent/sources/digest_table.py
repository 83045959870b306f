"""The table `events_statements_summary_by_digest` of one server, and what the server says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbpower_agent.sources.base import SourceError, statement
from dbpower_agent.sources.digest_columns import DigestColumns, text_of
from dbpower_agent.sources.mysql_connection import ReadLimitError
from dbpower_agent.sources.mysql_facts import grant_of, read_pairs, server_identity
from dbpower_agent.sources.snapshots import Generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbpower_agent.sources.mysql_connection import MySQLConnection, Row

LIMIT_SECONDS: Final = 60.0
# Where the server's uptime is a table: MySQL knows only the first, MariaDB before 10.5 only the second.
STATUS_SCHEMAS: Final = ("performance_schema", "information_schema")


class DigestTable:
    """Belongs to one connection. Making it looks what there is and takes the agent out of what the server counts."""

    def __init__(self, connection: MySQLConnection) -> None:
        self.connection = connection
        variables = read_pairs(connection, "mysql_facts")
        if variables.get("performance_schema", "").upper() != "ON":
            raise SourceError(
                "performance_schema_off",
                "performance_schema is off: the server counts no statements",
                "performance_schema = ON in the section [mysqld] of the server's configuration (needs a restart)",
            )
        size = variables.get("performance_schema_digests_size", "")
        self.capacity = int(size) if size.isdecimal() else None
        self._server_id = server_identity(variables)
        self._status_schema: str | None = None
        # First: where nothing is granted, MySQL shows a table without columns.
        self.probe()
        self._stop_counting_own()
        self.columns = self._columns()

    def probe(self) -> None:
        """Read next to nothing. Raise SourceError with the missing grant."""
        self._rows("digest_probe")

    def missing_consumers(self) -> list[str]:
        """Names of the consumers that are off and without which no digest is counted."""
        return [text_of(row[0]) for row in self._rows("digest_consumers")]

    def tracked(self) -> int:
        """How many rows the table has."""
        return int(self._rows("digest_tracked")[0][0] or 0)

    def digests_lost(self) -> int:
        """How many statements since the server's start found no room in the table."""
        return int(read_pairs(self.connection, "mysql_counters").get("performance_schema_digest_lost") or 0)

    def generation(self) -> Generation:
        """The server's life: its identity and its start in whole seconds of Unix time.

        The clock and the uptime are read in one statement: in two, a second may pass between them. The server takes
        both from the same reading, so that the start stays the same, whatever happens to the clock.
        """
        now, uptime = self._life()
        start = int(float(now)) - int(uptime)
        return Generation(self._server_id, f"{self._server_id}:{start}", round(float(now) - start, 3))

    def stream(self, sql: str) -> Iterator[Row]:
        """Rows of a large read. Raise SourceError."""
        try:
            yield from self.connection.stream(sql, limit_seconds=LIMIT_SECONDS)
        except ReadLimitError as error:
            raise SourceError("digests_too_slow", f"reading performance_schema was given up: {error}") from error
        except SourceError as error:
            raise self._explained(error) from error

    def _life(self) -> tuple[str, str]:
        schemas = STATUS_SCHEMAS if self._status_schema is None else (self._status_schema,)
        refusal: SourceError | None = None
        for schema in schemas:
            try:
                ((now, uptime),) = self.connection.rows(statement("digest_life").format(schema=schema))
            except SourceError as error:
                if error.code not in {"missing_table", "missing_privilege"}:
                    raise
                refusal = refusal or error
            else:
                self._status_schema = schema
                return text_of(now), text_of(uptime)
        raise self._explained(refusal) if refusal else SourceError("database_error", "the server tells no uptime")

    def _columns(self) -> DigestColumns:
        names = {text_of(row[0]).upper() for row in self._rows("digest_columns")}
        try:
            return DigestColumns.choose(names)
        except KeyError as error:
            detail = f"events_statements_summary_by_digest has no column {error.args[0]}"
            raise SourceError("unknown_table", detail) from error

    def _stop_counting_own(self) -> None:
        """Where the account may, the server stops counting this connection. Elsewhere the mark has to do."""
        try:
            self.connection.rows(statement("digest_own_thread"))
        except SourceError as error:
            if error.code not in {"missing_privilege", "missing_table"}:
                raise

    def _rows(self, name: str) -> list[Row]:
        try:
            return self.connection.rows(statement(name))
        except SourceError as error:
            raise self._explained(error) from error

    def _explained(self, error: SourceError) -> SourceError:
        """Add the grant that is missing."""
        if error.code != "missing_privilege":
            return error
        return SourceError(error.code, error.detail, grant_of(self.connection, "SELECT ON performance_schema.*"))
