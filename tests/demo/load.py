"""A shop's day on both databases: many quick statements, and now and then a report that takes far too long.

The rates are low on purpose: the demo leaves the machine to the person who looks at it.
"""

import contextlib
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.demo.databases import APPLICATION, Databases
from tests.demo.logins import write_private
from tests.demo.places import Places
from tests.servers import MariaDB, PostgreSQL
from tests.servers.process import Account, ServerProcess, find_program, run_as

Values = Callable[[random.Random], tuple[object, ...]]
QUICK_PER_SLOW = 8
PAUSE_SECONDS = 0.25  # Between two statements of one shop, on average.
BENCH_RATE = 4  # Transactions a second.
PGBENCH_SCALE = 1
SYSBENCH_ROWS = 5000


@dataclass(frozen=True)
class Statement:
    """A statement that both engines understand, and how its values are drawn."""

    sql: str
    values: Values


def some_days_ago(draw: random.Random, most: int) -> datetime:
    """Return a moment up to `most` days ago."""
    return datetime.now(UTC).replace(tzinfo=None) - timedelta(days=draw.randint(10, most))


QUICK: Sequence[Statement] = (
    Statement("SELECT id, email, name FROM customers WHERE id = %s", lambda draw: (draw.randint(1, 4000),)),
    Statement("SELECT name, price, stock FROM products WHERE id = %s", lambda draw: (draw.randint(1, 600),)),
    Statement(
        "SELECT product_id, quantity, price FROM order_lines WHERE order_id = %s",
        lambda draw: (draw.randint(1, 40000),),
    ),
    Statement(
        "UPDATE products SET stock = stock - %s WHERE id = %s",
        lambda draw: (draw.randint(1, 3), draw.randint(1, 600)),
    ),
)
SLOW: Sequence[Statement] = (
    Statement(  # Turnover by country: three tables, no index helps.
        "SELECT c.country, COUNT(DISTINCT o.id), SUM(l.quantity * l.price) FROM order_lines l"
        " JOIN orders o ON o.id = l.order_id JOIN customers c ON c.id = o.customer_id"
        " WHERE o.placed_at >= %s GROUP BY c.country ORDER BY 3 DESC",
        lambda draw: (some_days_ago(draw, 400),),
    ),
    Statement(  # A search inside a text.
        "SELECT o.id, c.email, o.total FROM orders o JOIN customers c ON c.id = o.customer_id"
        " WHERE LOWER(o.note) LIKE %s ORDER BY o.total DESC LIMIT 20",
        lambda draw: (f"%express%reference%{draw.randint(10, 99)}%",),
    ),
    Statement(  # Best sellers, worked out from scratch every time.
        "SELECT p.category, p.name, SUM(l.quantity) AS sold, AVG(l.price) FROM order_lines l"
        " JOIN products p ON p.id = l.product_id WHERE l.price > %s GROUP BY p.category, p.name ORDER BY sold DESC",
        lambda draw: (draw.randint(1, 30),),
    ),
    Statement(  # Reads all orders once for each of a hundred and twenty customers.
        "SELECT c.id, (SELECT MAX(o.total) FROM orders o WHERE o.customer_id = c.id) AS dearest FROM customers c"
        " WHERE c.id BETWEEN %s AND %s",
        lambda draw: (first := draw.randint(1, 3800), first + 120),
    ),
    Statement(  # Finds its rows by a column without an index.
        "UPDATE orders SET status = 'paid' WHERE customer_id = %s AND status <> 'returned'",
        lambda draw: (draw.randint(1, 4000),),
    ),
)


class Shop(threading.Thread):
    """One application that talks to one server until it is stopped; a lost connection is opened again."""

    def __init__(self, server: MariaDB | PostgreSQL, password: str) -> None:
        super().__init__(name=f"shop-{server.name}", daemon=True)
        self._server = server
        self._password = password
        self._stopping = threading.Event()
        self._draw = random.Random()

    def stop(self) -> None:
        """End after the statement that is running."""
        self._stopping.set()
        self.join(timeout=10)

    def run(self) -> None:
        """Talk to the server until stopped."""
        while not self._stopping.is_set():
            # Any failure of a driver means the same here: open a new connection a little later.
            with contextlib.suppress(Exception), self._connected() as connection:
                self._trade(connection)
            self._stopping.wait(1)

    def _connected(self) -> AbstractContextManager[Any]:
        return self._server.connect("shop", APPLICATION, self._password)

    def _trade(self, connection: Any) -> None:
        while not self._stopping.is_set():
            slow = self._draw.randrange(QUICK_PER_SLOW) == 0
            statement = self._draw.choice(SLOW if slow else QUICK)
            with contextlib.closing(connection.cursor()) as cursor:
                cursor.execute(statement.sql, statement.values(self._draw))
                if cursor.description:
                    cursor.fetchall()
            self._stopping.wait(self._draw.uniform(0, 2 * PAUSE_SECONDS))


@contextlib.contextmanager
def running_load(databases: Databases, places: Places) -> Iterator[None]:
    """Keep both databases busy: the shop's own statements, pgbench on PostgreSQL and sysbench on MariaDB."""
    password = databases.application_password()
    shops = [Shop(databases.mariadb, password), Shop(databases.postgresql, password)]
    with contextlib.ExitStack() as stack:
        for bench in (pgbench(databases, places), sysbench(databases, places)):
            stack.callback(bench.stop)
            bench.start()
        for shop in shops:
            stack.callback(shop.stop)
            shop.start()
        yield


def pgbench(databases: Databases, places: Places) -> ServerProcess:
    """Return PostgreSQL's own benchmark at a low rate, its tables filled."""
    server = databases.postgresql
    file = places.home / "pgpass"
    write_private(file, f"{server.host}:{server.port}:bench:{APPLICATION}:{databases.application_password()}\n")
    program = server.programs / "pgbench"
    target = ["-h", server.host, "-p", str(server.port), "-U", APPLICATION, "bench"]
    environment = {**os.environ, "PGPASSFILE": str(file)}
    if not server.execute("SELECT to_regclass('pgbench_history')", database="bench")[0][0]:
        with_password = ["/usr/bin/env", f"PGPASSFILE={file}"]
        run_as(Account.current(), [*with_password, program, "-i", "-q", "-s", str(PGBENCH_SCALE), *target])
    endless = ["-n", "-R", str(BENCH_RATE), "-c", "2", "-T", "1000000000"]
    return bench_process("pgbench", [program, *endless, *target], places, environment)


def sysbench(databases: Databases, places: Places) -> ServerProcess:
    """Return sysbench's mixed load at a low rate, its table filled; the password travels in a private file."""
    server = databases.mariadb
    options = {
        "db-driver": "mysql",
        "mysql-host": server.host,
        "mysql-port": server.port,
        "mysql-user": APPLICATION,
        "mysql-password": databases.application_password(),
        "mysql-db": "bench",
        "tables": 1,
        "table-size": SYSBENCH_ROWS,
        "threads": 2,
        "rate": BENCH_RATE,
        "time": 0,
        "events": 0,
    }
    file = places.home / "sysbench.cfg"
    write_private(file, "".join(f"{name}={value}\n" for name, value in options.items()))
    command: list[str | Path] = [find_program("sysbench"), f"--config-file={file}", "oltp_read_write"]
    # Its index is the last thing sysbench makes: without it an earlier preparation was interrupted.
    if not server.execute("SELECT 1 FROM information_schema.statistics WHERE index_name = 'k_1'"):
        server.execute("DROP TABLE IF EXISTS bench.sbtest1")
        run_as(Account.current(), [*command, "prepare"])
    return bench_process("sysbench", [*command, "run"], places, None)


def bench_process(
    name: str, command: list[str | Path], places: Places, environment: dict[str, str] | None
) -> ServerProcess:
    """Return a benchmark as a process that needs no readiness."""
    log = places.logs / f"{name}.log"
    return ServerProcess(name, command, log=log, account=Account.current(), ready=lambda: None, environment=environment)
