"""The agent's image and unit, carried out: built, looked at, run against a real server, killed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.backend import COLLECTOR_ID, KEY, FakeBackend
from tests.agent.conftest import mysql_site, postgres_site
from tests.deployment.room import Image, Room, eventually
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    """Something for the agent to talk to."""
    with FakeBackend() as running:
        yield running


def write_config(path: Path, backend: FakeBackend, db_type: str, db_config: dict[str, object]) -> Path:
    """Write a configuration as an operator mounts it: readable by the container's user alone."""
    content = {
        "collector_id": COLLECTOR_ID,
        "api_key": KEY,
        "backend_url": backend.url,
        "db_type": db_type,
        "db_config": db_config,
    }
    path.write_text(json.dumps(content))
    path.chmod(0o400)
    os.chown(path, 10001, 10001)
    return path


def room_for(image: Image, config: Path) -> Room:
    """What the compose file gives a container: a read-only root, the configuration, a volume for the state."""
    return Room(
        image.layers,
        binds={"/app/config/config.json": config},
        tmpfs=["/tmp", "/app/state:uid=10001,gid=10001,mode=0700"],
        read_only=True,
    )


def test_the_container_collects_and_its_health_check_tells_the_truth(
    agent_image: Image, mariadb: MariaDB, backend: FakeBackend, tmp_path: Path
) -> None:
    site = mysql_site(mariadb)
    image = agent_image
    config = write_config(tmp_path / "config.json", backend, "mysql", site.db_config)
    with room_for(image, config) as room:

        def healthy() -> bool:
            done = room.attempt(
                image.health_command, environment=image.environment, user=image.user, folder=image.folder
            )
            return done.returncode == 0

        assert not healthy()
        with room.started(
            image.command, environment=image.environment, user=image.user, folder=image.folder, log=tmp_path / "log"
        ) as agent:
            eventually(healthy)
            site.run("SELECT SLEEP(0.05)")
            eventually(site.logged)
            backend.command(1, "collect")
            eventually(lambda: backend.all_rows)
            agent.kill()
            assert not healthy()
        with room.started(
            image.command, environment=image.environment, user=image.user, folder=image.folder, log=tmp_path / "log"
        ) as agent:
            eventually(healthy)
            assert agent.stop() == 0, agent.said()
        assert not healthy()


def test_the_image_examines_either_engine(
    agent_image: Image, mariadb: MariaDB, postgresql: PostgreSQL, backend: FakeBackend, tmp_path: Path
) -> None:
    entry = agent_image.command[:-1]
    for db_type, db_config in (
        ("mysql", mysql_site(mariadb).db_config),
        ("postgres", postgres_site(postgresql).db_config),
    ):
        config = write_config(tmp_path / f"{db_type}.json", backend, db_type, db_config)
        with room_for(agent_image, config) as room:
            said = room.run(
                [*entry, "doctor"],
                environment=agent_image.environment,
                user=agent_image.user,
                folder=agent_image.folder,
            )
        assert "PROBLEM" not in said
        assert "grants" in said


def test_the_image_holds_no_compiler_and_cannot_change_itself(agent_image: Image) -> None:
    look = "id -u; command -v gcc cc make; test -w /app && echo writable; test -w /opt/dbpower-agent && echo writable"
    with Room(agent_image.layers) as room:
        done = room.attempt(
            ["sh", "-c", look], environment=agent_image.environment, user=agent_image.user, folder=agent_image.folder
        )
    assert done.stdout.split() == ["10001"]
