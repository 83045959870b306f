"""A private MariaDB that writes its slow log to the table `mysql.slow_log`."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import MySQLdb

from tests.servers.base import PrivateServer
from tests.servers.process import Unavailable, find_program, run_as

SETTINGS: Mapping[str, str] = {
    "slow-query-log": "1",
    "log-output": "TABLE",
    "long-query-time": "0.01",
    "performance-schema": "ON",
    "innodb-flush-log-at-trx-commit": "2",  # Survives a killed server; a power cut it need not.
    "innodb-buffer-pool-size": "64M",
    "max-connections": "100",
}


class MySQLFamily(PrivateServer):
    """What MariaDB and MySQL share: the protocol, the administrator `root` and how his password is set."""

    accounts = ("mysql",)
    user: ClassVar[str] = "root"

    def __init__(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        data: Path | None = None,
        port: int | None = None,
        root: Path | None = None,
    ) -> None:
        self.settings = {**SETTINGS, **(settings or {})}
        super().__init__(data=data, port=port, root=root)
        self.socket = self.run / "server.sock"

    def url(self, database: str = "", user: str | None = None, password: str | None = None) -> str:
        """Return the address as a URL; without `user` the administrator's."""
        secret = password or "" if user else self.password
        return f"mysql://{user or self.user}:{secret}@{self.host}:{self.port}/{database}"

    @contextlib.contextmanager
    def connect(self, database: str = "", user: str | None = None, password: str | None = None) -> Iterator[Any]:
        """Open a MySQLdb connection in UTF-8 that commits every statement by itself, and close it at the end."""
        connection = MySQLdb.connect(
            host=self.host,
            port=self.port,
            user=user or self.user,
            password=(password or "") if user else self.password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
        )
        try:
            yield connection
        finally:
            connection.close()

    def execute(
        self, sql: str, parameters: Sequence[object] | None = None, *, database: str = ""
    ) -> list[tuple[Any, ...]]:
        """Run one statement as the administrator and return its rows.

        The statement stays out of the slow log, so that a test finds there only what it put there.
        """
        with self.connect(database) as connection, contextlib.closing(connection.cursor()) as cursor:
            cursor.execute("SET SESSION long_query_time = 1000")
            cursor.execute(sql, parameters)
            return list(cursor.fetchall()) if cursor.description else []

    def create_database(self, name: str) -> str:
        """Create the database `name` and return its URL."""
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        return self.url(name)

    def ready(self) -> object:
        """Return when the server answers queries."""
        return self.execute("SELECT 1")

    def rotate_slow_log(self) -> None:
        """Put an empty table in the slow log's place, as an operator's rotation does; the old one is dropped."""
        self.execute("DROP TABLE IF EXISTS mysql.slow_log_prev, mysql.slow_log_next")
        self.execute("CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log")
        self.execute("RENAME TABLE mysql.slow_log TO mysql.slow_log_prev, mysql.slow_log_next TO mysql.slow_log")
        self.execute("DROP TABLE mysql.slow_log_prev")

    def _first_statements(self) -> Path:
        """Write the statements the server runs before it lets anybody in: they close the accounts without password."""
        file = self.run / "first.sql"
        file.touch(mode=0o600)
        self.account.own(file)
        lines = []
        for host in ("localhost", "127.0.0.1"):
            account = f"'{self.user}'@'{host}'"
            lines.append(f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{self.password}';")
            lines.append(f"ALTER USER {account} IDENTIFIED BY '{self.password}';")
            lines.append(f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;")
        file.write_text("\n".join(lines) + "\n")
        return file

    def _options(self) -> list[str]:
        """Return the options both servers understand."""
        own = {
            "datadir": self.inside(self.data),
            "port": self.port,
            "bind-address": self.host,
            "socket": self.inside(self.socket),
            "pid-file": self.inside(self.run / "server.pid"),
            "tmpdir": self.inside(self.run),
            "init-file": self.inside(self._first_statements()),
        }
        return ["--skip-name-resolve", *(f"--{name}={value}" for name, value in {**self.settings, **own}.items())]


class MariaDB(MySQLFamily):
    """MariaDB on a free loopback port (10.11 is Debian 12's own, another one lives inside `root`)."""

    name = "mariadb"

    def _initialize(self) -> None:
        making = self.home / "data.new"
        shutil.rmtree(making, ignore_errors=True)
        run_as(
            self.account,
            [
                self._program("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={self.inside(making)}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
            root=self.root,
        )
        making.rename(self.data)

    def _arguments(self) -> list[str | Path]:
        return [self._program("mariadbd"), "--no-defaults", *self._options()]

    def _program(self, name: str) -> Path:
        if self.root is None:
            return find_program(name)
        for folder in ("usr/sbin", "usr/bin"):
            if (self.root / folder / name).exists():
                return Path("/") / folder / name
        raise Unavailable(f"{name} is not in {self.root}")
