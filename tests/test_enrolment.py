"""`dbpower-agent enroll` against a real control plane, killed at every step and run again."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.agents import AGENT, SCRIPT, eventually, run_agent, running_agent
from tests.servers.control_plane import ControlPlane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SABOTAGE = """
import os, signal
from dbpower_agent import enrolment
from dbpower_agent.client import BackendUnreachableError, Connection

store, send = enrolment.write_atomically, Connection.send
left = [int(os.environ["STEP"])]

def step():
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def stored(*arguments, **options):
    step()
    store(*arguments, **options)
    step()

def sent(*arguments, **options):
    step()
    answer = send(*arguments, **options)
    step()
    return answer

enrolment.write_atomically, Connection.send = stored, sent
"""
# Before and after each of: storing the request's number, asking, storing the key, telling its digest, writing the file.
STEPS = range(1, 11)


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="module")
def me(control_plane: ControlPlane) -> dict[str, str]:
    return control_plane.log_in()


@pytest.fixture(scope="module")
def team(control_plane: ControlPlane, me: dict[str, str]) -> int:
    organization = control_plane.api("POST", "organizations", {"name": "Example GmbH"}, **me).json()["id"]
    body = {"name": "Shop", "organization_id": organization}
    number: int = control_plane.api("POST", "teams", body, **me).json()["id"]
    return number


def made(control_plane: ControlPlane, me: dict[str, str], team: int, hosts: int) -> dict[str, Any]:
    body = {"name": "rack 7", "type": "postgres", "team_id": team, "max_uses": hosts}
    token: dict[str, Any] = control_plane.api("POST", "enrolment-tokens", body, **me).json()
    return token


def prepared(folder: Path, token: str) -> list[str]:
    """Put the token and the host's own part of the configuration where an operator would; return the command's options."""
    (folder / "token").write_text(token + "\n")
    config = folder / "config.json"
    config.touch(0o600)
    config.write_text(json.dumps({"db_config": {"host": "127.0.0.1", "port": 1, "user": "x", "password": "p"}}))
    return ["--config", str(config), "--token-file", str(folder / "token"), "--name", folder.name]


@pytest.mark.parametrize("step", STEPS)
def test_a_host_has_one_collector_and_a_good_key_in_the_end_wherever_it_was_killed(
    step: int, control_plane: ControlPlane, me: dict[str, str], team: int, tmp_path: Path
) -> None:
    token = made(control_plane, me, team, hosts=1)
    options = [*prepared(tmp_path, token["token"]), "--url", control_plane.address]
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(SABOTAGE)
    killed = subprocess.run(
        [sys.executable, str(SCRIPT), "enroll", *options],
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}:{AGENT}", "STEP": str(step)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode < 0, killed.stderr
    again = run_agent("enroll", *options)
    assert again.returncode == 0, again.stderr
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["db_config"]["password"] == "p", "what the host had of its own is still there"
    assert stat.S_IMODE((tmp_path / "config.json").stat().st_mode) == 0o600
    answer = control_plane.api(
        "POST", f"collectors/{config['collector_id']}/heartbeat", {}, **{"X-Collector-API-Key": config["api_key"]}
    )
    assert answer.status_code == 200
    found = control_plane.api("GET", f"collectors?search={tmp_path.name}", **me).json()
    assert [row["id"] for row in found["collectors"]] == [config["collector_id"]]
    assert control_plane.api("GET", f"enrolment-tokens/{token['id']}", **me).json()["uses"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "site", "token"]
    for said in (again.stdout, again.stderr, (control_plane.folder / "serve.log").read_text()):
        assert config["api_key"] not in said
        assert token["token"] not in said


def test_an_enrolled_host_runs_and_enrolling_it_again_changes_nothing(
    control_plane: ControlPlane, me: dict[str, str], team: int, tmp_path: Path
) -> None:
    token = made(control_plane, me, team, hosts=5)
    options = [*prepared(tmp_path, token["token"]), "--url", control_plane.address]
    assert run_agent("enroll", *options).returncode == 0
    config = (tmp_path / "config.json").read_text()
    number = json.loads(config)["collector_id"]
    with running_agent(tmp_path / "config.json"):
        eventually(lambda: control_plane.api("GET", f"collectors/{number}", **me).json()["is_online"])
    assert run_agent("enroll", *options).returncode == 0
    assert (tmp_path / "config.json").read_text() == config


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--url", "http://control.example.org"], 2, "http:// would send the key in plain text"),
        (["--url", "nonsense"], 2, "must begin with https://"),
        (["--url", "http://127.0.0.1:1"], 1, "enroll: "),
        (["--url", "", "--token-file", "/nowhere"], 2, "cannot be read"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(options: list[str], code: int, said: str, tmp_path: Path) -> None:
    own = prepared(tmp_path, "enroll_nothing")
    before = (tmp_path / "config.json").read_text()
    done = run_agent("enroll", *own, *options)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert (tmp_path / "config.json").read_text() == before
    assert "enroll_nothing" not in done.stderr


def test_a_token_that_is_not_good_is_refused_in_words(control_plane: ControlPlane, tmp_path: Path) -> None:
    options = [*prepared(tmp_path, "enroll_nothing"), "--url", control_plane.address]
    done = run_agent("enroll", *options)
    assert (done.returncode, "not good" in done.stderr) == (1, True), done.stderr
