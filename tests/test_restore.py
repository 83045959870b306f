"""A backup is made, things are revoked and change, the backup is restored: what was dead stays dead, and agents come back."""

import contextlib
import json
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.agents import eventually, running_agent, write_config
from tests.servers import PostgreSQL
from tests.servers.control_plane import ControlPlane
from tests.servers.process import Account, run_as

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class OnSQLite:
    """Backup and restore as docs/operations.md has them."""

    def __init__(self, folder: Path) -> None:
        self.backup_file = folder / "backup.sqlite3"
        self.environment: dict[str, str] = {}

    def backup(self, control_plane: ControlPlane) -> None:
        live = control_plane.folder / "data" / "dbpower.sqlite3"
        with (
            contextlib.closing(sqlite3.connect(live)) as one,
            contextlib.closing(sqlite3.connect(self.backup_file)) as other,
        ):
            one.backup(other)

    def restore(self, control_plane: ControlPlane) -> None:
        live = control_plane.folder / "data" / "dbpower.sqlite3"
        for leftover in live.parent.glob("dbpower.sqlite3*"):
            leftover.unlink()
        shutil.copy(self.backup_file, live)


class OnPostgreSQL:
    """The same with pg_dump, and pg_restore into an empty database."""

    def __init__(self, folder: Path, server: PostgreSQL) -> None:
        self.server = server
        self.backup_file = folder / "dbpower.dump"
        self.environment = {"DATABASE_URL": server.url(self._database())}

    def backup(self, control_plane: ControlPlane) -> None:
        url = control_plane.environment["DATABASE_URL"]
        self._run("pg_dump", "--format=custom", f"--file={self.backup_file}", url)

    def restore(self, control_plane: ControlPlane) -> None:
        control_plane.environment["DATABASE_URL"] = url = self.server.url(self._database())
        self._run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", str(self.backup_file))
        control_plane.manage("migrate", "--check")

    def _database(self) -> str:
        name = f"restore_{uuid.uuid4().hex[:8]}"
        self.server.execute(f"CREATE DATABASE {name}")
        return name

    def _run(self, program: str, *arguments: str) -> None:
        run_as(Account.current(), [self.server.programs / program, *arguments])


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> OnSQLite | OnPostgreSQL:
    if request.param == "sqlite":
        return OnSQLite(tmp_path)
    return OnPostgreSQL(tmp_path, request.getfixturevalue("postgresql"))


@pytest.fixture
def control_plane(site: OnSQLite | OnPostgreSQL) -> Iterator[ControlPlane]:
    with ControlPlane(site.environment) as running:
        yield running


class Installation:
    """What there is when the backup is made."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self.me = control_plane.log_in()
        self.organization = self.ask("POST", "organizations", {"name": "Example GmbH"})["id"]
        self.team = self.ask("POST", "teams", {"name": "Shop", "organization_id": self.organization})["id"]
        self.kept, self.revoked = self.register("kept"), self.register("revoked")
        proof = {"current_password": control_plane.password}
        self.token = self.ask("POST", "tokens", {"name": "script", "scopes": ["read"], **proof})
        self.enrolment = self.ask(
            "POST", "enrolment-tokens", {"name": "hosts", "team_id": self.team, "type": "mysql", "max_uses": 9}
        )
        place = {"organization_id": self.organization, "team_id": self.team, "role": "TEAM_LEAD"}
        self.invitation = self.ask("POST", "invitations", {"email": "new@example.org", **place})

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.control_plane.api(method, path, body, **(headers or self.me))
        assert answer.ok, (path, answer.text)
        return answer.json() if answer.content else None

    def status(self, method: str, path: str, body: Any = None, **headers: str) -> int:
        return self.control_plane.api(method, path, body, **headers).status_code

    def register(self, name: str) -> dict[str, Any]:
        config = {"host": "127.0.0.1", "port": 1, "user": "agent", "password": "p"}
        body = {"name": name, "type": "mysql", "team_id": self.team, "config": config}
        return dict(self.ask("POST", "collectors/register", body))

    def of(self, collector: dict[str, Any]) -> Any:
        return self.ask("GET", f"collectors/{collector['id']}")

    def beat(self, collector: dict[str, Any]) -> int:
        return self.status(
            "POST", f"collectors/{collector['id']}/heartbeat", {}, **{"X-Collector-API-Key": collector["api_key"]}
        )

    def rotate(self) -> None:
        """Have the agent that runs make itself a key, and prove it."""
        before = self.of(self.kept)["keys"]["created_at"]
        self.ask("POST", f"collectors/{self.kept['id']}/rotate-key", {"by": "agent"})
        eventually(lambda: self.of(self.kept)["keys"]["created_at"] != before)
        eventually(lambda: self.of(self.kept)["keys"]["first_used_at"])


def test_what_was_dead_stays_dead_after_a_restore_and_agents_come_back(
    site: OnSQLite | OnPostgreSQL, control_plane: ControlPlane, tmp_path: Path
) -> None:
    was = Installation(control_plane)
    kept, revoked = was.kept, was.revoked
    config = write_config(
        tmp_path, control_plane.address, "mysql", {"port": 1}, collector_id=kept["id"], api_key=kept["api_key"]
    )
    with running_agent(config):
        eventually(lambda: was.of(kept)["keys"]["first_used_at"])
    old = was.ask("POST", f"collectors/{kept['id']}/stop", {})
    assert was.beat(revoked) == 200
    site.backup(control_plane)

    was.ask("POST", f"collectors/{kept['id']}/commands/{old['id']}/cancel", {})
    was.ask("POST", f"collectors/{revoked['id']}/revoke-key", {})
    was.ask("DELETE", f"tokens/{was.token['id']}")
    was.ask("DELETE", f"enrolment-tokens/{was.enrolment['id']}")
    was.ask("DELETE", f"invitations/{was.invitation['id']}")
    with running_agent(config):
        was.rotate()
        was.rotate()
    reported = 40
    for _ in range(3):
        was.ask("PATCH", f"collectors/{kept['id']}", {"config": {"host": "127.0.0.1", "port": 1, "password": "q"}})

    control_plane.process.stop()
    site.restore(control_plane)
    assert "1 commands cancelled" in control_plane.manage("after_restore", "--dry-run")
    said = control_plane.manage("after_restore", "--revoke-keys-of", str(revoked["id"]))
    assert "1 commands cancelled" in said
    control_plane.process.start(120)

    bearer = {"Authorization": f"Bearer {was.token['token']}"}
    assert was.status("GET", "teams", **was.me) == 401
    assert was.status("GET", "teams", **bearer) == 401
    assert was.beat(revoked) == 401
    enrolling = {"token": was.enrolment["token"], "request_id": "0" * 32, "name": "host"}
    assert was.status("POST", "enrolments", enrolling) in {401, 403}
    link = was.invitation["url"].rstrip("/").rpartition("/")[2]
    assert was.status("POST", "invitations/accept", {"token": link, "password": "a long pass phrase"}) >= 400

    was.me = control_plane.log_in()
    with running_agent(config):
        # It tries the keys that it made, and then the configured one, which is what the backup knows.
        eventually(lambda: json.loads((tmp_path / "state/keys.json").read_text())["current"] == kept["api_key"])
    with running_agent(config):
        eventually(lambda: was.of(kept)["keys"]["rotation_requested_at"] is None)
        eventually(lambda: was.of(kept)["keys"]["first_used_at"])
        assert was.ask("GET", f"collectors/{kept['id']}/commands/{old['id']}")["state"] == "cancelled"
        assert was.of(kept)["auto_collect"] is False
        changed = was.ask(
            "PATCH", f"collectors/{kept['id']}", {"config": {"host": "127.0.0.1", "port": 1, "password": "r"}}
        )
        assert changed["config_version"] > reported
        (command,) = was.ask("GET", f"collectors/{kept['id']}/commands")["commands"][:1]
        assert command["id"] > old["id"] + 1000
        eventually(lambda: was.ask("GET", f"collectors/{kept['id']}/commands/{command['id']}")["state"] == "failed")
        assert (
            was.ask("GET", f"collectors/{kept['id']}/commands/{command['id']}")["result"]["code"]
            == "database_unreachable"
        )
