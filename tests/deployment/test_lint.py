"""What linters and a careful reader can say about the deployment files without running them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbpower_agent.config import load_config
from tests.deployment import AGENT, REPOSITORY
from tests.deployment.compose import MissingVariableError, read
from tests.deployment.dockerfile import context
from tests.deployment.dockerfile import read as read_dockerfile

PROGRAMS = Path(sys.executable).parent
COMPOSE_FILES = (REPOSITORY / "docker-compose.yml", AGENT / "docker-compose.yml")
DOCKERFILES = (REPOSITORY / "Dockerfile", AGENT / "Dockerfile")
UNIT = AGENT / "dbpower-collector.service"
WANTED = {"DBPOWER_HOST": "dbpower.example.org", "DBPOWER_SECRETS_DIR": "/secrets"}


def said_by(*command: str | Path) -> str:
    """Run a linter, require that it is content, and return what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfiles() -> None:
    assert said_by(PROGRAMS / "hadolint", *DOCKERFILES) == ""


def test_the_compose_files_follow_the_specification() -> None:
    said_by(PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE_FILES)


def test_systemd_reads_the_unit_without_a_word() -> None:
    assert said_by("systemd-analyze", "verify", "--man=no", UNIT) == ""


def test_systemd_finds_the_unit_little_exposed() -> None:
    said_by("systemd-analyze", "security", "--offline=true", "--threshold=20", UNIT)


@pytest.mark.parametrize("file", DOCKERFILES, ids=["control plane", "agent"])
def test_an_image_is_slim_unprivileged_and_watched(file: Path) -> None:
    stages = read_dockerfile(file)
    image = stages[-1]
    assert {stage.base for stage in stages} == {"python:3.11-slim"}
    user, health = image.last("USER"), image.last("HEALTHCHECK")
    assert user is not None
    assert user.rest == "10001:10001"
    assert health is not None
    assert not any("gcc" in step.rest for step in image.instructions)


@pytest.mark.parametrize("file", COMPOSE_FILES, ids=["control plane", "agent"])
def test_every_service_is_restarted_and_its_logs_are_rotated(file: Path) -> None:
    for name, service in read(file, WANTED).items():
        assert service.members["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        assert set(service.members["logging"]["options"]) == {"max-size", "max-file"}, name


def test_the_compose_file_publishes_on_loopback_only_and_hides_the_data() -> None:
    services = read(COMPOSE_FILES[0], WANTED)
    published = {name: service.members["ports"] for name, service in services.items() if "ports" in service.members}
    assert published == {"web": ["127.0.0.1:8000:8000"]}
    assert yaml.safe_load(COMPOSE_FILES[0].read_text())["networks"]["data"] == {"internal": True}
    assert {name for name, service in services.items() if "front" in service.members["networks"]} == {"web"}


@pytest.mark.parametrize("missing", sorted(WANTED))
def test_the_compose_file_asks_for_what_has_no_default(missing: str) -> None:
    with pytest.raises(MissingVariableError, match=missing):
        read(COMPOSE_FILES[0], {name: value for name, value in WANTED.items() if name != missing})


@pytest.mark.parametrize("file", COMPOSE_FILES, ids=["control plane", "agent"])
def test_no_secret_stands_in_a_compose_file(file: Path) -> None:
    for service in read(file, WANTED).values():
        for name, value in service.environment.items():
            if re.search(r"PASSWORD|SECRET|KEY(?!_MAX_AGE_DAYS$)|_URL", name):
                assert name.endswith("_FILE"), name
                assert value.startswith("/run/secrets/")


def test_the_agents_compose_file_has_a_collector_for_each_engine_in_a_network_of_its_own() -> None:
    content = yaml.safe_load(COMPOSE_FILES[1].read_text())
    assert set(content["services"]) == {"collector-mysql", "collector-postgres"}
    assert set(content["networks"]) == {"collectors"}
    for service in content["services"].values():
        assert any(volume.endswith(":/app/config/config.json:ro") for volume in service["volumes"])


def test_no_configuration_and_no_state_leaves_for_the_agents_builder() -> None:
    files = {str(path) for path in context(AGENT)}
    assert {"pyproject.toml", "requirements.txt", "README.md", "dbpower_agent/cli.py"} <= files
    assert {path.split("/")[0] for path in files} == {
        "pyproject.toml", "requirements.txt", "README.md", "dbpower_agent",
    }  # fmt: skip


@pytest.mark.parametrize("db_type", ["mysql", "postgres"])
def test_the_example_is_a_configuration_the_agent_accepts(db_type: str, tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads((AGENT / "config.example.json").read_text())
    path = tmp_path / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({**content, "db_type": db_type}))
    assert load_config(path, {}).db_config.tls_mode == "verify_identity"
