"""`mysql.slow_log` and its older copies, read through one connection."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from dbpower_agent.sources.base import SourceError, statement
from dbpower_agent.sources.drain import Drain
from dbpower_agent.sources.mysql_connection import ReadLimitError
from dbpower_agent.sources.slow_log_position import CURRENT
from dbpower_agent.sources.slow_log_rows import TEXT_LIMIT, RawRow, row_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from dbpower_agent.sources.mysql_connection import MySQLConnection

# A scan costs about 5 µs a row. Ten times that, and a fixed start, is a limit that a healthy server never meets.
LIMIT_SECONDS: Final = 20.0
LIMIT_SECONDS_PER_ROW: Final = 0.00005
LONGEST_LIMIT_SECONDS: Final = 600.0
# One poll takes at most this much to local disk (compressed); the next one goes on behind it.
DRAIN_BYTES: Final = 64 * 1024 * 1024
DISK_RESERVE: Final = 256 * 1024 * 1024


class ServerLogTables:
    """Implements `LogTables`. `connect` gives the open connection: an interrupted read leaves a closed one behind."""

    def __init__(
        self, connect: Callable[[], MySQLConnection], *, state_dir: Path, still_alive: Callable[[], None]
    ) -> None:
        self._connect = connect
        self._state_dir = state_dir
        self._still_alive = still_alive
        self._columns: dict[str, str] = {}
        self.rows_seen = 0
        self.seconds_spent = 0.0
        self.truncated = False

    def first_row(self, table: str) -> RawRow | None:
        return next(iter(self._optional(table, "slow_log_first_row", 0)), None)

    def scan(self, table: str) -> Iterator[RawRow]:
        try:
            yield from self._stream(table, "slow_log_rows", 0)
        except SourceError as error:
            if table == CURRENT or error.code not in {"missing_table", "missing_privilege"}:
                raise

    def drain(self, table: str, offset: int, expected_hash: str | None) -> Drain | None:
        drain = Drain(self._state_dir)
        budget = min(DRAIN_BYTES, self._free_disk())
        rows = self._stream(table, "slow_log_rows", offset)
        try:
            for row in rows:
                if drain.count == 0 and expected_hash is not None and row_hash(row) != expected_hash:
                    break
                drain.add(row)
                if drain.count % 1000 == 0:
                    self._still_alive()
                    if drain.disk_bytes > budget:
                        self.truncated = True
                        break
        except SourceError as error:
            drain.close()
            if table != CURRENT and error.code in {"missing_table", "missing_privilege"}:
                return None
            raise
        except BaseException:
            drain.close()
            raise
        finally:
            rows.close()
        if expected_hash is not None and drain.count == 0:
            drain.close()
            return None
        drain.finish()
        return drain

    def _optional(self, table: str, name: str, offset: int) -> list[RawRow]:
        """Rows of a small read. Only the log itself has to exist; a former one may be missing or not granted."""
        try:
            return self._connect().rows(self._sql(table, name, offset))
        except SourceError as error:
            if table != CURRENT and error.code in {"missing_table", "missing_privilege"}:
                return []
            raise

    def _stream(self, table: str, name: str, offset: int) -> Generator[RawRow, None, None]:
        sql = self._sql(table, name, offset)
        limit = min(LIMIT_SECONDS + LIMIT_SECONDS_PER_ROW * max(offset, self.rows_seen), LONGEST_LIMIT_SECONDS)
        began = time.monotonic()
        count = 0
        try:
            with contextlib.closing(self._connect().stream(sql, limit_seconds=limit)) as rows:
                for row in rows:
                    count += 1
                    yield row
        except ReadLimitError as error:
            # The next attempt gets more time, up to the longest limit.
            self.rows_seen = max(self.rows_seen, offset + count) * 2
            raise SourceError(
                "slow_log_too_large",
                f"reading the slow log was given up: {error}",
                "rotate mysql.slow_log (CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log; RENAME TABLE "
                "mysql.slow_log TO mysql.slow_log_prev, mysql.slow_log_next TO mysql.slow_log)",
            ) from error
        finally:
            self.seconds_spent += time.monotonic() - began
            if table == CURRENT:
                self.rows_seen = max(self.rows_seen, offset + count)

    def _sql(self, table: str, name: str, offset: int) -> str:
        """Only identifiers that the configuration has checked, and integers, become part of a statement."""
        if table not in self._columns:
            columns = {(row[0] or b"").decode() for row in self._connect().rows(_columns_sql(table))}
            self._columns[table] = "rows_affected" if "rows_affected" in columns else "0"
        return statement(name).format(
            table=f"`{table}`", offset=int(offset), text_limit=TEXT_LIMIT, rows_affected=self._columns[table]
        )

    def _free_disk(self) -> int:
        usage = os.statvfs(self._state_dir)
        return max(usage.f_bavail * usage.f_frsize - DISK_RESERVE, 1024 * 1024)


def _columns_sql(table: str) -> str:
    return statement("slow_log_columns").format(table=f"`{table}`")
