"""What the load of databases is grouped by."""

from enum import StrEnum
from typing import Final


class Grouping(StrEnum):
    """One row for each of these. Hosts are known of single slow queries only."""

    FINGERPRINT = "fingerprint"
    FINGERPRINT_DATABASE = "fingerprint_database"
    DATABASE = "database"
    SCHEMA = "schema"
    USER = "user"
    HOST = "host"
    TEAM = "team"

    @property
    def of_statements(self) -> bool:
        """Whether a row is one statement, with a text."""
        return self in {Grouping.FINGERPRINT, Grouping.FINGERPRINT_DATABASE}

    @property
    def from_slow_queries(self) -> bool:
        """Whether only the single executions of slow logs tell it."""
        return self is Grouping.HOST


def grouping(text: str, *, default: Grouping = Grouping.FINGERPRINT) -> Grouping:
    """Return the grouping of that name; what is none is the default."""
    return Grouping(text) if text in set(Grouping) else default


# The columns of Cost that single slow queries have as well, and what they are called there.
SLOW_QUERY_COLUMNS: Final = {
    "total_time_ns": "query_time_ns",
    "min_time_ns": "query_time_ns",
    "max_time_ns": "query_time_ns",
    "rows": "rows_sent",
    "rows_examined": "rows_examined",
    "rows_affected": "rows_affected",
    "lock_time_ns": "lock_time_ns",
}
