"""The pages keep pace with the code: no setting is missing, no link leads nowhere."""

import re
from pathlib import Path

import pytest

from dbpower_agent.config import DB_MEMBERS, TLS_MEMBERS
from dbpower_agent.config_fields import FIELDS
from tests.deployment import AGENT, REPOSITORY

PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"), *AGENT.glob("*.md")])
READERS = r"environment\.(?:text|integer|boolean|choice|words|database|broker)\(\s*\"(\w+)\""


def settings() -> set[str]:
    """Return the names of the control plane's variables."""
    code = "\n".join(path.read_text() for path in (REPOSITORY / "dbpower").glob("*.py"))
    names = set(re.findall(READERS, code))
    assert len(names) > 10
    return names


def test_every_setting_of_the_control_plane_is_described() -> None:
    names = settings()
    described = set(re.findall(r"^\| `(\w+)`", (REPOSITORY / "docs/operations.md").read_text(), re.MULTILINE))
    assert names - described == set()
    assert {name for name in described if name.startswith("DBPOWER_")} - names == set()


def test_every_setting_reaches_the_containers() -> None:
    compose = (REPOSITORY / "docker-compose.yml").read_text()
    # The folder is the image's own.
    assert {name for name in settings() - {"DBPOWER_DATA_DIR"} if name not in compose} == set()


def test_every_setting_of_the_agent_is_described() -> None:
    page = (REPOSITORY / "docs/agent.md").read_text()
    for field in FIELDS:
        assert f"| `{field.name}` |" in page
    for member in (*DB_MEMBERS, *(f"tls_{name}" for name in TLS_MEMBERS)):
        assert f"`DBPOWER_AGENT_DB_{member.upper()}`" in page


def test_every_command_of_an_operator_is_described() -> None:
    page = (REPOSITORY / "docs/operations.md").read_text()
    for path in (REPOSITORY / "collectors/management/commands").glob("[a-z]*.py"):
        assert f"`{path.stem}`" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    for named in re.findall(r"`((?:tests|collectors|dbpower|agent|docs)/[\w./-]+\.\w+)`", page.read_text()):
        assert (REPOSITORY / named).exists(), named
