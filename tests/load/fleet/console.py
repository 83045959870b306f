"""The console as production serves it, and people who are signed in to it."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import requests

from tests.load.fleet import walk
from tests.load.fleet.place import REPOSITORY
from tests.servers.process import Account, ServerProcess, descendants, free_port

WORKERS: Final = 2
_TIMEOUT: Final = 120


class Visitor:
    """Somebody with a session, on one connection that is kept open, as a browser keeps it."""

    def __init__(self, address: str, email: str, password: str) -> None:
        self.address = address
        self.session = requests.Session()
        self.session.trust_env = False
        if email:
            self._sign_in(email, password)

    def get(self, path: str) -> requests.Response:
        """Ask for a page; redirections are answers too."""
        sent = walk.headers(path)
        return self.session.get(self.address + path, headers=sent, allow_redirects=False, timeout=_TIMEOUT)

    def content(self, path: str) -> str:
        """Return the text at an address, empty when it is a download, or nothing for this person."""
        answer = self.get(path)
        kind = answer.headers.get("Content-Type", "")
        return answer.text if answer.ok and kind.startswith(("text/html", "application/json")) else ""

    def timed(self, path: str) -> tuple[float, requests.Response]:
        """Return how many milliseconds a page took to its last byte, and the answer."""
        began = time.perf_counter()
        answer = self.get(path)
        return 1000 * (time.perf_counter() - began), answer

    def _sign_in(self, email: str, password: str) -> None:
        self.get("/admin/login/")
        form = {"username": email, "password": password, "csrfmiddlewaretoken": self.session.cookies["csrftoken"]}
        answer = self.session.post(
            f"{self.address}/admin/login/",
            form,
            headers={"Referer": self.address},
            allow_redirects=False,
            timeout=_TIMEOUT,
        )
        if answer.status_code != 302:
            raise RuntimeError(f"{email} cannot sign in: {answer.status_code}")


@dataclass(frozen=True)
class Meter:
    """Counts the processor time of the web server and of its connections to the database, when both run on this machine."""

    web: int
    url: str

    def milliseconds(self) -> float:
        """Return the processor time used so far. What PostgreSQL does in parallel workers is not in it: these are gone."""
        return sum(map(_used, [self.web, *descendants(self.web), *self._connections()])) / 1e6

    def _connections(self) -> list[int]:
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()").fetchall()
        return [int(row[0]) for row in found]


def _used(pid: int) -> int:
    """Return the nanoseconds that a process has run for, 0 when there is none of that number here."""
    total = 0
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total


@contextlib.contextmanager
def served(url: str) -> Iterator[tuple[str, Meter]]:
    """Serve the console from DATABASE_URL with the web server and the numbers of workers and threads of the container."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    options = f"-m dbpower.web --processes {WORKERS} --host 127.0.0.1"

    def ready() -> None:
        requests.get(f"{address}/health/ready", timeout=5, proxies={"http": ""}).raise_for_status()

    with tempfile.TemporaryDirectory(prefix="dbpower-console-") as folder:
        process = ServerProcess(
            "the web server",
            [
                sys.executable,
                *options.split(),
                "--port",
                str(port),
            ],
            log=Path(folder) / "web.log",
            account=Account.current(),
            ready=ready,
            folder=REPOSITORY,
            environment={**os.environ, "DBPOWER_LOG_LEVEL": "WARNING", "DBPOWER_ALLOWED_HOSTS": "127.0.0.1,localhost"},
        )
        process.start(120)
        try:
            yield address, Meter(process.pid, url)
        finally:
            process.stop()
