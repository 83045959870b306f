"""Passwords that the control plane names and that stay on this host."""

import json
from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.config import ConfigError, load_config
from dbpower_agent.config_store import OVERRIDE_NAME
from dbpower_agent.database_config import parse_database_config
from dbpower_agent.local_secrets import parse_local_secrets
from dbpower_agent.sources.base import SourceError
from tests.agent.agents import eventually, last_stats, run_agent, running_agent, write_config
from tests.agent.backend import FakeBackend
from tests.agent.conftest import PASSWORD, MySQLSite, PostgresSite
from tests.agent.test_updates import Site

HERE = {"host": "db.example.org"}
THERE = {"host": "new.example.org", "port": 3307}
SECRET = "canary-of-the-vault"


def site(folder: Path, **more: Any) -> Site:
    (folder / "secret").write_text(SECRET + "\n")
    orders = {"file": str(folder / "secret"), "to": [HERE, THERE, {"socket": "/run/mysqld/mysqld.sock"}]}
    own = more.pop("db_config", {**HERE, "password": "of-the-file"})
    return Site(folder, own, db_secrets={"orders": orders, **more.pop("db_secrets", {})}, **more)


def test_the_agent_moves_to_another_server_and_the_password_stays_where_it_is(tmp_path: Path) -> None:
    agent = site(tmp_path)
    assert agent.update(**HERE, password_from="orders") == SECRET
    assert agent.update(**THERE, password_from="orders") == SECRET
    assert agent.update(socket="/run/mysqld/mysqld.sock", password_from="orders") == SECRET
    stored = json.loads(agent.path.read_text())
    assert stored["db_config"] == {"password_from": "orders", "socket": "/run/mysqld/mysqld.sock"}
    assert agent.load().db_config.current_password() == SECRET
    assert SECRET not in repr(agent.config)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "evil.example.org"},
        {"host": "db.example.org", "port": 3307},
        {"host": "new.example.org"},
        {"host": "db.example.org", "tls": {"mode": "disable"}},
        {"host": "db.example.org", "tls": {"mode": "require"}},
        {"host": "db.example.org", "socket": "/tmp/evil.sock"},
        {},
    ],
)
def test_a_secret_is_not_sent_where_the_host_does_not_say(elsewhere: dict[str, Any], tmp_path: Path) -> None:
    agent = site(tmp_path)
    assert agent.refused(**elsewhere, password_from="orders")["code"] == "secret_elsewhere"


def test_a_kept_secret_does_not_follow_either(tmp_path: Path) -> None:
    agent = site(tmp_path)
    agent.update(**HERE, password_from="orders")
    assert agent.update(**HERE, user="other") == SECRET
    assert agent.refused(host="evil.example.org")["code"] == "password_needed"


def test_a_name_that_the_host_does_not_know_is_refused_with_what_to_do(tmp_path: Path) -> None:
    told = site(tmp_path).refused(**HERE, password_from="payroll")
    assert told["code"] == "secret_unknown"
    assert "db_secrets" in told["remedy"]


HOSTILE = [
    "",
    "A",
    "orders ",
    "or/ders",
    "../orders",
    "a" * 33,
    "órders",
    "orders\n",
    "$(id)",
    "/etc/shadow",
    7,
    ["a"],
    {},
]


@pytest.mark.parametrize("name", HOSTILE[1:])
def test_a_hostile_name_is_no_name(name: Any, tmp_path: Path) -> None:
    assert site(tmp_path).refused(**HERE, password_from=name)["code"] == "invalid"
    if isinstance(name, str):
        _, problems = parse_local_secrets({name: {"file": "/x", "to": [HERE]}})
        assert problems


def test_a_password_and_a_name_exclude_each_other(tmp_path: Path) -> None:
    _, problems = parse_database_config({"password": SECRET, "password_from": "orders"})
    assert problems == ["db_config: holds password or password_from, not both"]
    assert site(tmp_path).refused(**HERE, password="x", password_from="orders")["code"] == "invalid"


@pytest.mark.parametrize("member", ["db_secrets", "tls_directory", "command", "file", "credential", "to"])
def test_nothing_of_the_hosts_map_can_be_sent(member: str, tmp_path: Path) -> None:
    told = site(tmp_path).refused(**HERE, **{member: "/bin/sh"})
    assert told == {"code": "invalid", "problems": [f"config.{member}: unknown member"]}


def test_a_secret_that_changed_is_picked_up_at_the_next_connection(tmp_path: Path) -> None:
    agent = site(tmp_path, db_config={**HERE, "password_from": "orders"})
    assert agent.config.db_config.current_password() == SECRET
    (tmp_path / "secret").write_text("canary-of-tomorrow\n")
    assert agent.config.db_config.current_password() == "canary-of-tomorrow"
    assert {SECRET, "canary-of-tomorrow"} <= set(agent.config.secrets)


def test_a_secret_comes_from_a_command_or_a_credential_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "orders-password").write_text("of systemd")
    more = {
        "by-command": {"command": "printf 'of a command'", "to": [HERE]},
        "by_credential": {"credential": "orders-password", "to": [HERE]},
    }
    agent = site(tmp_path, db_secrets=more, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert agent.update(**HERE, password_from="by-command") == "of a command"
    assert agent.update(**HERE, password_from="by_credential") == "of systemd"


@pytest.mark.parametrize(
    "source", [{"command": "sh -c 'echo canary-of-the-vault; exit 1'"}, {"file": "/nowhere"}, {"credential": "x"}]
)
def test_a_secret_that_cannot_be_read_is_told_without_a_word_of_it(source: dict[str, str], tmp_path: Path) -> None:
    agent = site(tmp_path, db_secrets={"broken": {**source, "to": [HERE]}})
    told = agent.refused(**HERE, password_from="broken")
    assert told["code"] == "secret_unreadable"
    assert SECRET not in json.dumps(told)


@pytest.mark.parametrize(
    "raw",
    [
        [],
        {"orders": "x"},
        {"orders": {"to": [HERE]}},
        {"orders": {"file": "/x", "command": "y", "to": [HERE]}},
        {"orders": {"file": "relative", "to": [HERE]}},
        {"orders": {"credential": "../x", "to": [HERE]}},
        {"orders": {"file": "/x"}},
        {"orders": {"file": "/x", "to": []}},
        {"orders": {"file": "/x", "to": [{}]}},
        {"orders": {"file": "/x", "to": [{"port": 3306}]}},
        {"orders": {"file": "/x", "to": [{"host": "a,b"}]}},
        {"orders": {"file": "/x", "to": [{"host": "a", "user": "b"}]}},
        {"orders": {"file": "/x", "to": [HERE], "shell": True}},
    ],
)
def test_an_unusable_map_stops_the_start(raw: object, tmp_path: Path) -> None:
    path = write_config(tmp_path, "http://127.0.0.1:1", "mysql", HERE, db_secrets=raw)
    with pytest.raises(ConfigError, match="db_secrets"):
        load_config(path, {})


def test_the_environment_cannot_bring_a_map(tmp_path: Path) -> None:
    path = write_config(tmp_path, "http://127.0.0.1:1", "mysql", {**HERE, "password_from": "orders"})
    config = load_config(
        path, {"DBPOWER_AGENT_DB_SECRETS": '{"orders": {"file": "/x", "to": [{"host": "db.example.org"}]}}'}
    )
    with pytest.raises(SourceError, match="no secret of the name orders"):
        config.db_config.current_password()


def test_a_name_that_was_sent_is_kept_beside_a_file_that_the_agent_may_not_write(tmp_path: Path) -> None:
    agent = site(tmp_path, environ={"DBPOWER_AGENT_DB_USER": "agent"})
    agent.update(**THERE, password_from="orders")
    assert json.loads((tmp_path / "state" / OVERRIDE_NAME).read_text())["db_config"] == {
        **THERE,
        "password_from": "orders",
    }
    assert agent.load().db_config.current_password() == SECRET


def test_a_real_agent_moves_and_picks_up_a_rotated_secret(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    place = {"host": mariadb_site.server.host, "port": mariadb_site.server.port}
    (tmp_path / "secret").write_text("wrong")
    secrets = {"orders": {"file": str(tmp_path / "secret"), "to": [place]}}
    path = write_config(
        tmp_path, backend.url, "mysql", {**place, "user": mariadb_site.user}, db_secrets=secrets, log_level="debug"
    )
    with running_agent(path) as agent:
        named = {**place, "user": mariadb_site.user, "password_from": "orders"}
        backend.command(1, "update_config", config=named, config_version=4)
        eventually(lambda: len(backend.reports) == 1)
        (tmp_path / "secret").write_text(PASSWORD)
        backend.command(2, "update_config", config=named, config_version=5)
        backend.command(3, "update_config", config={**named, "host": "evil.invalid"}, config_version=6)
        backend.command(4, "update_config", config={**named, "password_from": "payroll"}, config_version=7)
        eventually(lambda: len(backend.reports) == 4)
        eventually(lambda: last_stats(backend)["config_version"] == 5 and last_stats(backend)["source"]["readable"])
    codes = [report["result"].get("code") for _, report in backend.reports]
    assert codes == ["login_refused", None, "secret_elsewhere", "secret_unknown"]
    assert PASSWORD not in path.read_text() + json.dumps(backend.reports) + agent.log.read_text()


def test_a_name_that_is_not_there_shows_in_the_heartbeat_and_in_doctor(
    backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite
) -> None:
    config = {k: v for k, v in postgresql_site.db_config.items() if k != "password"}
    path = write_config(tmp_path, backend.url, "postgres", {**config, "password_from": "payroll"})
    with running_agent(path):
        eventually(lambda: last_stats(backend).get("source"))
        assert last_stats(backend)["source"]["code"] == "secret_unknown"
    done = run_agent("doctor", "--json", "--config", str(path))
    (finding,) = [found for found in json.loads(done.stdout)["findings"] if found["name"] == "database"]
    assert (finding["ok"], "payroll" in finding["detail"], "db_secrets" in finding["remedy"]) == (False, True, True)
