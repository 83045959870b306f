"""Reading the configuration: all problems at once, secrets nowhere, the environment on top."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.config import AgentConfig, ConfigError, load_config, load_state_dir
from dbpower_agent.config_store import OVERRIDE_NAME, save_database_config
from dbpower_agent.database_config import is_loopback, parse_database_config

KEY = "collector_7_canary-key"
PASSWORD = "canary-password"


def valid(**more: Any) -> dict[str, Any]:
    return {
        "collector_id": 7,
        "api_key": KEY,
        "backend_url": "https://backend.example.com/",
        "db_type": "mysql",
        "db_config": {"host": "db.example.com", "user": "agent", "password": PASSWORD},
        **more,
    }


def write(folder: Path, content: object) -> Path:
    path = folder / "config.json"
    path.touch(mode=0o600)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def load(folder: Path, environ: dict[str, str] | None = None, **more: Any) -> AgentConfig:
    return load_config(write(folder, valid(**more)), environ or {})


def problems_of(folder: Path, content: object, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, content), environ or {})
    return caught.value.problems


def test_defaults_fill_what_is_not_set(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert (config.heartbeat_seconds, config.collection_interval_minutes) == (30.0, 5.0)
    assert config.backend_url == "https://backend.example.com"
    assert config.state_dir == tmp_path / "dbpower-agent-7"
    assert config.db_config.tls_mode == "verify_identity"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    raw = valid(collector_id="seven", colector=1, log_level="loud", db_config={"port": 99999, "tls": {"mode": "maybe"}})
    del raw["api_key"]
    problems = problems_of(tmp_path, raw)
    for name in ("collector_id", "api_key", "colector: unknown", "log_level", "db_config.port", "db_config.tls.mode"):
        assert any(name in problem for problem in problems), name


@pytest.mark.parametrize("content", ["{", "[]", '"text"', "", "[" * 200_000])
def test_a_file_that_is_no_json_object_is_refused(content: str, tmp_path: Path) -> None:
    assert "config.json" in problems_of(tmp_path, content)[0]


def test_secrets_are_in_no_message_and_no_repr(tmp_path: Path) -> None:
    config = load(tmp_path)
    bad = valid(api_key=KEY + "\n", db_config={"password": PASSWORD + "\x00", "host": PASSWORD + ","})
    text = repr(config) + " ".join(problems_of(tmp_path, bad))
    text += " ".join(problems_of(tmp_path, json.dumps(valid())[:-1]))
    assert KEY not in text
    assert PASSWORD not in text


def test_the_environment_and_files_of_secrets_override_the_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    environ = {
        "DBPOWER_AGENT_COLLECTOR_ID": "9",
        "DBPOWER_AGENT_DB_PASSWORD_FILE": str(secret),
        "DBPOWER_AGENT_DB_PORT": "3310",
        "DBPOWER_AGENT_DB_TLS_MODE": "require",
        "DBPOWER_AGENT_LOG_FORMAT": "json",
        "DBPOWER_AGENT_SLOW_LOG_OLD_TABLES": "slow_log_old, slow_log_older",
    }
    config = load(tmp_path, environ)
    assert (config.collector_id, config.log_format) == (9, "json")
    assert (config.db_config.password, config.db_config.port) == ("from-a-file", 3310)
    assert config.db_config.host == "db.example.com"
    assert config.db_config.tls_mode == "require"
    assert config.slow_log_old_tables == ("slow_log_old", "slow_log_older")


def test_the_environment_alone_configures_an_agent(tmp_path: Path) -> None:
    environ = {
        "DBPOWER_AGENT_COLLECTOR_ID": "7",
        "DBPOWER_AGENT_API_KEY": KEY,
        "DBPOWER_AGENT_BACKEND_URL": "https://backend.example.com",
        "DBPOWER_AGENT_DB_TYPE": "postgres",
        "DBPOWER_AGENT_DB_HOST": "db",
    }
    assert load_config(tmp_path / "absent.json", environ).db_config.host == "db"


def test_a_value_and_its_file_together_are_refused(tmp_path: Path) -> None:
    environ = {"DBPOWER_AGENT_API_KEY": KEY, "DBPOWER_AGENT_API_KEY_FILE": "/nowhere"}
    assert "set only one" in problems_of(tmp_path, valid(), environ)[0]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_others_can_read_is_refused_unless_allowed(mode: int, tmp_path: Path) -> None:
    path = write(tmp_path, valid())
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_config(path, {})
    assert load_config(path, {}, allow_readable=True).collector_id == 7
    assert load_config(path, {"DBPOWER_AGENT_ALLOW_READABLE_CONFIG": "1"}).collector_id == 7


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("https://backend.example.com", True),
        ("http://backend.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost@example.com", False),
        ("https://user:password@example.com", False),
        ("ftp://example.com", False),
        ("https://", False),
        ("https://example.com:port", False),
        ("https://example.com/?key=x", False),
    ],
)
def test_the_key_travels_in_plain_text_only_on_this_host(url: str, accepted: bool, tmp_path: Path) -> None:
    if accepted:
        assert load(tmp_path, backend_url=url)
    else:
        assert problems_of(tmp_path, valid(backend_url=url))


def test_plain_http_can_be_allowed(tmp_path: Path) -> None:
    assert load(tmp_path, backend_url="http://web:8000", allow_insecure_http=True).backend_url == "http://web:8000"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("host", "a,b"),
        ("host", "/var/run"),
        ("host", "@abstract"),
        ("host", "a b"),
        ("user", "x\ny"),
        ("user", 7),
        ("password", "x" * 1025),
        ("port", True),
        ("port", 0),
        ("socket", "relative.sock"),
        ("tls", {"ca": "relative.pem"}),
        ("tls", {"cert": "/only/cert.pem"}),
        ("tls", {"mode": "disable", "options": "x"}),
        ("service", "x"),
        ("passfile", "/etc/passwd"),
        ("options", "-c x=y"),
        ("local_infile", True),
    ],
)
def test_unusable_members_of_db_config_are_refused_by_name(member: str, value: object) -> None:
    _, problems = parse_database_config({member: value})
    assert any(problem.startswith(f"db_config.{member}") for problem in problems)


@pytest.mark.parametrize(
    ("raw", "mode"),
    [
        ({}, "disable"),
        ({"host": "127.0.0.1"}, "disable"),
        ({"host": "::1"}, "disable"),
        ({"host": "db", "socket": "/run/mysqld.sock"}, "disable"),
        ({"host": "db"}, "verify_identity"),
        ({"host": "127.0.0.1.nip.io"}, "verify_identity"),
        ({"host": "db", "tls": {"mode": "disable"}}, "disable"),
    ],
)
def test_plain_text_is_the_default_only_on_this_host(raw: dict[str, object], mode: str) -> None:
    parsed, problems = parse_database_config(raw)
    assert (parsed.tls_mode, problems) == (mode, [])


def test_loopback_is_judged_by_name() -> None:
    assert all(map(is_loopback, ("localhost", "LOCALHOST", "127.1.2.3", "::1", "[::1]")))
    assert not any(map(is_loopback, ("localhost.example.com", "10.0.0.1", "0.0.0.0", "")))


def test_a_stored_configuration_is_found_after_a_restart(tmp_path: Path) -> None:
    config = load(tmp_path)
    new, _ = parse_database_config({"host": "other", "password": "new"})
    assert save_database_config(config, new, 8) == config.path
    again = load_config(config.path, {})
    assert (again.db_config, again.config_version, again.api_key) == (new, 8, KEY)
    assert config.path.stat().st_mode & 0o777 == 0o600


def test_what_the_file_cannot_take_goes_into_the_state_directory(tmp_path: Path) -> None:
    environ = {"DBPOWER_AGENT_DB_USER": "from-environment", "DBPOWER_AGENT_STATE_DIR": str(tmp_path / "state")}
    config = load(tmp_path, environ)
    config.state_dir.mkdir()
    before = config.path.read_bytes()
    new, _ = parse_database_config({"host": "other", "user": "new", "password": "new"})
    stored = save_database_config(config, new, 8)
    assert stored == config.state_dir / OVERRIDE_NAME
    assert stored.stat().st_mode & 0o777 == 0o600
    assert config.path.read_bytes() == before
    again = load_config(config.path, environ)
    assert (again.db_config, again.config_version) == (new, 8)


def test_an_operator_who_changes_the_file_wins_over_the_state_directory(tmp_path: Path) -> None:
    environ = {"DBPOWER_AGENT_DB_USER": "from-environment", "DBPOWER_AGENT_STATE_DIR": str(tmp_path / "state")}
    config = load(tmp_path, environ)
    config.state_dir.mkdir()
    new, _ = parse_database_config({"host": "other"})
    save_database_config(config, new, 8)
    changed = load(tmp_path, environ, db_config={"host": "by-hand"})
    assert changed.db_config.host == "by-hand"


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(tmp_path, state_dir="/proc/nowhere")
    before = config.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No such file|No space"):
        save_database_config(config, config.db_config, 8)
    assert config.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_sources_are_chosen_by_engine_file_and_environment(tmp_path: Path) -> None:
    assert load(tmp_path).sources == ("slow_log",)
    assert load(tmp_path, db_type="postgres").sources == ("pg_stat_statements",)
    both = {"DBPOWER_AGENT_SOURCES": "slow_log, performance_schema"}
    assert load(tmp_path, both).sources == ("slow_log", "performance_schema")
    assert load(tmp_path, sources=["performance_schema"]).sources == ("performance_schema",)


@pytest.mark.parametrize("sources", [[], ["slow_log", "slow_log"], ["pg_stat_statements"], ["none"], "slow_log", [1]])
def test_sources_that_cannot_be_read_are_refused(tmp_path: Path, sources: object) -> None:
    problems = problems_of(tmp_path, valid(sources=sources))
    assert [problem.split(":")[0] for problem in problems] == ["sources"]


def test_secrets_come_from_commands_and_from_credentials_of_systemd(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "dbpower_agent_api_key").write_text(KEY + "\n")
    script = "import os; print(os.environ['VAULT_ADDR'] + str(os.environ.get('DBPOWER_AGENT_BACKEND_URL')))"
    environ = {
        "CREDENTIALS_DIRECTORY": str(credentials),
        "VAULT_ADDR": "vault",
        "DBPOWER_AGENT_BACKEND_URL": "http://127.0.0.1:1",
        "DBPOWER_AGENT_DB_PASSWORD_COMMAND": f'{sys.executable} -c "{script}"',
    }
    config = load_config(write(tmp_path, {**valid(), "api_key": "collector_7_of-the-file"}), environ)
    assert (config.api_key, config.db_config.password) == (KEY, "vaultNone")


@pytest.mark.parametrize("command", ["/nowhere/vault", "sh -c 'echo canary; exit 1'", "true", "'unclosed", ""])
def test_a_command_that_gives_no_secret_is_a_problem_that_shows_none(command: str, tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, valid(), {"DBPOWER_AGENT_DB_PASSWORD_COMMAND": command})
    assert problem == "DBPOWER_AGENT_DB_PASSWORD_COMMAND: the secret cannot be read"


@pytest.mark.parametrize("key", ["collector_7_€", "collector_7_\u0100", "collector_7_é"])
def test_a_key_that_no_header_can_carry_is_refused_with_the_configuration(key: str, tmp_path: Path) -> None:
    assert problems_of(tmp_path, valid(api_key=key)) == ["api_key: must hold only ASCII characters"]
    assert problems_of(tmp_path, valid(), {"DBPOWER_AGENT_API_KEY": key}) == [
        "api_key: must hold only ASCII characters"
    ]


def test_the_state_directory_is_found_without_any_secret(tmp_path: Path) -> None:
    environ = {
        "DBPOWER_AGENT_DB_PASSWORD_COMMAND": f"touch {tmp_path / 'asked'}",
        "DBPOWER_AGENT_API_KEY_COMMAND": f"touch {tmp_path / 'asked'}",
    }
    path = write(tmp_path, {"collector_id": 7})
    assert load_state_dir(path, environ) == load(tmp_path).state_dir
    assert load_state_dir(path, {**environ, "DBPOWER_AGENT_STATE_DIR": "/x"}) == Path("/x")
    assert not (tmp_path / "asked").exists()
    with pytest.raises(ConfigError, match="collector_id"):
        load_state_dir(write(tmp_path, {}), environ)


def test_a_directory_of_tls_files_has_an_absolute_path(tmp_path: Path) -> None:
    assert problems_of(tmp_path, valid(tls_directory="tls")) == ["tls_directory: must be an absolute path"]
