"""Rotation of `mysql.slow_log` by the agent, where an operator has asked for it: the only thing it ever changes on a server.

The log is swapped for an empty table by one RENAME, so no statement is logged nowhere. The former table is read to its end
by the next collection, and dropped once the backend has all of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.mysql_facts import grant_of

if TYPE_CHECKING:
    from dbpower_agent.sources.mysql_connection import MySQLConnection
    from dbpower_agent.sources.mysql_session import MySQLSession

logger = logging.getLogger(__name__)

FORMER: Final = "slow_log_dbpower"
NEXT: Final = "slow_log_dbpower_next"
# One rotator at a time, of all agents that may watch this server.
LOCK: Final = "dbpower_agent_rotation"
PRIVILEGES: Final = "SELECT, INSERT, CREATE, ALTER, DROP"


class Rotation:
    """Rotates logs of at least `rows` rows."""

    def __init__(self, session: MySQLSession, *, rows: int) -> None:
        self._session = session
        self._rows = rows
        self._former = True

    def run(self, taken: int) -> bool:
        """Drop the former log, and swap the present one when it has enough rows; tell whether it was swapped.

        Only to be called when the backend has `taken` rows of the present log and everything of the former one.
        Raise SourceError.
        """
        if not self._former and taken < self._rows:
            return False
        connection = self._session.connect()
        if connection.value(f"SELECT GET_LOCK('{LOCK}', 0)") != "1":
            return False
        try:
            if not self._prepare(connection):
                return False
            connection.rows(f"DROP TABLE IF EXISTS mysql.{FORMER}")
            self._former = False
            if taken < self._rows:
                return False
            self._swap(connection)
        except SourceError as error:
            raise _explained(error, connection) from error
        finally:
            if not connection.closed:
                connection.rows(f"SELECT RELEASE_LOCK('{LOCK}')")
        logger.info("rotated mysql.slow_log after %d rows", taken)
        return True

    def _prepare(self, connection: MySQLConnection) -> bool:
        """Keep it out of the binary log: replicas have slow logs of their own. False on a server that is read-only."""
        if connection.value("SELECT @@GLOBAL.read_only") != "0":
            return False
        if connection.value("SELECT @@GLOBAL.log_bin") != "0":
            connection.rows("SET SESSION sql_log_bin = 0")
        return True

    def _swap(self, connection: MySQLConnection) -> None:
        connection.rows(f"DROP TABLE IF EXISTS mysql.{NEXT}")
        connection.rows(f"CREATE TABLE mysql.{NEXT} LIKE mysql.slow_log")
        connection.rows(f"RENAME TABLE mysql.slow_log TO mysql.{FORMER}, mysql.{NEXT} TO mysql.slow_log")
        self._former = True


def _explained(error: SourceError, connection: MySQLConnection) -> SourceError:
    if error.code != "missing_privilege":
        return error
    grants = [grant_of(connection, f"{PRIVILEGES} ON mysql.{table}") for table in ("slow_log", FORMER, NEXT)]
    return SourceError("rotation_denied", f"the slow log cannot be rotated: {error.detail}", "; ".join(grants))
