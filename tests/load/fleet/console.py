"""The console as production serves it, and people who are signed in to it."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import requests

from tests.load.fleet.place import REPOSITORY
from tests.servers.process import Account, ServerProcess, free_port

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
        return self.session.get(self.address + path, allow_redirects=False, timeout=_TIMEOUT)

    def content(self, path: str) -> str:
        """Return the page at an address, empty when it is no page."""
        answer = self.get(path)
        return answer.text if "text/html" in answer.headers.get("Content-Type", "") else ""

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


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Serve the console from DATABASE_URL with the web server and the numbers of workers and threads of the container."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    options = f"--interface wsgi --http 1 --no-ws --log-level warning --workers {WORKERS} --blocking-threads 4 --host 127.0.0.1"

    def ready() -> None:
        requests.get(f"{address}/health/ready", timeout=5, proxies={"http": ""}).raise_for_status()

    with tempfile.TemporaryDirectory(prefix="dbpower-console-") as folder:
        process = ServerProcess(
            "the web server",
            [
                Path(sys.executable).parent / "granian",
                *options.split(),
                "--port",
                str(port),
                "dbpower.wsgi:application",
            ],
            log=Path(folder) / "web.log",
            account=Account.current(),
            ready=ready,
            folder=REPOSITORY,
            environment={**os.environ, "DBPOWER_LOG_LEVEL": "WARNING", "DBPOWER_ALLOWED_HOSTS": "127.0.0.1,localhost"},
        )
        process.start(120)
        try:
            yield address
        finally:
            process.stop()
