"""What an agent costs the server it watches: `python -m tests.load.bench_agent_overhead --seconds 20 --rounds 3`.

pgbench loads a private PostgreSQL, sysbench a private MariaDB, in rounds without and with an agent by turns, so that
whatever else the machine does falls on all alike. Measured is the CPU time of the server's own processes for each
thousand transactions, and exactly, whatever else goes on, that of the one process or thread which serves the agent's
session; the agent's own is shown beside it. Nothing is judged here: the table is for people.
"""

import argparse
import contextlib
import io
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.agent.agents import eventually, running_agent, write_config
from tests.agent.conftest import mysql_site, postgres_site
from tests.agent.counting import CountingBackend
from tests.servers.base import PrivateServer
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import descendants

TICKS = os.sysconf("SC_CLK_TCK")
CLIENTS = 2
# Minutes between two collections: none without an agent, the agent's default, and every second.
SETUPS: dict[str, float | None] = {"no agent": None, "every 5 min": 5.0, "every second": 1 / 60}


@dataclass(frozen=True)
class Round:
    """CPU seconds of the server, of the agent's session in it and of the agent; transactions and collections in
    `seconds`.
    """

    server_cpu: float
    session_cpu: float
    agent_cpu: float
    transactions: int
    seconds: float
    collections: int

    @property
    def cpu_per_thousand(self) -> float:
        """Seconds of the server's CPU for a thousand transactions."""
        return self.server_cpu / self.transactions * 1000

    @property
    def rate(self) -> float:
        """Transactions a second."""
        return self.transactions / self.seconds


class Load:
    """A server under the load of its usual tool, with what an agent needs to watch it."""

    kind: str
    server: PrivateServer
    db_config: dict[str, Any]
    more: dict[str, Any] = {}

    def prepare(self) -> None:
        """Make the tables."""
        raise NotImplementedError

    def reset(self) -> None:
        """Begin a round as the one before it began."""

    def transactions(self, seconds: int) -> int:
        """Run the load; returns the number of transactions."""
        raise NotImplementedError

    def session_cpu(self) -> float:
        """CPU seconds of the process or thread of the server that serves the agent."""
        raise NotImplementedError


class PgBench(Load):
    """pgbench, its TPC-B-like transactions."""

    kind = "postgres"

    def __init__(self, server: PostgreSQL) -> None:
        self.server = self._postgresql = server
        self.db_config = postgres_site(server).db_config
        self._arguments = ["-h", server.host, "-p", str(server.port), "-U", server.user, "postgres"]
        self._environment = {**os.environ, "PGPASSWORD": server.password}
        self._program = str(server.programs / "pgbench")

    def prepare(self) -> None:
        run([self._program, "-i", "-q", "-s", "5", *self._arguments], self._environment)

    def transactions(self, seconds: int) -> int:
        load = ["-n", "-T", str(seconds), "-c", str(CLIENTS)]
        said = run([self._program, *load, *self._arguments], self._environment)
        return number_in(said, r"transactions actually processed: (\d+)")

    def session_cpu(self) -> float:
        sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'dbpower-agent'"
        return sum(precise_cpu(Path(f"/proc/{pid}")) for (pid,) in self._postgresql.execute(sql))


class SysBench(Load):
    """sysbench, its transactions of reads and writes; both sources of the agent read."""

    kind = "mysql"
    more = {"sources": ["slow_log", "performance_schema"]}

    def __init__(self, server: MariaDB) -> None:
        self.server = self._mariadb = server
        site = mysql_site(server)
        server.execute(f"GRANT SELECT ON performance_schema.* TO {site.user}@'127.0.0.1'")
        server.create_database("sbtest")
        self.db_config = site.db_config
        self._arguments = [
            "sysbench",
            "oltp_read_write",
            *(f"--mysql-{name}={value}" for name, value in (("host", server.host), ("port", server.port))),
            *(f"--mysql-{name}={value}" for name, value in (("user", server.user), ("password", server.password))),
            *("--tables=2", "--table-size=20000", f"--threads={CLIENTS}"),
        ]

    def prepare(self) -> None:
        run([*self._arguments, "prepare"])

    def reset(self) -> None:
        self._mariadb.execute("TRUNCATE TABLE mysql.slow_log")

    def transactions(self, seconds: int) -> int:
        said = run([*self._arguments, f"--time={seconds}", "run"])
        return number_in(said, r"transactions:\s+(\d+)")

    def session_cpu(self) -> float:
        sql = f"SELECT tid FROM information_schema.processlist WHERE user = '{self.db_config['user']}'"
        tasks = Path(f"/proc/{self.server.pid}/task")
        return sum(precise_cpu(tasks / str(tid)) for (tid,) in self._mariadb.execute(sql))


def run(arguments: list[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{arguments[0]} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def number_in(text: str, pattern: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"no number of transactions in:\n{text}")
    return int(found[1])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its living descendants, and those that have ended."""
    return sum(cpu_of(Path(f"/proc/{process}/stat")) for process in (pid, *descendants(pid)))


def cpu_of(stat: Path) -> float:
    """User and system time of one process or thread and of its children that have ended; nothing once it has gone."""
    with contextlib.suppress(OSError):
        fields = stat.read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / TICKS
    return 0.0


def precise_cpu(task: Path) -> float:
    """CPU seconds of one thread to the nanosecond: what an agent's session needs is less than a tick of `stat`."""
    with contextlib.suppress(OSError):
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    return 0.0


@contextlib.contextmanager
def watched(load: Load, minutes: float | None, backend: CountingBackend) -> Iterator[int | None]:
    """Run an agent that has just begun its work, or none; gives its process id."""
    if minutes is None:
        yield None
        return
    backend.interval_minutes = minutes
    backend.pace = 30.0
    epoch = backend.lease["epoch"] + 1 if backend.lease else 1
    backend.lease = {"held": True, "epoch": epoch, "expires_in_seconds": 90}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        config = write_config(Path(folder), backend.url, load.kind, load.db_config, **load.more)
        beats = len(backend.heartbeats)
        with running_agent(config) as agent:
            eventually(lambda: len(backend.heartbeats) > beats)
            yield agent.pid
            agent.terminate()


def one_round(load: Load, minutes: float | None, backend: CountingBackend, seconds: int) -> Round:
    load.reset()
    backend.want_texts = True
    collected = len(backend.snapshots)
    with watched(load, minutes, backend) as agent:
        server_before, began = cpu_seconds(load.server.pid), time.monotonic()
        transactions = load.transactions(seconds)
        took = time.monotonic() - began
        server = cpu_seconds(load.server.pid) - server_before
        session = load.session_cpu()
        agent_cpu = cpu_seconds(agent) if agent else 0.0
    return Round(server, session, agent_cpu, transactions, took, len(backend.snapshots) - collected)


def measure(name: str, load: Load, options: argparse.Namespace) -> None:
    """Print a line for each round, then the medians."""
    print(f"\n{name}: preparing", flush=True)
    load.prepare()
    load.transactions(3)
    rounds: dict[str, list[Round]] = {setup: [] for setup in SETUPS}
    with CountingBackend() as backend:
        for number in range(1, options.rounds + 1):
            for setup, minutes in SETUPS.items():
                done = one_round(load, minutes, backend, options.seconds)
                rounds[setup].append(done)
                print(f"  round {number} of {options.rounds}, {setup:<13}{line(done)}", flush=True)
    print_table(name, rounds)


def line(done: Round) -> str:
    return (
        f"{done.cpu_per_thousand:8.3f} s CPU per 1,000 transactions {done.rate:8.0f} tps"
        f" {done.collections:4d} collections: {done.session_cpu:6.3f} s in its session, {done.agent_cpu:5.2f} s agent"
    )


def print_table(name: str, rounds: dict[str, list[Round]]) -> None:
    print(
        f"\n{name}, medians\n  {'':<14}{'CPU s/1,000 tx':>15}{'with/without':>14}{'tps':>9}{'with/without':>14}"
        f"{'session s/collection':>22}{'% of server':>13}"
    )
    base = rounds["no agent"]
    cpu_alone = statistics.median(done.cpu_per_thousand for done in base)
    rate_alone = statistics.median(done.rate for done in base)
    for setup, all_done in rounds.items():
        cpu = statistics.median(done.cpu_per_thousand for done in all_done)
        rate = statistics.median(done.rate for done in all_done)
        session = sum(done.session_cpu for done in all_done)
        each = session / max(1, sum(done.collections for done in all_done))
        share = 100 * session / sum(done.server_cpu for done in all_done)
        shown = f"  {setup:<14}{cpu:15.3f}{cpu / cpu_alone:14.3f}{rate:9.0f}{rate / rate_alone:14.3f}"
        print(f"{shown}{each:22.4f}{share:13.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="length of one round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each kind")
    options = parser.parse_args()
    with PostgreSQL() as postgresql:
        measure("PostgreSQL under pgbench", PgBench(postgresql), options)
    # Without the cache each connection has a thread of its own, whose time is the connection's alone.
    with MariaDB(settings={"thread-cache-size": "0"}) as mariadb:
        measure("MariaDB under sysbench", SysBench(mariadb), options)


if __name__ == "__main__":
    main()
