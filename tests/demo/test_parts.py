"""Parts of the demo that need no server."""

import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.control_plane import FIRST_PORT, chosen_port, environment
from tests.demo.databases import is_free, kept_port
from tests.demo.load import QUICK, SLOW
from tests.demo.logins import Logins, write_private
from tests.demo.places import DemoError, Places
from tests.demo.registration import kept_identity
from tests.servers.process import free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port somebody else listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_secrets_of_the_demo_are_private(tmp_path: Path) -> None:
    """The file with the passwords is closed to others, and a password stays what it was."""
    logins = Logins(tmp_path / "logins.json")
    password = logins.password("somebody")
    assert (tmp_path / "logins.json").stat().st_mode & 0o777 == 0o600
    assert Logins(tmp_path / "logins.json").password("somebody") == password
    assert json.loads((tmp_path / "logins.json").read_text()) == {"somebody": password}


def test_the_port_asked_for_is_taken_or_used(taken_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets PORT means that port and no other."""
    monkeypatch.setenv("PORT", str(taken_port))
    with pytest.raises(DemoError, match=f"PORT is {taken_port}, and that port is taken"):
        chosen_port()
    free = free_port()
    monkeypatch.setenv("PORT", str(free))
    assert chosen_port() == free


def test_a_taken_port_is_chosen_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PORT the first free one from 8000 on is used."""
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.setattr("tests.demo.control_plane.is_free", lambda port: port > FIRST_PORT + 1)
    assert chosen_port() == FIRST_PORT + 2


def test_a_database_keeps_its_port_while_it_is_free(tmp_path: Path, taken_port: int) -> None:
    """Registered addresses stay true from one start to the next, unless somebody else has the port now."""
    port = kept_port(tmp_path)
    assert is_free(port)
    assert kept_port(tmp_path) == port
    (tmp_path / "port").write_text(str(taken_port))
    assert kept_port(tmp_path) != taken_port


def test_a_second_demo_in_the_same_place_is_refused(tmp_path: Path) -> None:
    """Two of them, or demo-clean beside a running one, would spoil each other's data."""
    places = Places(tmp_path / "demo")
    with places.locked(), pytest.raises(DemoError, match="already running"), places.locked():
        pass


def test_the_demo_is_embedded_whatever_the_shell_is_set_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A production DATABASE_URL in the environment must not receive demo data."""
    for name in ("DATABASE_URL", "REDIS_URL_FILE", "DBPOWER_SECRET_KEY"):
        monkeypatch.setenv(name, "something")
    found = environment(Places(tmp_path), 8123)
    assert found["PORT"] == "8123"
    assert not {"DATABASE_URL", "REDIS_URL_FILE", "DBPOWER_SECRET_KEY"} & set(found)


def test_a_key_is_read_back_from_the_agents_configuration(tmp_path: Path) -> None:
    """The key was shown once; the configuration is the only other place that has it."""
    file = tmp_path / "agent.json"
    assert kept_identity(file) is None
    write_private(file, json.dumps({"collector_id": 3, "api_key": "collector_3_x", "db_type": "mysql"}))
    assert kept_identity(file) == {"collector_id": 3, "api_key": "collector_3_x"}


def test_every_statement_of_the_load_gets_as_many_values_as_it_asks_for() -> None:
    """A shop whose statements fail would be silent: it takes any failure for a lost connection."""

    for statement in (*QUICK, *SLOW):
        assert statement.sql.count("%s") == len(statement.values(random.Random(1)))
