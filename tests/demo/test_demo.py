"""`make demo` as a person uses it: it brings real data, stops without a trace, and goes on with what it had."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.api import Api
from tests.demo.logins import ADMINISTRATOR, EXAMPLE, SAMPLE, Logins
from tests.demo.places import REPOSITORY
from tests.servers.process import Account, descendants, private_folder, running, wait_gone

pytestmark = [pytest.mark.slow, pytest.mark.mariadb, pytest.mark.postgresql, pytest.mark.timeout(900)]


class Demo:
    """One run of the demo in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.demo"],
            cwd=REPOSITORY,
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._watchdog = threading.Timer(400, self._process.kill)
        self._watchdog.start()

    def wait_until_running(self) -> str:
        """Return the address that the demo prints when all is up."""
        assert self._process.stdout is not None
        address = ""
        for line in self._process.stdout:
            self.lines.append(line)
            if "DBPower is running:" in line:
                address = line.split()[-1].rstrip("/")
            if "Ctrl-C stops all of this" in line:
                return address
        raise AssertionError("the demo ended early:\n" + "".join(self.lines))

    def interrupt(self) -> list[int]:
        """Press Ctrl-C, require a good end, and return the processes there were."""
        pids = [self._process.pid, *descendants(self._process.pid)]
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, "".join(self.lines) + output
        return pids

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        self._watchdog.cancel()
        pids = descendants(self._process.pid)
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        wait_gone(pids)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a demo in `home`, without what the test run has set for itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DBPOWER_", "DJANGO_", "PYTEST"))}
    return {**kept, "DBPOWER_DEMO_DIR": str(home)}


def clean(home: Path) -> int:
    """Run `make demo-clean` on `home` and return its exit status."""
    command = [sys.executable, "-m", "tests.demo", "clean"]
    return subprocess.run(command, cwd=REPOSITORY, env=environment(home), check=False).returncode


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for the demo that the servers' user can enter."""
    outer = private_folder(Account.current(), "demo")
    outer.chmod(0o711)
    yield outer / "demo"
    clean(outer / "demo")
    with contextlib.suppress(OSError):
        (outer / "demo.lock").unlink()
        outer.rmdir()


@contextlib.contextmanager
def running_demo(home: Path) -> Iterator[tuple[Demo, str]]:
    """Run the demo until it says that it is up; end it at the end."""
    demo = Demo(home)
    try:
        yield demo, demo.wait_until_running()
    finally:
        demo.close()


def test_the_demo_brings_data_stops_cleanly_and_goes_on(home: Path) -> None:
    """Two starts over the same data: the second finds everything registered and adds nothing twice."""
    with running_demo(home) as (demo, address):
        first = tenants(home, address)
        every_role_sees_what_it_may(home, address)
        pids = demo.interrupt()
    assert not [pid for pid in pids if running(pid)]
    assert not list(Path("/tmp").glob(f"dbpower-{pids[0]}-*"))

    with running_demo(home) as (demo, address):
        assert tenants(home, address) == first
        pids = demo.interrupt()
    assert not [pid for pid in pids if running(pid)]

    assert clean(home) == 0
    assert not home.exists()


def tenants(home: Path, address: str) -> dict[str, list[tuple[int, str]]]:
    """Return all organizations, teams, people and collectors, by id and name, as the administrator sees them."""
    api = Api(address, ADMINISTRATOR, Logins(home / "logins.json").password(ADMINISTRATOR))
    nouns = ("organizations", "teams", "users", "collectors")
    return {noun: sorted((row["id"], row["name"]) for row in api.rows(noun)) for noun in nouns}


def every_role_sees_what_it_may(home: Path, address: str) -> None:
    """A user reads the own team's queries but no collectors; a lead has one collector; nobody has the other tenant's."""
    logins = Logins(home / "logins.json")

    def session(email: str) -> Api:
        return Api(address, email, logins.password(email))

    assert session(EXAMPLE.email("USER")).get("queries")["count"] > 0
    assert not list(session(EXAMPLE.email("USER")).rows("collectors"))
    for tenant, kind in ((EXAMPLE, "mysql"), (SAMPLE, "postgres")):
        for role in ("ORG_ADMIN", "TEAM_LEAD"):
            rows = list(session(tenant.email(role)).rows("collectors"))
            assert [(row["type"], row["status"]) for row in rows] == [(kind, "ONLINE")]
