"""A private PostgreSQL, with `pg_stat_statements` loaded and set to see everything."""

import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote

import psycopg

from tests.servers.base import PrivateServer
from tests.servers.process import Unavailable, run_as

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "compute_query_id": "on",
    "pg_stat_statements.track": "all",
    "track_io_timing": "on",
    "max_connections": "100",
    "fsync": "off",  # Data of tests need not survive a power cut, only a killed server, and that it does.
    "log_checkpoints": "off",
}


class PostgreSQL(PrivateServer):
    """PostgreSQL on a free loopback port; the superuser is `postgres`.

    `version` picks the installed major version (15 is Debian 12's own) or the one inside `root`;
    `settings` are added to SETTINGS or replace them.
    """

    name = "postgresql"
    accounts = ("postgres",)
    stop_signal = signal.SIGINT  # A fast shutdown; SIGTERM would wait for every client to leave.
    user: ClassVar[str] = "postgres"

    def __init__(
        self,
        version: int = 15,
        *,
        settings: Mapping[str, str] | None = None,
        data: Path | None = None,
        port: int | None = None,
        root: Path | None = None,
    ) -> None:
        self.version = version
        self.programs = Path(f"/usr/lib/postgresql/{version}/bin")
        if not ((root or Path("/")) / str(self.programs).lstrip("/") / "postgres").exists():
            raise Unavailable(f"PostgreSQL {version} is not installed")
        self.settings = {**SETTINGS, **(settings or {})}
        super().__init__(data=data, port=port, root=root)

    @property
    def dsn(self) -> str:
        """The superuser's connection string, in libpq's key=value form."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str, user: str | None = None, password: str | None = None) -> str:
        """Return a key=value connection string; without `user` the superuser's."""
        return psycopg.conninfo.make_conninfo(
            host=self.host,
            port=self.port,
            dbname=database,
            user=user or self.user,
            password=password if user else self.password,
        )

    def url(self, database: str = "postgres", user: str | None = None, password: str | None = None) -> str:
        """Return the same as `dsn_of`, as a URL for DATABASE_URL and the like."""
        secret = quote((password or "") if user else self.password, safe="")
        return f"postgresql://{quote(user or self.user, safe='')}:{secret}@{self.host}:{self.port}/{database}"

    def connect(
        self, database: str = "postgres", user: str | None = None, password: str | None = None
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection that commits every statement by itself."""
        return psycopg.connect(self.dsn_of(database, user, password), autocommit=True, connect_timeout=5)

    def execute(
        self, sql: str, parameters: Sequence[object] | None = None, *, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """Run `sql` as the superuser (several statements when there are no parameters) and return its last rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(sql.encode(), parameters)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str) -> str:
        """Create the database `name` with pg_stat_statements in it, and return its URL."""
        self.execute(f'CREATE DATABASE "{name}"')
        self.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", database=name)
        return self.url(name)

    def ready(self) -> object:
        """Return when the server answers queries."""
        return self.execute("SELECT 1")

    def start(self) -> Self:
        """Start the server; its `postgres` database has pg_stat_statements."""
        super().start()
        self.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        return self

    def _initialize(self) -> None:
        making = self.home / "data.new"
        shutil.rmtree(making, ignore_errors=True)
        initdb: list[str | Path] = [self.programs / "initdb", "-D", self.inside(making), "-U", self.user, "-E", "UTF8"]
        run_as(
            self.account,
            [
                *initdb,
                "--locale=C.UTF-8",
                "--no-sync",
                "--auth=scram-sha-256",
                "--pwfile",
                self.inside(self.home / "password"),
            ],
            root=self.root,
        )
        making.rename(self.data)

    def _arguments(self) -> list[str | Path]:
        settings = {**self.settings, "port": str(self.port), "unix_socket_directories": str(self.inside(self.run))}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [self.programs / "postgres", "-D", self.inside(self.data), *options]
