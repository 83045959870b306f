"""`manage.py serve`: started, announced, stopped with all it started and nothing else."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests

from tests.agent.agents import eventually
from tests.servers.control_plane import REPOSITORY, ControlPlane
from tests.servers.process import descendants, free_port, running, wait_gone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.fixture
def control_plane() -> Iterator[ControlPlane]:
    """A control plane that is serving; what it said is shown when the test fails."""
    with ControlPlane() as serving:
        yield serving
        print(serving.process.log_tail(60))


def test_the_first_start_makes_secrets_for_its_owner_alone_and_says_how_to_begin() -> None:
    with ControlPlane(from_nothing=True) as first:
        _look_at_the_first_start(first)


def _look_at_the_first_start(control_plane: ControlPlane) -> None:
    secrets = control_plane.folder / "data/secrets.json"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    said = control_plane.process.log_tail(100)
    assert f"DBPower on http://localhost:{control_plane.port}/ (sqlite3, embedded broker)" in said
    assert "python manage.py createsuperuser" in said
    assert "DJANGO_SUPERUSER_EMAIL" in said
    assert secrets.read_text() not in said
    before = secrets.read_text()
    control_plane.process.stop()
    control_plane.process.start(120)
    assert secrets.read_text() == before
    assert "Nobody can sign in yet" not in control_plane.process.log_tail(3), "somebody can, by now"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_that_was_started_and_nothing_else(
    control_plane: ControlPlane, number: signal.Signals
) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        # On a busy machine a listing of all processes may miss some that are just starting.
        eventually(lambda: len(descendants(control_plane.process.pid)) >= 3, what="a worker, the web and its process")
        children = descendants(control_plane.process.pid)
        begin = time.monotonic()
        os.kill(control_plane.process.pid, number)
        wait_gone([control_plane.process.pid, *children], timeout=15)
        took = time.monotonic() - begin
        assert not [pid for pid in children if running(pid)]
        assert took < 12
        assert running(bystander.pid)
        bystander.kill()


@pytest.mark.parametrize("part", ["celery", "dbpower.web"])
def test_when_one_part_dies_the_others_end_and_it_is_said_which(control_plane: ControlPlane, part: str) -> None:
    children = descendants(control_plane.process.pid)
    # The first of them is the one that started the others.
    victim = min(pid for pid in children if part.encode() in command_of(pid))
    os.kill(victim, signal.SIGKILL)
    wait_gone([control_plane.process.pid, *children], timeout=20)
    assert not [pid for pid in children if running(pid)]
    name = {"celery": "worker", "dbpower.web": "web"}[part]
    assert f"{name} ended with -9; stopping." in control_plane.process.log_tail(20)


def command_of(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - a pseudo file
            return file.read()
    except OSError:
        return b""


def test_a_taken_port_is_said_and_nothing_is_left_running(control_plane: ControlPlane) -> None:
    environment = {**control_plane.environment, "DBPOWER_DATA_DIR": str(control_plane.folder / "second")}
    done = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {control_plane.port}" in done.stderr
    assert "--port or PORT" in done.stderr
    assert requests.get(f"{control_plane.address}/health/live", timeout=5, proxies={"http": ""}).ok


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("DBPOWER_SWEEP_SECONDS", "soon", "DBPOWER_SWEEP_SECONDS='soon' is not a whole number"),
        ("PORT", "70000", "PORT=70000 is not between 1 and 65535"),
        ("DATABASE_URL", "oracle://x/y", "DATABASE_URL does not begin with postgresql://"),
        ("REDIS_URL", "http://x", "REDIS_URL begins with none of"),
        ("DBPOWER_SECRET_KEY", "short", "DBPOWER_SECRET_KEY is shorter"),
        ("DBPOWER_ENCRYPTION_KEYS", "x", "Key 1 of DBPOWER_ENCRYPTION_KEYS is not a Fernet key"),
        ("DBPOWER_SECRET_KEY_FILE", "/nowhere", "DBPOWER_SECRET_KEY_FILE=/nowhere cannot be read"),
        ("DBPOWER_LOG_FORMAT", "xml", "is none of text, json"),
        ("DBPOWER_LOG_LEVEL", "loud", "is none of DEBUG, INFO"),
        ("DBPOWER_HTTPS", "maybe", "DBPOWER_HTTPS='maybe' is neither true nor false"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path: object, setting: str, value: str, said: str) -> None:
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("DBPOWER_", "DATABASE_", "REDIS_"))
    }
    environment |= {"DBPOWER_DATA_DIR": str(tmp_path), "PORT": str(free_port()), setting: value}
    done = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "short" not in done.stderr.replace("shorter", ""), "no secret is repeated"
