"""One connection to PostgreSQL, set up so that the server is safe and nothing but the configuration decides about it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.database_config import DEFAULT_PORTS
from dbpower_agent.sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from dbpower_agent.database_config import DatabaseConfig

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT: Final = 10
STATEMENT_TIMEOUT_MS: Final = 60_000
LOCK_TIMEOUT_MS: Final = 2_000
# A file that cannot exist: libpq then reads no password file of the user it runs as.
NO_FILE: Final = "/nonexistent/dbpower-agent"
SSL_MODES: Final = {
    "disable": "disable",
    "require": "require",
    "verify_ca": "verify-ca",
    "verify_identity": "verify-full",
}
LOGIN_REFUSED: Final = frozenset({"28000", "28P01"})
LOGIN_WORDS: Final = ("authentication failed", "no password supplied", "no pg_hba.conf entry", 'FATAL: role "')
# Every statement carries this mark inside its text, so that the agent finds its own entries in pg_stat_statements.
MARK: Final = "dbpower-agent"
TIMED_OUT: Final = "57014"

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Limits:
    """How long a statement may take and may wait for locks, and when its connection is cut."""

    statement_ms: int
    lock_ms: int
    cut_off_seconds: float


class StatementFailedError(Exception):
    """The server refused a statement. Its message stays here: it may quote data."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class PostgresConnection:
    """Autocommit, no prepared statements, its own application name, limits on every statement and lock."""

    def __init__(self, config: DatabaseConfig) -> None:
        import psycopg

        self._errors = psycopg
        forget_environment()
        try:
            self._raw = psycopg.connect(**connect_arguments(config))
        except psycopg.Error as error:
            raise connection_error(error, config) from error
        self._raw.prepare_threshold = None
        if config.tls_mode != "disable" and not self._raw.pgconn.ssl_in_use:
            self.close()
            raise SourceError("tls_refused", "the connection is not encrypted", "enable ssl on the server")

    @property
    def closed(self) -> bool:
        return bool(self._raw.closed)

    def close(self) -> None:
        with contextlib.suppress(self._errors.Error, OSError):
            self._raw.close()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run a statement with a small result. A literal percent sign in `sql` is written twice."""
        try:
            with self._raw.cursor() as cursor:
                cursor.execute(sql.encode(), parameters)
                return cursor.fetchall()
        except self._errors.Error as error:
            raise self._translate(error) from error

    def rows_of_strangers(self, sql: str, parameters: Sequence[object], *, limits: Limits) -> list[Row]:
        """Run a statement that may run code of others, in a transaction that cannot write and is always rolled back.

        Such code can catch the server's own timeout and go on: then the connection is cut, and the server, which looks every
        second whether its client is there, ends the session. Raise StatementFailedError.
        """
        settings = (
            "SET TRANSACTION READ ONLY; SET LOCAL client_connection_check_interval = 1000;"
            f"SET LOCAL statement_timeout = {limits.statement_ms}; SET LOCAL lock_timeout = {limits.lock_ms}"
        )
        is_over = threading.Event()
        timer = threading.Timer(limits.cut_off_seconds, self._cut_off, [is_over])
        timer.daemon = True
        timer.start()
        try:
            with self._raw.transaction(force_rollback=True), self._raw.cursor() as cursor:
                cursor.execute(settings.encode())
                return cursor.execute(sql.encode(), parameters).fetchall()
        except self._errors.Error as error:
            state = TIMED_OUT if is_over.is_set() else getattr(error, "sqlstate", None)
            raise StatementFailedError(state or "08000") from None
        finally:
            timer.cancel()

    def _cut_off(self, is_over: threading.Event) -> None:
        """End the connection under whoever waits for its answer, from another thread."""
        is_over.set()
        with contextlib.suppress(self._errors.Error, OSError), socket.socket(fileno=os.dup(self._raw.fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Generator[Row, None, None]:
        """Run a statement and hand its rows out one by one, so that memory stays flat."""
        try:
            with self._raw.cursor() as cursor:
                yield from cursor.stream(sql.encode(), parameters)
        except self._errors.Error as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> SourceError:
        code = getattr(error, "sqlstate", None)
        if code == "42501":
            return SourceError("missing_privilege", brief(error))
        if code in {"42P01", "42883", "3F000"}:
            return SourceError("missing_object", brief(error))
        if code == "55000":
            return SourceError(
                "not_preloaded", brief(error), "shared_preload_libraries = 'pg_stat_statements' (needs a restart)"
            )
        self.close()
        return SourceError("database_error", f"the database connection failed: {brief(error)}")


def connect_arguments(config: DatabaseConfig) -> dict[str, Any]:
    """Keyword parameters only: each stays one value, whatever characters it holds."""
    tls = config.tls
    limits = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS} -c TimeZone=UTC"
    arguments: dict[str, Any] = {
        "host": config.effective_host,
        "port": config.port or DEFAULT_PORTS["postgres"],
        "dbname": config.database or "postgres",
        "user": config.user or "postgres",
        "password": config.current_password(),
        "application_name": MARK,
        "connect_timeout": CONNECT_TIMEOUT,
        "options": f"{limits} -c idle_in_transaction_session_timeout=60000",
        "sslmode": SSL_MODES[config.tls_mode],
        "gssencmode": "disable",
        "passfile": NO_FILE,
        "client_encoding": "UTF8",
        "autocommit": True,
        "keepalives_idle": 60,
        "tcp_user_timeout": 60_000,
    }
    if config.socket:
        # libpq wants the directory; the socket's name follows from the port.
        directory, _, name = config.socket.rpartition("/.s.PGSQL.")
        arguments |= {"host": directory or config.socket, **({"port": int(name)} if name.isdecimal() else {})}
        if not directory:
            arguments["port"] = config.port or DEFAULT_PORTS["postgres"]
    if tls.ca:
        arguments["sslrootcert"] = tls.ca
    elif config.tls_mode == "verify_identity":
        arguments["sslrootcert"] = "system"
    else:
        arguments["sslrootcert"] = NO_FILE
    arguments |= {"sslcert": tls.cert or NO_FILE, "sslkey": tls.key or NO_FILE, "sslcrl": NO_FILE}
    return arguments


def forget_environment() -> None:
    """libpq fills gaps from PGSERVICE, PGOPTIONS, PGSSLMODE and two dozen more; the configuration leaves none to them."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def brief(error: Exception) -> str:
    """The server's message, bounded, one line. It may quote an account name, never a password."""
    return " ".join(str(error).split())[:300]


def connection_error(error: Exception, config: DatabaseConfig) -> SourceError:
    text = brief(error)
    # libpq leaves no SQLSTATE on a failed login, only its text.
    if getattr(error, "sqlstate", None) in LOGIN_REFUSED or any(words in text for words in LOGIN_WORDS):
        return SourceError(
            "login_refused",
            f"the server refuses user {config.user or 'postgres'!r}: {text}",
            "check db_config.user and db_config.password, the role on the server and its pg_hba.conf",
        )
    if "does not support SSL" in text or "certificate" in text:
        return SourceError("tls_refused", text, "check db_config.tls and ssl on the server")
    return SourceError("database_unreachable", f"cannot connect to the database: {text}")
