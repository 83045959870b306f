"""The two monitored databases: started with their data, filled the first time, with accounts of least privilege."""

import contextlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.demo.logins import Logins, write_private
from tests.demo.places import Places
from tests.servers import MariaDB, PostgreSQL
from tests.servers.process import Account, free_port

SHOP = Path(__file__).with_name("shop")
MONITOR = "dbpower"  # The agent's account: it reads statistics and nothing else.
APPLICATION = "shop"
# A shop's administrator would set these; what takes 50 ms is slow enough to be looked at.
MARIADB_SETTINGS: Mapping[str, str] = {"long-query-time": "0.05"}
MARIADB_ACCOUNTS = """
CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS bench;
CREATE USER IF NOT EXISTS '{monitor}'@'127.0.0.1';
ALTER USER '{monitor}'@'127.0.0.1' IDENTIFIED BY '{monitor_password}';
GRANT SELECT ON mysql.slow_log TO '{monitor}'@'127.0.0.1';
CREATE USER IF NOT EXISTS '{application}'@'127.0.0.1';
ALTER USER '{application}'@'127.0.0.1' IDENTIFIED BY '{application_password}';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO '{application}'@'127.0.0.1';
GRANT ALL ON bench.* TO '{application}'@'127.0.0.1';
"""
POSTGRESQL_ACCOUNTS = """
ALTER ROLE {monitor} LOGIN PASSWORD '{monitor_password}';
GRANT pg_read_all_stats TO {monitor};
ALTER ROLE {application} LOGIN PASSWORD '{application_password}';
"""


@dataclass(frozen=True)
class Databases:
    """The running servers, and how the agents and the applications log in."""

    mariadb: MariaDB
    postgresql: PostgreSQL
    logins: Logins

    def agent_config(self, db_type: str) -> dict[str, Any]:
        """Return the connection of the agent that watches the database of `db_type`, in the wire's shape."""
        server: MariaDB | PostgreSQL = self.mariadb if db_type == "mysql" else self.postgresql
        config = {"host": server.host, "port": server.port, "user": MONITOR, "password": monitor(self.logins, db_type)}
        return config if db_type == "mysql" else {**config, "database": "postgres"}

    def application_password(self) -> str:
        """Return the password of the account the load runs as, the same on both servers."""
        return self.logins.password("database account shop")


def monitor(logins: Logins, db_type: str) -> str:
    """Return the password of the agent's account."""
    return logins.password(f"database account dbpower ({db_type})")


def start_databases(places: Places, logins: Logins, stack: contextlib.ExitStack) -> Databases:
    """Start both servers and fill them if they are new; `stack` stops them."""
    folder = places.database_folder("mariadb", Account.for_servers(*MariaDB.accounts))
    mariadb = stack.enter_context(MariaDB(data=folder, port=kept_port(folder), settings=MARIADB_SETTINGS))
    folder = places.database_folder("postgresql", Account.for_servers(*PostgreSQL.accounts))
    postgresql = stack.enter_context(PostgreSQL(data=folder, port=kept_port(folder)))
    databases = Databases(mariadb, postgresql, logins)
    fill_mariadb(databases)
    fill_postgresql(databases)
    return databases


def kept_port(folder: Path) -> int:
    """Return the port this server had the last time if it is free, so that registered addresses stay true."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "port"
    if file.exists() and is_free(int(file.read_text())):
        return int(file.read_text())
    port = free_port()
    write_private(file, str(port))
    return port


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def fill_mariadb(databases: Databases) -> None:
    """Make the accounts and the shop where they are missing; what an interrupted run left half-made is made anew."""
    server = databases.mariadb
    for statement in split(accounts(MARIADB_ACCOUNTS, databases, "mysql")):
        server.execute(statement)
    if server.execute("SHOW TABLES", database="shop"):
        return
    server.execute("DROP DATABASE IF EXISTS shop_new")
    server.execute("CREATE DATABASE shop_new CHARACTER SET utf8mb4")
    for statement in split((SHOP / "mariadb.sql").read_text()):
        server.execute(statement, database="shop_new")
    tables = [row[0] for row in server.execute("SHOW TABLES", database="shop_new")]
    server.execute("RENAME TABLE " + ", ".join(f"shop_new.{table} TO shop.{table}" for table in tables))
    server.execute("DROP DATABASE shop_new")


def fill_postgresql(databases: Databases) -> None:
    """The same on PostgreSQL."""
    server = databases.postgresql
    for role in (MONITOR, APPLICATION):
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]):
            server.execute(f"CREATE ROLE {role}")
    for statement in split(accounts(POSTGRESQL_ACCOUNTS, databases, "postgres")):
        server.execute(statement)
    existing = {row[0] for row in server.execute("SELECT datname FROM pg_database")}
    if "bench" not in existing:
        server.execute(f"CREATE DATABASE bench OWNER {APPLICATION}")
    if "shop" not in existing:
        server.execute("DROP DATABASE IF EXISTS shop_new")
        server.execute(f"CREATE DATABASE shop_new OWNER {APPLICATION}")
        with server.connect("shop_new") as connection:
            connection.execute(f"SET ROLE {APPLICATION}")
            connection.execute((SHOP / "postgresql.sql").read_bytes())
        server.execute("ALTER DATABASE shop_new RENAME TO shop")


def split(sql: str) -> list[str]:
    """Return the statements of a script; each ends with a semicolon at the end of a line."""
    return [statement for statement in sql.split(";\n") if statement.strip()]


def accounts(template: str, databases: Databases, db_type: str) -> str:
    """Return the statements that give the agent's and the application's account their passwords and rights."""
    return template.format(
        monitor=MONITOR,
        monitor_password=monitor(databases.logins, db_type),
        application=APPLICATION,
        application_password=databases.application_password(),
    )
