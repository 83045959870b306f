"""The one connection that all sources of a MySQL or MariaDB server share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbpower_agent.sources.mysql_connection import MySQLConnection

if TYPE_CHECKING:
    from dbpower_agent.database_config import DatabaseConfig


class MySQLSession:
    """Opens the connection when it is first needed, and again when it broke."""

    def __init__(self, config: DatabaseConfig) -> None:
        self.config = config
        self._connection: MySQLConnection | None = None

    def connect(self) -> MySQLConnection:
        """The open connection, another object after every reconnect. Raise SourceError."""
        if self._connection is None or self._connection.closed:
            self._connection = MySQLConnection(self.config)
        return self._connection

    def close(self) -> None:
        """Drop the connection; the next `connect` opens another. Never raises."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
