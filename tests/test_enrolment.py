"""`dbpower-agent enroll` against a real control plane, killed at every step and run again."""

import json
import os
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.agent.agents import AGENT, SCRIPT, eventually, read_config, run_agent, running_agent
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


def killed_at(step: int, options: list[str], folder: Path) -> None:
    """Run the command and kill it at one step."""
    (folder / "site").mkdir()
    (folder / "site/sitecustomize.py").write_text(SABOTAGE)
    killed = subprocess.run(
        [sys.executable, str(SCRIPT), "enroll", *options],
        env={**os.environ, "PYTHONPATH": f"{folder / 'site'}:{AGENT}", "STEP": str(step)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode < 0, killed.stderr


@pytest.mark.parametrize("step", STEPS)
def test_a_host_has_one_collector_and_a_good_key_in_the_end_wherever_it_was_killed(
    step: int, control_plane: ControlPlane, me: dict[str, str], team: int, tmp_path: Path
) -> None:
    token = made(control_plane, me, team, hosts=1)
    options = [*prepared(tmp_path, token["token"]), "--url", control_plane.address]
    killed_at(step, options, tmp_path)
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


def heard(control_plane: ControlPlane, config: Path) -> tuple[int, int]:
    """Return the collector of a configuration, and what its key is answered."""
    content = json.loads(config.read_text())
    path, key = f"collectors/{content['collector_id']}/heartbeat", {"X-Collector-API-Key": content["api_key"]}
    return content["collector_id"], control_plane.api("POST", path, {}, **key).status_code


def collectors_called(control_plane: ControlPlane, me: dict[str, str], name: str) -> list[int]:
    found = control_plane.api("GET", f"collectors?search={name}", **me).json()["collectors"]
    return [row["id"] for row in found]


@pytest.mark.parametrize("step", [2, 4, 7, 8, 9, 10])
def test_run_again_with_another_token_the_host_has_a_good_key(
    step: int, control_plane: ControlPlane, me: dict[str, str], team: int, tmp_path: Path
) -> None:
    first, second = (made(control_plane, me, team, hosts=1) for _ in range(2))
    options = [*prepared(tmp_path, first["token"]), "--url", control_plane.address]
    killed_at(step, options, tmp_path)
    (tmp_path / "token").write_text(second["token"])
    again = run_agent("enroll", *options)
    assert again.returncode == 0, again.stderr
    number, answered = heard(control_plane, tmp_path / "config.json")
    assert answered == 200
    was_told = step >= 8
    assert ("told before" in again.stdout) == was_told
    used = control_plane.api("GET", f"enrolment-tokens/{second['id']}", **me).json()["uses"]
    assert used == (0 if was_told else 1)
    assert number == max(collectors_called(control_plane, me, tmp_path.name))


def test_a_half_made_collector_that_was_removed_gets_a_successor_with_a_key_of_its_own(
    control_plane: ControlPlane, me: dict[str, str], team: int, tmp_path: Path
) -> None:
    options = [*prepared(tmp_path, made(control_plane, me, team, hosts=2)["token"]), "--url", control_plane.address]
    killed_at(6, options, tmp_path)
    (half_made,) = collectors_called(control_plane, me, tmp_path.name)
    assert control_plane.api("DELETE", f"collectors/{half_made}", **me).status_code == 204
    again = run_agent("enroll", *options)
    assert again.returncode == 0, again.stderr
    number, answered = heard(control_plane, tmp_path / "config.json")
    assert (number != half_made, answered) == (True, 200)


def test_a_collector_that_got_another_key_meanwhile_is_said_with_what_to_do(
    control_plane: ControlPlane, me: dict[str, str], team: int, tmp_path: Path
) -> None:
    options = [*prepared(tmp_path, made(control_plane, me, team, hosts=2)["token"]), "--url", control_plane.address]
    killed_at(6, options, tmp_path)
    (half_made,) = collectors_called(control_plane, me, tmp_path.name)
    control_plane.api("POST", f"collectors/{half_made}/rotate-key", {}, **me)
    before = (tmp_path / "config.json").read_text()
    again = run_agent("enroll", *options)
    assert again.returncode == 1
    assert f"This host is collector {half_made}: make a key by hand in the console" in again.stderr
    assert (tmp_path / "config.json").read_text() == before
    control_plane.api("DELETE", f"collectors/{half_made}", **me)
    assert run_agent("enroll", *options).returncode == 0
    assert heard(control_plane, tmp_path / "config.json")[1] == 200


def test_what_leads_to_the_control_plane_is_kept_for_the_agent(
    control_plane: ControlPlane, me: dict[str, str], team: int, tmp_path: Path
) -> None:
    options = [*prepared(tmp_path, made(control_plane, me, team, hosts=1)["token"]), "--url", control_plane.address]
    done = run_agent("enroll", *options, "--ca", os.path.relpath(certifi.where()), "--allow-insecure-http")
    assert done.returncode == 0, done.stderr
    config = read_config(tmp_path / "config.json")
    assert (config.backend_ca, config.allow_insecure_http) == (certifi.where(), True)


def test_a_link_stays_one_and_the_file_keeps_owner_and_mode(
    control_plane: ControlPlane, me: dict[str, str], team: int, tmp_path: Path
) -> None:
    options = [*prepared(tmp_path, made(control_plane, me, team, hosts=1)["token"]), "--url", control_plane.address]
    link, target = tmp_path / "config.json", tmp_path / "elsewhere" / "agent.json"
    target.parent.mkdir()
    link.rename(target)
    link.symlink_to(target)
    target.chmod(0o444)
    owner = (10001, 10001) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(target, *owner)
    done = run_agent("enroll", *options)
    assert done.returncode == 0, done.stderr
    after = target.stat()
    assert link.is_symlink()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (*owner, 0o440), "others read no key"
    assert [path.name for path in target.parent.iterdir()] == ["agent.json"]
    assert heard(control_plane, target)[1] == 200


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, {"code": "invalid", "detail": "\x1b[2Jgone\n\u202e"}, r"\x1b[2Jgone\n\u202e"),
        (200, {"collector_id": "7", "type": "mysql"}, "the number of the collector is none"),
        (200, {"collector_id": True, "type": "mysql"}, "the number of the collector is none"),
        (200, {"collector_id": 7, "type": ["mysql"]}, "names no type of database"),
        (200, {}, "names no type of database"),
        (409, {"code": ["removed"]}, "the backend answered 409"),
        (409, {"code": "removed"}, "the backend answered 409: removed"),
    ],
)
def test_a_strange_answer_is_an_error_in_words_and_moves_no_terminal(
    status: int, body: dict[str, Any], said: str, tmp_path: Path
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    own = prepared(tmp_path, "enroll_nothing")
    before = (tmp_path / "config.json").read_text()
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        done = run_agent("enroll", *own, "--url", f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.strip().isprintable()
    assert (tmp_path / "config.json").read_text() == before
