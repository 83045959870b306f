"""The numbers that are compared: what one statement cost, by its fingerprint, on both sides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dbpower_agent.fingerprint import fingerprint
from tests.servers import MariaDB, MySQL, PostgreSQL

# Every statement of the load bears this in a name, so that it is told from those of the tests themselves.
MARK = "load_"


@dataclass(frozen=True)
class Totals:
    """Calls, their time in nanoseconds, and the rows they returned."""

    calls: int = 0
    time_ns: int = 0
    rows: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(self.calls + other.calls, self.time_ns + other.time_ns, self.rows + other.rows)

    def __sub__(self, other: "Totals") -> "Totals":
        return Totals(self.calls - other.calls, self.time_ns - other.time_ns, self.rows - other.rows)

    def exceeds(self, other: "Totals") -> bool:
        """Tell whether any of the numbers is above the other's."""
        return self.calls > other.calls or self.time_ns > other.time_ns or self.rows > other.rows


Ledger = Mapping[str, Totals]


def summed(rows: Iterable[tuple[str, Totals]]) -> dict[str, Totals]:
    """Return the sum by fingerprint, of the statements of the load alone."""
    sums: dict[str, Totals] = {}
    for key, totals in rows:
        if MARK in key:
            sums[key] = sums.get(key, Totals()) + totals
    return sums


def together(*ledgers: Ledger) -> dict[str, Totals]:
    """Return the sum of several ledgers."""
    return summed(item for ledger in ledgers for item in ledger.items())


def total(ledger: Ledger) -> Totals:
    """Return the sum of all statements."""
    return sum(ledger.values(), Totals())


def above(stored: Ledger, truth: Ledger) -> dict[str, tuple[Totals, Totals]]:
    """Return every statement of which more is stored than is true."""
    return {
        key: (totals, truth.get(key, Totals()))
        for key, totals in stored.items()
        if totals.exceeds(truth.get(key, Totals()))
    }


def counted_by_postgresql(server: PostgreSQL) -> dict[str, Totals]:
    """Return what pg_stat_statements counts now."""
    rows = server.execute("SELECT query, calls, total_exec_time, rows FROM pg_stat_statements")
    return summed(
        (fingerprint(query or "", dialect="postgres"), Totals(calls, round(milliseconds * 1_000_000), returned))
        for query, calls, milliseconds, returned in rows
    )


def logged_by_mysql(server: MariaDB | MySQL, *tables: str) -> dict[str, Totals]:
    """Return what stands in the slow log (or in the tables that hold a former one) now."""
    return summed(
        (fingerprint(_text(sql), dialect="mysql"), Totals(1, int(microseconds) * 1_000, int(returned)))
        for table in tables or ("slow_log",)
        for sql, microseconds, returned in server.execute(
            "SELECT sql_text, FLOOR(TIME_TO_SEC(query_time)) * 1000000 + MICROSECOND(query_time), rows_sent"
            f" FROM mysql.{table} WHERE sql_text LIKE '%{MARK}%'"
        )
    )


def _text(sql: Any) -> str:
    return sql.decode("utf-8", "replace") if isinstance(sql, bytes) else str(sql)
