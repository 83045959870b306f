"""The agent's unit under a real systemd: its credential, its user, its restrictions, its watchdog, its ends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.agent.backend import COLLECTOR_ID, KEY, FakeBackend
from tests.deployment import AGENT
from tests.deployment.machine import Machine
from tests.deployment.room import Image, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
UNIT = "dbpower-collector.service"
# Nothing of the unit is changed but where the program is, and how long one waits.
DROP_IN = """
[Service]
Environment=PATH=/opt/dbpower-agent/bin:/usr/bin:/bin
WatchdogSec=3
RestartSec=100ms
"""


@dataclass(frozen=True)
class Site:
    """A machine on which the unit is installed, and the backend its agent talks to."""

    machine: Machine
    backend: FakeBackend

    def status(self) -> dict[str, str]:
        """Members of /proc/…/status of the agent."""
        pid = self.machine.property(UNIT, "MainPID")
        lines = self.machine.run("cat", f"/proc/{pid}/status").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture
def site(agent_image: Image) -> Iterator[Site]:
    """The unit with a configuration, not yet started."""
    with FakeBackend() as backend:
        machine = Machine(agent_image.layers)
        try:
            config = {
                "collector_id": COLLECTOR_ID,
                "api_key": KEY,
                "backend_url": backend.url,
                "db_type": "postgres",
                "db_config": {"port": 9, "user": "dbpower", "password": "not-used-here"},
            }
            machine.install("/etc/dbpower-collector/config.json", json.dumps(config), 0o600)
            machine.install("/etc/broken-collector/config.json", "{}", 0o600)
            for name in (UNIT, "broken-collector.service"):
                machine.install(f"/etc/systemd/system/{name}", (AGENT / UNIT).read_text())
                machine.install(f"/etc/systemd/system/{name}.d/test.conf", DROP_IN)
            machine.boot()
            yield Site(machine, backend)
        finally:
            machine.close()


def test_the_unit_runs_restricted_is_watched_and_ends_in_good_order(site: Site) -> None:
    machine = site.machine
    # Returns when the agent has said that it is ready.
    machine.run("systemctl", "start", UNIT)
    eventually(lambda: site.backend.heartbeats)
    status = site.status()
    assert int(status["Uid"].split()[0]) > 60_000
    assert status["CapEff"] == "0000000000000000"
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    folder = machine.run("ls", "-ln", "/var/lib/private/dbpower-collector")
    assert "alive.json" in folder
    assert "process-" not in machine.run("cat", "/var/lib/private/dbpower-collector/alive.json")

    # A frozen agent is noticed and replaced, and so is a killed one.
    machine.run("systemctl", "kill", "--signal=STOP", UNIT)
    eventually(lambda: machine.property(UNIT, "NRestarts") == "1", 30)
    eventually(lambda: machine.property(UNIT, "ActiveState") == "active")
    machine.run("systemctl", "kill", "--signal=KILL", UNIT)
    eventually(lambda: machine.property(UNIT, "NRestarts") == "2")
    eventually(lambda: machine.property(UNIT, "ActiveState") == "active")

    eventually(site.status)
    machine.run("systemctl", "stop", UNIT)
    assert machine.property(UNIT, "Result") == "success"
    eventually(lambda: site.backend.heartbeats[-1]["stats"]["stopping"])

    # Another name, another configuration; one that cannot be used is not tried again and again.
    machine.run("sh", "-c", "systemctl start broken-collector || true")
    assert machine.property("broken-collector.service", "ExecMainStatus") == "2"
    assert machine.property("broken-collector.service", "NRestarts") == "0"
