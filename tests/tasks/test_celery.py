"""The sweep as beat and worker really run it: on the embedded broker, and on Redis with everything doubled."""

import contextlib
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.agent.agents import eventually
from tests.servers import PostgreSQL, Redis
from tests.servers.control_plane import ADMINISTRATOR, REPOSITORY, ControlPlane
from tests.servers.process import Account, ServerProcess, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def services(postgresql: PostgreSQL, redis: Redis, request: pytest.FixtureRequest) -> dict[str, str]:
    """A database of its own on PostgreSQL, and a Redis without messages of earlier tests."""
    name = f"tasks_{free_port()}"
    return {"DATABASE_URL": postgresql.create_database(name), "REDIS_URL": redis.url(abs(hash(request.node.name)) % 8)}


@contextlib.contextmanager
def process(name: str, command: list[str], environment: dict[str, str], log: Path) -> Iterator[ServerProcess]:
    """Run one of the control plane's processes by itself, as a production machine does."""
    running = ServerProcess(
        name,
        [PROGRAMS / command[0], *command[1:]],
        log=log,
        account=Account.current(),
        ready=lambda: None,
        folder=REPOSITORY,
        environment=environment,
    )
    running.start()
    try:
        yield running
    finally:
        running.stop()


def worker(environment: dict[str, str], log: Path, *options: str) -> contextlib.AbstractContextManager[ServerProcess]:
    command = ["celery", "--quiet", "--app", "dbpower", "worker", "--pool", "threads", "--concurrency", "2", *options]
    return process("worker", [*command, "--hostname", f"{log.stem}@%h"], environment, log)


def beat(environment: dict[str, str], log: Path) -> contextlib.AbstractContextManager[ServerProcess]:
    return process("beat", ["celery", "--quiet", "--app", "dbpower", "beat", "--pidfile="], environment, log)


def silent_collector(control_plane: ControlPlane) -> tuple[int, dict[str, str]]:
    """Register a collector that is heard from once and never again."""
    me = control_plane.log_in()
    organization = control_plane.api("POST", "organizations", {"name": "Example GmbH"}, **me).json()
    team = control_plane.api("POST", "teams", {"name": "Shop", "organization_id": organization["id"]}, **me).json()
    body = {"name": "silent", "type": "mysql", "team_id": team["id"]}
    registered = control_plane.api("POST", "collectors/register", body, **me).json()
    key = {"X-Collector-API-Key": registered["api_key"]}
    assert control_plane.api("POST", f"collectors/{registered['id']}/heartbeat", {}, **key).ok
    return registered["id"], me


def flips(control_plane: ControlPlane, collector_id: int, me: dict[str, str]) -> list[dict[str, Any]]:
    answer = control_plane.api("GET", f"collectors/{collector_id}/status-changes", **me).json()
    return [change for change in answer["status_changes"] if change["new_status"] == "OFFLINE"]


def is_flagged_exactly_once(control_plane: ControlPlane) -> None:
    collector_id, me = silent_collector(control_plane)
    eventually(lambda: flips(control_plane, collector_id, me), seconds=40, what="OFFLINE")
    time.sleep(3)
    assert len(flips(control_plane, collector_id, me)) == 1
    log = control_plane.process.log_tail(200)
    assert "CollectorHealthMonitor: started" in log


def test_a_silent_collector_is_flagged_once_on_the_embedded_broker() -> None:
    with ControlPlane() as control_plane:
        is_flagged_exactly_once(control_plane)
        assert "WARNING CollectorHealthMonitor: collector 1 is OFFLINE" in control_plane.process.log_tail(200)


def test_a_silent_collector_is_flagged_once_by_two_beats_and_two_workers_on_redis(
    services: dict[str, str], tmp_path: Path
) -> None:
    with (
        ControlPlane(services) as control_plane,
        worker(control_plane.environment, tmp_path / "second.log"),
        beat(control_plane.environment, tmp_path / "beat.log"),
    ):
        is_flagged_exactly_once(control_plane)
        logs = control_plane.process.log_tail(200) + (tmp_path / "second.log").read_text()
        assert logs.count("collector 1 is OFFLINE") == 1


def test_the_age_limit_of_keys_is_kept_by_beat() -> None:
    with ControlPlane({"DBPOWER_KEY_MAX_AGE_DAYS": "30"}) as control_plane:
        collector_id, me = silent_collector(control_plane)

        def asked_for() -> Any:
            found = control_plane.api("GET", f"collectors/{collector_id}", **me).json()
            return found["keys"]["rotation_requested_at"]

        control_plane.process.stop()
        with contextlib.closing(sqlite3.connect(control_plane.folder / "data/dbpower.sqlite3")) as database, database:
            database.execute("UPDATE collectors SET api_key_created_at = datetime('now', '-31 days')")
        # Every entry is due when beat begins; an hour of waiting is not the question here.
        control_plane.process.start(120)
        eventually(asked_for, seconds=40, what="the agent is asked for a new key")


def test_health_names_the_part_that_is_missing_and_readiness_does_not_mind(
    services: dict[str, str], tmp_path: Path
) -> None:
    control_plane = ControlPlane(services)
    with contextlib.closing(control_plane):
        control_plane.manage("migrate", "--verbosity", "0")
        control_plane.manage("createsuperuser", "--noinput", DJANGO_SUPERUSER_EMAIL=ADMINISTRATOR)
    me: dict[str, str] = {}
    port = free_port()
    environment = {**control_plane.environment, "DBPOWER_DATA_DIR": str(tmp_path / "data")}
    # Tokens are signed with the secret of the installation, which went with its folder.
    environment["DBPOWER_SECRET_KEY"] = "x" * 50
    web = ["python", "-m", "dbpower.web", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"

    def status(path: str) -> int:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(address + path, headers=me, timeout=5, proxies={"http": ""}).status_code
        return 0

    def dead() -> Any:
        with contextlib.suppress(requests.ConnectionError, ValueError):
            return requests.get(f"{address}/health", headers=me, timeout=5, proxies={"http": ""}).json().get("dead")
        return None

    with process("web", web, environment, tmp_path / "web.log"):
        eventually(lambda: status("/health/ready") == 200, what="ready")
        me = signed_in(address, control_plane.password)
        assert dead() == ["worker", "beat"]
        assert status("/health") == 503
        with worker(environment, tmp_path / "worker.log"):
            eventually(lambda: dead() == ["beat"], what="only the beat is missing")
            with beat(environment, tmp_path / "beat.log"):
                eventually(lambda: dead() == [] and status("/health") == 200, what="all well")
        assert status("/health/ready") == 200


def signed_in(address: str, password: str) -> dict[str, str]:
    body = {"email": "root@example.org", "password": password}
    answer = requests.post(f"{address}/api/v1/auth/token", json=body, timeout=10, proxies={"http": ""})
    return {"Authorization": f"Bearer {answer.json()['access']}"}
