"""The control plane as an operator starts it, `manage.py serve`, quick to notice and with data of its own."""

import contextlib
import fcntl
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.servers.process import Account, ServerProcess, descendants, free_port

REPOSITORY = Path(__file__).resolve().parents[2]
ADMINISTRATOR = "root@example.org"
DATABASE = "dbpower.sqlite3"
TOKEN_SECONDS = 300  # A third of what a token is good for.
QUICK: Mapping[str, str] = {
    "DBPOWER_HEARTBEAT_SECONDS": "1",
    "DBPOWER_SWEEP_SECONDS": "1",
    "DBPOWER_OFFLINE_AFTER_SECONDS": "4",
}


class ControlPlane:
    """A running control plane with an administrator; embedded unless `environment` names servers.

    `from_nothing` starts it as the first time on a new host; otherwise it finds the tables and the administrator made.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, *, web_workers: int = 1, from_nothing: bool = False
    ) -> None:
        self.from_nothing = from_nothing
        self.folder = Path(tempfile.mkdtemp(prefix="dbpower-control-plane-"))
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.password = secrets.token_urlsafe(16)
        self._header: dict[str, str] = {}
        self._good_until = 0.0
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DBPOWER_")}
        for name in ("DATABASE_URL", "REDIS_URL"):
            inherited.pop(name, None)
        own = {"PORT": str(self.port), "DBPOWER_DATA_DIR": str(self.folder / "data")}
        self.environment = {**inherited, **QUICK, **(environment or {}), **own}
        self._laid_out = self._lay_out()
        command: list[str | Path] = [sys.executable, REPOSITORY / "manage.py", "serve"]
        command += ["--web-workers", str(web_workers), *(["--no-migrate"] if self._laid_out else [])]
        self.process = ServerProcess(
            "the control plane",
            command,
            log=self.folder / "serve.log",
            account=Account.current(),
            ready=self._ready,
            folder=REPOSITORY,
            environment=self.environment,
        )

    def __enter__(self) -> Self:
        try:
            self.process.start(120)
            if not self._laid_out:
                self.manage("createsuperuser", "--noinput", DJANGO_SUPERUSER_EMAIL=ADMINISTRATOR)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop it and remove its data. If it ended by itself, what it said last is shown: a test that fails wants to know."""
        if not self.process.alive():
            print(self.process.log_tail(60))
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _lay_out(self) -> bool:
        """Begin with what `_prepared` holds, where the session's tests have a folder to keep it in; tell whether it was so.

        Each start would otherwise spend most of its processor time on migrations and a process of its own for one user.
        """
        shared = os.environ.get("DBPOWER_DATA_DIR")
        if shared is None or self.from_nothing or "DATABASE_URL" in self.environment:
            return False
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        database, self.password = _prepared(Path(shared))
        shutil.copyfile(database, data / DATABASE)
        return True

    def web_processes(self) -> list[int]:
        """Return the processes that answer requests, without the one that watches over them."""
        found = {pid: _command(pid) for pid in descendants(self.process.pid)}
        served = [pid for pid, command in found.items() if "dbpower.web" in command]
        return sorted({child for pid in served for child in descendants(pid)})

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run one of its commands, which has to succeed; return what it printed."""
        done = self.managed(*arguments, **environment)
        done.check_returncode()
        return done.stdout

    def managed(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one of its commands to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env={**self.environment, "DJANGO_SUPERUSER_PASSWORD": self.password, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Call the API with JSON."""
        return requests.request(
            method, f"{self.address}/api/v1/{path}", json=body, headers=headers, timeout=30, proxies={"http": ""}
        )

    def log_in(self) -> dict[str, str]:
        """Log in, and return the administrator's header."""
        answer = self.api("POST", "auth/token", {"email": ADMINISTRATOR, "password": self.password})
        self._header = {"Authorization": f"Bearer {answer.json()['access']}"}
        self._good_until = time.monotonic() + TOKEN_SECONDS
        return self._header

    def logged_in(self) -> dict[str, str]:
        """Return the header of the last log-in while it is young: checking a password takes long, on purpose."""
        return self._header if time.monotonic() < self._good_until else self.log_in()

    def _ready(self) -> None:
        requests.get(f"{self.address}/health/ready", timeout=5, proxies={"http": ""}).raise_for_status()


def _prepared(folder: Path) -> tuple[Path, str]:
    """Return a database with all tables and the administrator alone, and the password; made by whoever asks first."""
    made, password = folder / "prepared.sqlite3", folder / "prepared.password"
    with (folder / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            password.write_text(secrets.token_urlsafe(16))
            with tempfile.TemporaryDirectory(dir=folder) as first:
                _prepare(Path(first), password.read_text())
                with (
                    contextlib.closing(sqlite3.connect(Path(first, DATABASE))) as source,
                    contextlib.closing(sqlite3.connect(Path(first, "whole"))) as whole,
                ):
                    source.backup(whole)
                Path(first, "whole").rename(made)
    return made, password.read_text()


def _prepare(data: Path, password: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
        "DBPOWER_DATA_DIR": str(data),
        "DJANGO_SUPERUSER_EMAIL": ADMINISTRATOR,
        "DJANGO_SUPERUSER_PASSWORD": password,
    }
    for command in (["migrate", "--verbosity", "0"], ["createsuperuser", "--noinput"]):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=REPOSITORY,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
