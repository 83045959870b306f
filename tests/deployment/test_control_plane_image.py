"""The control plane's image and compose file, carried out: built, migrated, started, killed."""

import json
import os
import secrets
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.deployment import REPOSITORY
from tests.deployment.compose import Service, read
from tests.deployment.dockerfile import context
from tests.deployment.room import Image, Room, Started, eventually
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import free_port
from tests.servers.redis import Redis

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HOST = "dbpower.example.org"
LOOK_AROUND = """
id -u
for tool in gcc cc make pip; do
    case $(command -v $tool) in /opt/*|*/gcc|*/cc|*/make) echo has $tool;; esac
done
test -w /app && echo can write its code
test -w /data && echo can write its data
python -c "
import django
django.setup()
from django.utils import translation
translation.activate('it')
print(*map(translation.gettext, ('slow queries', 'Slow queries of your fleet')), sep='; ')"
ls /app
"""
AN_HOUR_LATER = """
import datetime, django
django.setup()
from django.db.models import F
from collectors.models import ControlPlane
ControlPlane.objects.update(beat_seen_at=F("beat_seen_at") - datetime.timedelta(hours=1))
"""


@dataclass
class Deployment:
    """The services of the compose file, each started in the room by its own command."""

    room: Room
    image: Image
    services: dict[str, Service]
    port: int
    logs: Path
    stack: ExitStack

    def environment(self, name: str) -> dict[str, str]:
        """The image's variables, the service's, and what an engine adds. The port is a free one of this machine."""
        engine = {"HOSTNAME": socket.gethostname(), "PORT": str(self.port)}
        return {**self.image.environment, **self.services[name].environment, **engine}

    def start(self, name: str) -> Started:
        """Start a service."""
        service = self.services[name]
        command = service.command if "command" in service.members else self.image.command
        log = self.logs / f"{name}.log"
        return self.stack.enter_context(
            self.room.started(
                command, environment=self.environment(name), user=self.image.user, folder=self.image.folder, log=log
            )
        )

    def run(self, name: str, *command: str) -> str:
        """Run a command in the place of the service's own, to its end."""
        return self.room.run(
            command or self.services[name].command,
            environment=self.environment(name),
            user=self.image.user,
            folder=self.image.folder,
        )

    def healthy(self, name: str) -> bool:
        """Tell what the service's health check says."""
        service = self.services[name]
        command = service.health_command if "healthcheck" in service.members else self.image.health_command
        done = self.room.attempt(
            command, environment=self.environment(name), user=self.image.user, folder=self.image.folder, timeout=20
        )
        return done.returncode == 0

    def get(self, path: str) -> int:
        """Return the status of an answer of the web process."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Host": HOST})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def deployment(
    control_plane_image: Image, postgresql: PostgreSQL, redis: Redis, tmp_path: Path
) -> Iterator[Deployment]:
    """The compose file on the private servers, with its secrets in files that the image's user alone may read."""
    name = f"compose_{secrets.token_hex(4)}"
    folder = tmp_path / "secrets"
    folder.mkdir()
    contents = {
        "secret_key": secrets.token_urlsafe(48),
        "encryption_keys": Fernet.generate_key().decode(),
        "database_url": postgresql.create_database(name),
        "redis_url": redis.url(3),
    }
    for file, content in contents.items():
        (folder / file).write_text(content + "\n")
        (folder / file).chmod(0o400)
        os.chown(folder / file, 10001, 10001)
    services = read(REPOSITORY / "docker-compose.yml", {"DBPOWER_HOST": HOST, "DBPOWER_SECRETS_DIR": str(folder)})
    members = services["web"].members
    room = Room(
        control_plane_image.layers,
        binds={"/run/secrets": folder},
        tmpfs=members["tmpfs"],
        read_only=members["read_only"],
    )
    with room, ExitStack() as stack:
        yield Deployment(room, control_plane_image, services, free_port(), tmp_path, stack)


def test_the_image_holds_the_product_and_no_tools_to_build_it_with(control_plane_image: Image) -> None:
    with Room(control_plane_image.layers) as room:
        said = room.run(
            [
                "sh",
                "-c",
                LOOK_AROUND,
            ],
            environment=control_plane_image.environment,
            user=control_plane_image.user,
            folder=control_plane_image.folder,
        )
    assert said.split("\n")[0] == "10001"
    assert "has " not in said
    assert "can write its code" not in said
    assert "can write its data" in said
    assert "query lente; Le query lente della tua flotta" in said
    assert set(said.split()[-4:]) == {"__pycache__", "collectors", "dbpower", "manage.py"}


def test_nothing_but_code_leaves_for_the_builder() -> None:
    files = context(REPOSITORY)
    assert {path.parts[0] for path in files} == {"requirements.txt", "manage.py", "dbpower", "collectors"}
    assert not [path for path in files if path.suffix == ".pyc" or path.name in {"secrets.json", ".env"}]


def test_the_services_of_the_compose_file_run_and_their_health_checks_tell_the_truth(deployment: Deployment) -> None:
    deployment.run("migrate")
    web, worker, beat = (deployment.start(name) for name in ("web", "worker", "beat"))
    for name in ("web", "worker", "beat"):
        eventually(partial(deployment.healthy, name), 40)
    assert deployment.get("/health/ready") == 200
    assert deployment.get("/health") == 401
    assert "CollectorHealthMonitor" in worker.said()
    assert _detail(deployment)["dead"] == []
    for name, process in (("web", web), ("worker", worker), ("beat", beat)):
        assert process.alive(), f"{name}: {process.said()}"
        process.kill()
    assert not deployment.healthy("web")
    assert not deployment.healthy("worker")
    # A beat counts as dead when it has left no trace for half a minute, which is not waited for here.
    assert deployment.healthy("beat")
    deployment.run("web", "python", "-c", AN_HOUR_LATER)
    assert not deployment.healthy("beat")


def test_every_process_ends_in_good_order_when_it_is_asked_to(deployment: Deployment) -> None:
    deployment.run("migrate")
    processes = [deployment.start(name) for name in ("web", "worker", "beat")]
    for name in ("web", "worker"):
        eventually(partial(deployment.healthy, name), 40)
    for process in processes:
        assert process.stop() in {0, -signal.SIGTERM}, process.said()
        assert "Traceback" not in process.said()


def test_a_container_that_is_told_nothing_serves_embedded(control_plane_image: Image, tmp_path: Path) -> None:
    image = control_plane_image
    environment = {**image.environment, "PORT": str(free_port())}
    with Room(image.layers) as room:
        room.run(["python", "manage.py", "migrate"], environment=environment, user=image.user, folder=image.folder)
        with room.started(
            image.command, environment=environment, user=image.user, folder=image.folder, log=tmp_path / "web.log"
        ) as web:
            eventually(
                lambda: (
                    room.attempt(
                        image.health_command, environment=environment, user=image.user, folder=image.folder
                    ).returncode
                    == 0
                ),
                30,
            )
            web.kill()
            done = room.attempt(image.health_command, environment=environment, user=image.user, folder=image.folder)
            assert done.returncode != 0
        mode = room.run(["stat", "-c", "%a %u", "/data/secrets.json"], environment=environment, user=image.user)
        assert mode.split() == ["600", "10001"]


def _detail(deployment: Deployment) -> dict[str, object]:
    """What an operator sees at /health."""
    code = (
        "import dataclasses, django, json; django.setup(); from collectors.services import health;"
        " print(json.dumps(dataclasses.asdict(health.detail())))"
    )
    found: dict[str, object] = json.loads(deployment.run("web", "python", "-c", code).splitlines()[-1])
    return found
