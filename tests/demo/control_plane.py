"""The control plane, started as `make serve` starts it: embedded, with its own data folder."""

import contextlib
import os
import subprocess
import sys

import requests

from tests.demo.databases import is_free
from tests.demo.logins import ADMINISTRATOR, Logins
from tests.demo.places import REPOSITORY, DemoError, Places
from tests.servers.process import Account, ServerProcess, free_port

FIRST_PORT = 8000
PORTS_TRIED = 20
START_SECONDS = 180.0  # Migrations on a busy machine.


class ControlPlane:
    """The running control plane: its address, and its administrator."""

    def __init__(self, places: Places, logins: Logins) -> None:
        self.port = chosen_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._logins = logins
        self._environment = environment(places, self.port)
        self.process = ServerProcess(
            "the control plane",
            [sys.executable, REPOSITORY / "manage.py", "serve"],
            log=places.logs / "control-plane.log",
            account=Account.current(),
            ready=self._ready,
            folder=REPOSITORY,
            environment=self._environment,
        )

    def start(self, stack: contextlib.ExitStack) -> None:
        """Start it, migrated and ready, and make the administrator; `stack` stops it."""
        stack.callback(self.process.stop)
        self.process.start(START_SECONDS)
        self._make_administrator()

    def _ready(self) -> None:
        answer = requests.get(f"{self.address}/health/ready", timeout=5, proxies={"http": ""})
        answer.raise_for_status()

    def _make_administrator(self) -> None:
        """Run `createsuperuser` as an operator would; the one of an earlier start is kept."""
        done = subprocess.run(
            [sys.executable, "manage.py", "createsuperuser", "--noinput"],
            cwd=REPOSITORY,
            env={
                **self._environment,
                "DJANGO_SUPERUSER_EMAIL": ADMINISTRATOR,
                "DJANGO_SUPERUSER_PASSWORD": self._logins.password(ADMINISTRATOR),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and "already" not in done.stdout + done.stderr:
            raise DemoError(f"manage.py createsuperuser failed: {(done.stdout + done.stderr)[-500:]}")


def chosen_port() -> int:
    """Return PORT if it is set, else the first free one from 8000 on."""
    if wanted := os.environ.get("PORT"):
        if not wanted.isdigit() or not is_free(int(wanted)):
            raise DemoError(f"PORT is {wanted}, and that port is taken; choose another one or leave PORT unset")
        return int(wanted)
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        if is_free(port):
            return port
    return free_port()


def environment(places: Places, port: int) -> dict[str, str]:
    """Return the environment of the control plane: embedded, whatever this shell is set to, and quick to notice."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DBPOWER_")}
    for name in ("DATABASE_URL", "REDIS_URL", "DATABASE_URL_FILE", "REDIS_URL_FILE"):
        kept.pop(name, None)
    return {
        **kept,
        "PORT": str(port),
        "DBPOWER_DATA_DIR": str(places.control_plane),
        "DBPOWER_HEARTBEAT_SECONDS": "10",
    }
