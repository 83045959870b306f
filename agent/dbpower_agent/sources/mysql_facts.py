"""What the agent asks a MySQL or MariaDB server about itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dbpower_agent.sources.base import statement

if TYPE_CHECKING:
    from dbpower_agent.sources.mysql_connection import MySQLConnection


@dataclass(frozen=True)
class ServerFacts:
    """`identity` names the server whatever address it has; `now` is its clock in UTC; `offset` its zone in seconds."""

    identity: str
    now: datetime
    offset: int
    is_mariadb: bool
    slow_queries: int
    uptime_seconds: int
    log_output: str
    logging: bool
    variables: dict[str, str]


def read_facts(connection: MySQLConnection) -> ServerFacts:
    variables = read_pairs(connection, "mysql_facts")
    counters = read_pairs(connection, "mysql_counters")
    now = datetime.fromisoformat(connection.value(statement("mysql_now")) or "1970-01-01").replace(tzinfo=UTC)
    return ServerFacts(
        identity=server_identity(variables),
        now=now,
        offset=connection.server_offset,
        is_mariadb=connection.is_mariadb,
        slow_queries=int(counters.get("slow_queries") or 0),
        uptime_seconds=int(counters.get("uptime") or 0),
        log_output=variables.get("log_output", "").upper(),
        logging="ON" in {variables.get("slow_query_log", "").upper(), variables.get("log_slow_query", "").upper()},
        variables=variables,
    )


def read_slow_queries(connection: MySQLConnection) -> int:
    """How many statements the server has found slow since it started, logged or not."""
    return int(read_pairs(connection, "mysql_counters").get("slow_queries") or 0)


def read_pairs(connection: MySQLConnection, name: str) -> dict[str, str]:
    """A `SHOW …` of names and values, the names in lower case."""
    return {
        (row[0] or b"").decode("utf-8", "replace").lower(): (row[1] or b"").decode("utf-8", "replace")
        for row in connection.rows(statement(name))
    }


def server_identity(variables: dict[str, str]) -> str:
    """`server_uuid` on MySQL, `server_uid` on MariaDB; older servers are named by where they run."""
    known = variables.get("server_uuid") or variables.get("server_uid")
    if known:
        return known
    place = "\n".join(variables.get(name, "") for name in ("hostname", "port", "datadir"))
    return hashlib.sha256(place.encode()).hexdigest()


def grant_of(connection: MySQLConnection, privilege: str) -> str:
    """The GRANT that gives `privilege` to the account that is signed in."""
    user, _, host = (connection.value(statement("mysql_account")) or "").rpartition("@")
    return f"GRANT {privilege} TO '{user}'@'{host}'"
