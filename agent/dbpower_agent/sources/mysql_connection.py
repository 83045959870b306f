"""One connection to MySQL or MariaDB, set up so that the server is safe and the agent stays out of its own results."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.database_config import DEFAULT_PORTS
from dbpower_agent.sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Generator

    from dbpower_agent.database_config import DatabaseConfig

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT: Final = 10
STATEMENT_TIMEOUT: Final = 15.0
LOCK_WAIT_TIMEOUT: Final = 2
SSL_MODES: Final = {
    "disable": "DISABLED",
    "require": "REQUIRED",
    "verify_ca": "VERIFY_CA",
    "verify_identity": "VERIFY_IDENTITY",
}

# Numbers of the server's errors, the same on MySQL and MariaDB.
ACCESS_DENIED: Final = frozenset({1044, 1045, 1698, 3118})
NO_PRIVILEGE: Final = frozenset({1142, 1143, 1227, 1370})
NO_TABLE: Final = frozenset({1146, 1049, 1109})

# An identifier in every statement of the agent, the name of a variable that is never set. Comments and literals do not
# reach `performance_schema`, identifiers do: there it tells the agent's statements from everybody else's.
MARK: Final = "dbpower_agent_own"
UNSET: Final = f"@`{MARK}`"
PROGRAM: Final = "dbpower-agent"

Row = tuple[bytes | None, ...]


class ReadLimitError(SourceError):
    """A statement ran into its time limit."""

    def __init__(self, detail: str) -> None:
        super().__init__("too_slow", detail)


def load_driver() -> tuple[Any, Any]:
    """The driver and its module of cursors: mysqlclient, or PyMySQL where that could not be built."""
    try:
        import MySQLdb
        import MySQLdb.connections
        import MySQLdb.cursors
    except ImportError:
        pass
    else:
        return MySQLdb, MySQLdb.cursors
    try:
        import pymysql
        import pymysql.connections
        import pymysql.cursors
    except ImportError:
        raise SourceError(
            "driver_missing", "neither mysqlclient nor PyMySQL is installed", "pip install 'dbpower-agent[mysql]'"
        ) from None
    return pymysql, pymysql.cursors


class MySQLConnection:
    """Autocommit, so no metadata lock outlives a statement; every value comes back as the server's own bytes."""

    def __init__(self, config: DatabaseConfig) -> None:
        self._driver, self._cursors = load_driver()
        self._closed = False
        try:
            self._raw = self._connect(config)
        except self._driver.MySQLError as error:
            raise connection_error(error, config) from error
        try:
            self._refuse_plain_text(config)
            self._prepare()
        except SourceError:
            self.close()
            raise
        except self._driver.MySQLError as error:
            self.close()
            raise connection_error(error, config) from error

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._raw.close()
        except self._driver.MySQLError:
            logger.debug("closing the connection failed")

    @property
    def closed(self) -> bool:
        return self._closed

    def rows(self, sql: str) -> list[Row]:
        """Run a statement with a small result. Raise SourceError, after STATEMENT_TIMEOUT a ReadLimitError."""
        try:
            cursor = self._raw.cursor()
            try:
                cursor.execute(sql)
                return list(cursor.fetchall())
            finally:
                cursor.close()
        except self._driver.MySQLError as error:
            raise self._translate(error) from error

    def value(self, sql: str) -> str | None:
        """The first column of the first row, as text."""
        rows = self.rows(sql)
        return None if not rows or rows[0][0] is None else rows[0][0].decode("utf-8", "replace")

    def stream(self, sql: str, *, limit_seconds: float) -> Generator[Row, None, None]:
        """Run a statement and hand its rows out one by one, so that memory stays flat.

        The connection is dropped when the consumer stops early or the time is over: reading a large rest only to
        throw it away would hold the statement, and with it a metadata lock, for as long.
        Raise ReadLimitError after `limit_seconds`.
        """
        deadline = time.monotonic() + limit_seconds
        complete = False
        cursor = None
        try:
            self._limit(limit_seconds)
            cursor = self._raw.cursor(self._cursors.SSCursor)
            cursor.execute(sql)
            while batch := cursor.fetchmany(200):
                if time.monotonic() > deadline:
                    raise ReadLimitError(f"reading took longer than {limit_seconds:.0f} seconds")
                yield from batch
            complete = True
        except self._driver.MySQLError as error:
            raise self._translate(error) from error
        finally:
            if complete and cursor is not None:
                cursor.close()
                self._limit(STATEMENT_TIMEOUT)
            else:
                self._abandon(cursor)

    def _abandon(self, cursor: Any) -> None:
        """Drop the connection below an unfinished result: closing the cursor itself would read all of the rest."""
        self.close()
        if cursor is None:
            return
        cursor.connection = None
        result: Any = getattr(cursor, "_result", None)
        if hasattr(result, "unbuffered_active"):
            result.unbuffered_active = False

    def _connect(self, config: DatabaseConfig) -> Any:
        arguments: dict[str, Any] = {
            "user": config.user or "",
            "password": config.current_password(),
            "charset": "utf8mb4",
            "use_unicode": False,
            "conv": {},
            "autocommit": None,
            "local_infile": False,
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": 60,
            "write_timeout": 30,
        }
        if config.socket:
            arguments |= {"host": "localhost", "unix_socket": config.socket}
        else:
            # libmariadb takes the name "localhost" for "use the socket"; an address is always TCP.
            host = "127.0.0.1" if config.effective_host == "localhost" else config.effective_host
            arguments |= {"host": host, "port": config.port or DEFAULT_PORTS["mysql"]}
        if config.database:
            arguments["database"] = config.database
        pure_python = self._driver.__name__ == "pymysql"
        if pure_python:
            # mysqlclient cannot say who it is; there the mark in each statement has to do.
            arguments["program_name"] = PROGRAM
        arguments |= tls_arguments(config, pure_python=pure_python)
        return silent(self._driver.connections.Connection)(**arguments)

    def _refuse_plain_text(self, config: DatabaseConfig) -> None:
        """A driver may fall back to plain text without a word (mysqlclient with `REQUIRED` does): look what is in use."""
        if config.tls_mode == "disable":
            return
        rows = self.rows(f"SHOW SESSION STATUS WHERE Variable_name = 'Ssl_cipher' AND {UNSET} IS NULL")
        if not rows or not rows[0][1]:
            self.close()
            raise SourceError(
                "tls_refused",
                "the server does not offer TLS and plain text is not allowed",
                "enable TLS on the server, or set db_config.tls.mode to disable",
            )

    def _prepare(self) -> None:
        self.is_mariadb = "mariadb" in (self.value(f"SELECT VERSION() AS {MARK}") or "").lower()
        # Before the zone is changed: how far the server's own zone is from UTC, in seconds.
        self.server_offset = int(self.value(f"SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW()) AS {MARK}") or 0)
        settings = [
            "autocommit = 1",
            "time_zone = '+00:00'",
            "long_query_time = 31536000",
            f"lock_wait_timeout = {LOCK_WAIT_TIMEOUT}",
        ]
        if self.is_mariadb:
            settings.append("slow_query_log = 0")
        self.rows(f"SET {UNSET} = NULL, NAMES utf8mb4, " + ", ".join(f"SESSION {setting}" for setting in settings))
        self._limit(STATEMENT_TIMEOUT)

    def _limit(self, seconds: float) -> None:
        """Have the server itself end a statement that runs too long."""
        if self.is_mariadb:
            self.rows(f"SET {UNSET} = NULL, SESSION max_statement_time = {seconds:.0f}")
        else:
            self.rows(f"SET {UNSET} = NULL, SESSION max_execution_time = {int(seconds * 1000)}")

    def _translate(self, error: Exception) -> SourceError:
        """A statement failed. Anything but a plain refusal makes the connection unusable."""
        code = error_number(error)
        if code in NO_PRIVILEGE | NO_TABLE:
            return SourceError("missing_privilege" if code in NO_PRIVILEGE else "missing_table", brief(error))
        self.close()
        if code in {1969, 3024}:
            return ReadLimitError("the server ended the statement: it took too long")
        return SourceError("database_error", f"the database connection failed: {brief(error)}")


def silent(connection_class: Any) -> Any:
    """The driver's class of connections without the `SET NAMES` that it sends by itself, and without the mark.

    The handshake has agreed on the character set already.
    """

    class SilentConnection(connection_class):  # type: ignore[misc]
        def set_character_set(self, charset: str, collation: str | None = None) -> None:  # noqa: ARG002
            self.encoding = "utf8"

    return SilentConnection


def tls_arguments(config: DatabaseConfig, *, pure_python: bool) -> dict[str, Any]:
    """TLS as the two drivers want it said."""
    mode, tls = config.tls_mode, config.tls
    paths = {name: path for name, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)) if path}
    if not pure_python:
        return {"ssl_mode": SSL_MODES[mode], **({"ssl": paths} if paths and mode != "disable" else {})}
    if mode == "disable":
        return {"ssl_disabled": True}
    if mode == "require":
        return {"ssl": {**paths, "check_hostname": False, "verify_mode": "none"}}
    return {"ssl": {**paths, "check_hostname": mode == "verify_identity", "verify_mode": "required"}}


def error_number(error: Exception) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def brief(error: Exception) -> str:
    """The server's message, bounded. It may quote an account name, never a password."""
    text = error.args[1] if len(error.args) > 1 else str(error)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return f"{text} ({error_number(error)})"[:300]


def connection_error(error: Exception, config: DatabaseConfig) -> SourceError:
    if error_number(error) in ACCESS_DENIED:
        return SourceError(
            "login_refused",
            f"the server refuses user {config.user or ''!r}: {brief(error)}",
            "check db_config.user and db_config.password, and the account on the server",
        )
    return SourceError("database_unreachable", f"cannot connect to the database: {brief(error)}")
