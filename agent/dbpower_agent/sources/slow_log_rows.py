"""One row of `mysql.slow_log`: its raw columns, their hash, and what it says about an execution."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

# Longer statements are cut before they leave the server, so that one row cannot fill the agent's memory. The row's
# whole length is part of its hash.
TEXT_LIMIT: Final = 262_144
# The columns that identify a row, in this order; `rows_affected`, which MySQL lacks, follows them.
IDENTIFYING: Final = 10
USER_HOST: Final = re.compile(r"(?P<user>.*?)(?:\[(?P<priv>.*?)\])? @ (?P<host>.*?) ?\[(?P<address>[^\[\]]*)\]\s*")
MAX_INT: Final = 2**63 - 1
# The backend takes no longer one, and would refuse the upload that holds it.
MAX_NAME: Final = 200

RawRow = tuple[bytes | None, ...]


@dataclass(frozen=True)
class Execution:
    """A logged execution. `start_time` is the wall clock of an unknown zone, here without one."""

    start_time: datetime
    query_time: float
    lock_time: float
    rows_sent: int
    rows_examined: int
    rows_affected: int
    database: str
    user: str
    host: str
    sql_text: str


def row_hash(row: RawRow) -> str:
    """Hex SHA-256 over the raw columns, each with its length, so that no two rows run together to the same bytes."""
    digest = hashlib.sha256()
    for column in row[:IDENTIFYING]:
        digest.update(b"-" if column is None else b"%d:%s" % (len(column), column))
    return digest.hexdigest()


def generation_id(server_identity: str, first_row: RawRow) -> str:
    """Names the life of one log: any agent that reads this server's log computes the same."""
    return hashlib.sha256(f"{server_identity}\n{row_hash(first_row)}".encode()).hexdigest()


def parse_row(row: RawRow) -> Execution:
    """Read the columns in the order of `sql/slow_log_rows.sql`. Bytes that are no UTF-8 become replacement marks."""
    user, host = split_user_host(_text(row[1]))
    return Execution(
        start_time=parse_wall_clock(_text(row[0])),
        query_time=parse_duration(_text(row[2])),
        lock_time=parse_duration(_text(row[3])),
        rows_sent=_count(row[4]),
        rows_examined=_count(row[5]),
        rows_affected=_count(row[10]) if len(row) > IDENTIFYING else 0,
        database=clean_text(_text(row[6]))[:MAX_NAME],
        user=clean_text(user)[:MAX_NAME],
        host=clean_text(host)[:MAX_NAME],
        sql_text=_text(row[9]),
    )


def split_user_host(text: str) -> tuple[str, str]:
    """`app[app] @ web1 [10.0.0.7]` → `app` and the address, or the name where there is no address."""
    match = USER_HOST.fullmatch(text)
    if match is None:
        return text, ""
    return match["user"] or match["priv"] or "", match["address"] or match["host"]


def parse_duration(text: str) -> float:
    """`HH:MM:SS.ffffff` in seconds; 0 for anything else."""
    hours, _, rest = text.partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return max(0.0, round(int(hours) * 3600 + int(minutes) * 60 + float(seconds), 6))
    except ValueError:
        return 0.0


def parse_wall_clock(text: str) -> datetime:
    """`YYYY-MM-DD HH:MM:SS.ffffff`, marked as UTC only to make it comparable; the epoch for a damaged one."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)


def clean_text(text: str) -> str:
    """Without NUL and lone surrogates, which no database of the backend stores."""
    if text.isascii() and "\0" not in text:
        return text
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def event_end(execution: Execution, *, logs_start: bool) -> datetime:
    """When the statement ended, in the unknown zone: MariaDB logs the start of a statement, MySQL its end."""
    return execution.start_time + timedelta(seconds=execution.query_time if logs_start else 0.0)


def _text(column: bytes | None) -> str:
    return "" if column is None else column.decode("utf-8", "replace")


def _count(column: bytes | None) -> int:
    try:
        return min(max(int(column or 0), 0), MAX_INT)
    except ValueError:
        return 0
