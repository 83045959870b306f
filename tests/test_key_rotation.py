"""A key that the agent makes itself, from the request to the first use, with the agent killed at every step."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.keyring import KeyRing
from tests.agent.agents import AGENT, eventually, running_agent, write_config
from tests.servers.control_plane import ControlPlane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
# Imported by the interpreter before the agent: it dies, or loses a request or an answer, at one point, once.
SABOTAGE = """
import os, signal
from dbpower_agent.client import BackendUnreachableError, Client
from dbpower_agent.keyring import KeyRing

def die():
    os.kill(os.getpid(), signal.SIGKILL)

make, switch, tell = KeyRing.make, KeyRing.switch, Client.tell_key
done = []

def once(act):
    if not done:
        done.append(1)
        act()

def lose():
    raise BackendUnreachableError("lost")

def made(self, collector_id):
    if POINT == "before the key is stored": die()
    make(self, collector_id)
    if POINT == "before it is told": die()

def told(self, sha256):
    if POINT == "its request is lost": once(lose)
    answer = tell(self, sha256)
    if POINT == "before its answer is read": die()
    if POINT == "its answer is lost": once(lose)
    return answer

def switched(self):
    switch(self)
    if POINT == "before it is used": die()

POINT = os.environ.get("SABOTAGE", "")
KeyRing.make, KeyRing.switch, Client.tell_key = made, switched, told
"""
POINTS = [
    "before the key is stored",
    "before it is told",
    "its request is lost",
    "before its answer is read",
    "its answer is lost",
    "before it is used",
    "",
]


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    with ControlPlane() as running:
        yield running


class Rotating:
    """A collector with an agent whose database is not there: it lives and heartbeats all the same."""

    def __init__(self, control_plane: ControlPlane, folder: Path) -> None:
        self.control_plane = control_plane
        self.me = control_plane.log_in()
        organization = self.post("organizations", {"name": "Example GmbH"})["id"]
        team = self.post("teams", {"name": f"Team {folder.name}", "organization_id": organization})["id"]
        collector = self.post("collectors/register", {"name": "a", "type": "postgres", "team_id": team})
        self.id, self.key = collector["id"], collector["api_key"]
        self.state = folder / "state"
        self.config = write_config(
            folder,
            control_plane.address,
            "postgres",
            {"host": "127.0.0.1", "port": 1, "user": "x"},
            collector_id=self.id,
            api_key=self.key,
        )
        (folder / "site").mkdir()
        (folder / "site/sitecustomize.py").write_text(SABOTAGE)
        self.path = f"{folder / 'site'}:{AGENT}"

    def post(self, path: str, body: Any) -> Any:
        answer = self.control_plane.api("POST", path, body, **self.me)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def keys(self) -> Any:
        return self.control_plane.api("GET", f"collectors/{self.id}", **self.me).json()["keys"]

    def status_of(self, key: str) -> int:
        return self.control_plane.api(
            "POST", f"collectors/{self.id}/heartbeat", {}, **{"X-Collector-API-Key": key}
        ).status_code

    def agent_key(self) -> str:
        return KeyRing(self.state, self.key).current

    def heard_with_a_key_of_its_own(self) -> bool:
        found = self.keys()
        return (
            found["rotation_requested_at"] is None
            and found["first_used_at"] is not None
            and self.agent_key() != self.key
        )


@pytest.mark.parametrize("point", POINTS)
def test_the_agent_has_a_new_key_in_the_end_whatever_dies_or_is_lost(
    point: str, control_plane: ControlPlane, tmp_path: Path
) -> None:
    rotating = Rotating(control_plane, tmp_path)
    sabotaged = {"PYTHONPATH": rotating.path, "SABOTAGE": point}
    with running_agent(rotating.config, sabotaged) as agent:
        eventually(lambda: rotating.keys()["first_used_at"], what="the agent is heard")
        answer = control_plane.api("POST", f"collectors/{rotating.id}/rotate-key", {"by": "agent"}, **rotating.me)
        assert (answer.status_code, "api_key" in answer.json()) == (202, False)
        if point and "lost" not in point:
            eventually(lambda: not agent.running, what="it dies where it should")
            assert rotating.status_of(rotating.key) == 200, "the old key is good until the new one is proven"
        else:
            eventually(rotating.heard_with_a_key_of_its_own)
    with running_agent(rotating.config) as again:
        eventually(rotating.heard_with_a_key_of_its_own)
        heard = rotating.keys()["last_used_at"]
        eventually(lambda: rotating.keys()["last_used_at"] > heard, what="it goes on being heard")
        assert again.running
    new = rotating.agent_key()
    assert rotating.status_of(new) == 200
    assert KeyRing(rotating.state, rotating.key).pending_sha256 is None
    log = (tmp_path / "agent.log").read_text()
    for secret in (rotating.key, new):
        assert secret not in log
        assert secret not in control_plane.process.log_tail(2000)


def test_revoked_keys_end_with_the_next_request_and_the_agent_goes_on_with_one_by_hand(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    rotating = Rotating(control_plane, tmp_path)
    with running_agent(rotating.config):
        eventually(lambda: rotating.keys()["first_used_at"])
        assert rotating.post(f"collectors/{rotating.id}/revoke-key", {})["keys"]["is_revoked"] is True
        assert {rotating.status_of(rotating.key) for _ in range(20)} == {401}
    key = rotating.post(f"collectors/{rotating.id}/rotate-key", {})["api_key"]
    changed = {**json.loads(rotating.config.read_text()), "api_key": key}
    rotating.config.write_text(json.dumps(changed))
    rotating.key = key
    with running_agent(rotating.config):
        eventually(lambda: rotating.keys()["first_used_at"])


def test_an_agent_that_must_not_rotate_says_so_and_keeps_its_key(control_plane: ControlPlane, tmp_path: Path) -> None:
    rotating = Rotating(control_plane, tmp_path)
    changed = {**json.loads(rotating.config.read_text()), "rotate_key": False}
    rotating.config.write_text(json.dumps(changed))
    with running_agent(rotating.config) as agent:
        eventually(lambda: rotating.keys()["first_used_at"])
        rotating.post(f"collectors/{rotating.id}/rotate-key", {"by": "agent"})
        eventually(lambda: "rotate_key is off" in agent.log.read_text())
        assert rotating.keys()["rotation_requested_at"] is not None
    assert rotating.agent_key() == rotating.key
