"""A new connection from the control plane: what it may name on this host, and where a password goes with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.config import AgentConfig, load_config
from dbpower_agent.config_store import OVERRIDE_NAME
from dbpower_agent.sources.base import Source, SourceError
from dbpower_agent.updates import UpdateRefusedError, try_update
from tests.agent.agents import write_config

PASSWORD = "canary-of-the-host"
REMOTE = {"host": "db.example.org", "user": "agent"}


class Probed:
    """A source that connects in thought: it notes the password that the driver would have been given."""

    name = "probed"

    def __init__(self, config: AgentConfig, error: SourceError | None = None) -> None:
        self.config = config
        self.error = error
        self.password = ""

    def probe(self) -> None:
        self.password = self.config.db_config.current_password()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        pass


class Site:
    """An agent's configuration, which updates are sent to."""

    def __init__(self, folder: Path, db_config: dict[str, Any], environ: dict[str, str] | None = None, **more: Any):
        (folder / "state").mkdir(mode=0o700, exist_ok=True)
        self.path = write_config(folder, "http://127.0.0.1:1", "mysql", db_config, **more)
        self.environ = environ or {}
        self.override = folder / "state" / OVERRIDE_NAME
        self.version = 1
        self.load()

    def load(self) -> AgentConfig:
        self.config = load_config(self.path, self.environ)
        return self.config

    def update(self, error: SourceError | None = None, /, **wanted: Any) -> str:
        """Send a connection; returns the password it is used with."""
        self.version += 1
        params = {"config": wanted, "config_version": self.version}

        def make(config: AgentConfig) -> tuple[Source, ...]:
            return (Probed(config, error),)  # type: ignore[return-value]

        self.config, (source,) = try_update(self.config, params, make)
        return source.password  # type: ignore[attr-defined,no-any-return]

    def refused(self, error: SourceError | None = None, /, **wanted: Any) -> dict[str, Any]:
        with pytest.raises(UpdateRefusedError) as caught:
            self.update(error, **wanted)
        assert PASSWORD not in json.dumps(caught.value.result)
        return caught.value.result


def from_command(folder: Path, text: str) -> dict[str, str]:
    (folder / "secret").write_text(text)
    return {"DBPOWER_AGENT_DB_PASSWORD_COMMAND": f"cat {folder / 'secret'}"}


def from_file(folder: Path, text: str) -> dict[str, str]:
    (folder / "secret").write_text(text)
    return {"DBPOWER_AGENT_DB_PASSWORD_FILE": str(folder / "secret")}


def from_credential(folder: Path, text: str) -> dict[str, str]:
    (folder / "dbpower_agent_db_password").write_text(text)
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def from_variable(_: Path, text: str) -> dict[str, str]:
    return {"DBPOWER_AGENT_DB_PASSWORD": text}


@pytest.mark.parametrize("source", [from_command, from_file, from_credential, from_variable])
def test_a_password_of_the_host_is_never_stored_and_may_change_under_an_update(source: Any, tmp_path: Path) -> None:
    site = Site(tmp_path, REMOTE, source(tmp_path, PASSWORD))
    assert site.update(**REMOTE, port=3306) == PASSWORD
    assert PASSWORD not in site.override.read_text()
    assert site.update(**{**REMOTE, "user": "other"}) == PASSWORD
    assert PASSWORD not in site.override.read_text()
    site.environ = source(tmp_path, "another one")
    again = site.load()
    assert (again.config_version, again.db_config.user, again.db_config.current_password()) == (
        3,
        "other",
        "another one",
    )


def test_a_password_of_the_hosts_file_is_not_copied_beside_it(tmp_path: Path) -> None:
    site = Site(tmp_path, {**REMOTE, "password": PASSWORD}, {"DBPOWER_AGENT_DB_PORT": "3306"})
    assert site.update(**REMOTE) == PASSWORD
    assert PASSWORD not in site.override.read_text()
    assert site.load().db_config.current_password() == PASSWORD


def test_a_password_that_was_sent_is_stored_and_kept_by_later_updates(tmp_path: Path) -> None:
    site = Site(tmp_path, REMOTE, from_command(tmp_path, PASSWORD))
    assert site.update(host="elsewhere", password="sent") == "sent"
    assert site.update(host="elsewhere", user="other") == "sent"
    again = site.load()
    assert (again.db_config.user, again.db_config.current_password()) == ("other", "sent")
    assert site.refused(**REMOTE)["code"] == "password_needed"


def test_a_password_of_the_host_appears_at_no_other_place_after_a_restart(tmp_path: Path) -> None:
    site = Site(tmp_path, REMOTE)
    site.environ = {"DBPOWER_AGENT_DB_USER": "agent"}
    site.load()
    site.update(host="elsewhere")
    site.environ |= from_command(tmp_path, PASSWORD)
    again = site.load()
    assert (again.db_config.host, again.db_config.current_password()) == ("elsewhere", "")


@pytest.mark.parametrize(
    "wanted",
    [
        {"host": "db.example.org", "tls": {"mode": "disable"}},
        {"host": "db.example.org", "tls": {"mode": "require"}},
        {"host": "db.example.org", "tls": {"mode": "verify_ca"}},
        {"host": "db.example.org", "tls": {"mode": "verify_identity", "ca": "/etc/agent-tls/other.pem"}},
        {"host": "elsewhere.example.org"},
        {"host": "db.example.org", "port": 3307},
        {"host": "db.example.org", "socket": "/run/mysqld/mysqld.sock"},
        {},
    ],
)
@pytest.mark.parametrize("source", [from_command, None])
def test_no_kept_password_goes_elsewhere_or_over_weaker_tls(
    wanted: dict[str, Any], source: Any, tmp_path: Path
) -> None:
    given = {**REMOTE, **({} if source else {"password": PASSWORD})}
    environ = source(tmp_path, PASSWORD) if source else {}
    site = Site(tmp_path, given, environ, tls_directory="/etc/agent-tls")
    assert site.refused(**wanted)["code"] == "password_needed"
    assert site.update(**wanted, password="another") == "another"


def test_stronger_tls_takes_the_password_along(tmp_path: Path) -> None:
    weak = {**REMOTE, "password": PASSWORD, "tls": {"mode": "require"}}
    site = Site(tmp_path, weak, tls_directory="/etc/agent-tls")
    ours = {"mode": "verify_identity", "ca": "/etc/agent-tls/ca.pem"}
    assert site.update(**REMOTE, tls=ours) == PASSWORD
    assert site.refused(**REMOTE, tls={"mode": "require", "ca": ours["ca"]})["code"] == "password_needed"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/nonexistent",
        "/etc/agent-tls/../shadow",
        "/etc/agent-tls/x/../../shadow",
        "/etc/agent-tls/deeper/ca.pem",
        "/etc/agent-tls//ca.pem",
        "/etc/agent-tls/.",
        "/etc/agent-tlsx/ca.pem",
        "/etc/agent-tls",
        "/proc/self/environ",
    ],
)
@pytest.mark.parametrize("member", ["ca", "key"])
@pytest.mark.parametrize("directory", ["/etc/agent-tls", ""])
def test_tls_files_that_the_host_does_not_offer_are_refused_alike_and_never_looked_at(
    path: str, member: str, directory: str, tmp_path: Path
) -> None:
    site = Site(tmp_path, REMOTE, tls_directory=directory)
    tls = {"ca": path} if member == "ca" else {"cert": path, "key": path}
    told = site.refused(SourceError("never", "reached"), **REMOTE, tls=tls)
    assert told == {
        "code": "tls_file_refused",
        "detail": "TLS files are those of this host's own configuration, or lie in its tls_directory",
    }


def test_tls_files_that_the_host_offers_are_used(tmp_path: Path) -> None:
    own = {**REMOTE, "tls": {"ca": "/own/ca.pem", "cert": "/own/cert.pem", "key": "/own/key.pem"}}
    site = Site(tmp_path, own, tls_directory="/etc/agent-tls/")
    site.update(**own)
    site.update(**REMOTE, tls={"ca": "/own/ca.pem", "cert": "/etc/agent-tls/c.pem", "key": "/etc/agent-tls/k.pem"})
    assert site.config.db_config.tls.cert == "/etc/agent-tls/c.pem"


@pytest.mark.parametrize("code", ["database_unreachable", "database_error", "tls_refused"])
def test_a_socket_that_is_not_the_hosts_tells_nothing_about_paths(code: str, tmp_path: Path) -> None:
    site = Site(tmp_path, {"socket": "/run/mysqld/mysqld.sock"})
    told = [
        site.refused(SourceError(code, detail, "remedy"), socket=path)
        for path, detail in (("/etc/shadow", "Connection refused"), ("/nonexistent", "No such file or directory"))
    ]
    assert told[0] == told[1] == {"code": "database_unreachable", "detail": told[0]["detail"], "remedy": None}
    own = site.refused(SourceError(code, "No such file", "remedy"), socket="/run/mysqld/mysqld.sock")
    assert own["detail"] == "No such file"
