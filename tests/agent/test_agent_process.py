"""The agent as an operator runs it: one process against a backend and a real database."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.agent.agents import eventually, last_stats, run_agent, running_agent, write_config
from tests.agent.backend import KEY, FakeBackend
from tests.agent.conftest import PASSWORD, MySQLSite, PostgresSite


def test_a_mysql_agent_collects_and_a_postgres_agent_collects(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite, postgresql_site: PostgresSite
) -> None:
    for kind, db_config in (("mysql", mariadb_site.db_config), ("postgres", postgresql_site.db_config)):
        folder = tmp_path / kind
        folder.mkdir()
        mariadb_site.run("SELECT SLEEP(0.02)")
        with running_agent(write_config(folder, backend.url, kind, db_config)):
            eventually(lambda: backend.all_rows if kind == "mysql" else backend.snapshots)  # noqa: B023


def test_commands_are_carried_out_and_reported(backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite) -> None:
    backend.auto_collect = False
    with running_agent(write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config)):
        eventually(lambda: backend.heartbeats)
        mariadb_site.run("SELECT SLEEP(0.02)")
        eventually(lambda: mariadb_site.logged() == 1)
        backend.command(1, "collect")
        eventually(lambda: len(backend.reports) == 1)
        assert backend.reports[0] == (
            1,
            {"success": True, "result": {"queries": 1, "uploads": 1, "waiting_uploads": 0}},
        )
        assert len(backend.all_rows) == 1
        backend.auto_collect = True
        backend.command(2, "start")
        eventually(lambda: len(backend.reports) == 2)
        eventually(lambda: last_stats(backend)["auto_collect"] is True)
        backend.auto_collect = False
        backend.command(3, "stop")
        eventually(lambda: len(backend.reports) == 3)
        eventually(lambda: last_stats(backend)["auto_collect"] is False)
        backend.command(4, "self_destruct")
        eventually(lambda: len(backend.reports) == 4)
    assert [(number, report["success"]) for number, report in backend.reports] == [
        (1, True),
        (2, True),
        (3, True),
        (4, False),
    ]


def test_sigterm_ends_within_five_seconds_and_tells_the_backend(
    backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite
) -> None:
    with running_agent(write_config(tmp_path, backend.url, "postgres", postgresql_site.db_config)) as agent:
        eventually(lambda: backend.snapshots)
        code, seconds = agent.terminate()
    assert (code, seconds < 5) == (0, True)
    assert last_stats(backend)["stopping"] is True
    assert not any(beat["stats"]["stopping"] for beat in backend.heartbeats[:-1])
    assert not (tmp_path / "state" / "alive.json").exists()


def test_sigterm_ends_within_five_seconds_while_nothing_answers(tmp_path: Path) -> None:
    db_config = {"host": "127.0.0.1", "port": 9, "user": "agent", "password": PASSWORD}
    with running_agent(write_config(tmp_path, "http://127.0.0.1:9", "mysql", db_config)) as agent:
        eventually((tmp_path / "state" / "alive.json").exists)
        time.sleep(1)
        code, seconds = agent.terminate()
    assert (code, seconds < 5) == (0, True)


def test_an_agent_killed_at_any_moment_loses_and_doubles_nothing(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    backend.interval_minutes = 0.005
    rows = 0
    for round_ in range(4):
        config = write_config(
            tmp_path, backend.url, "mysql", mariadb_site.db_config, state_dir=str(tmp_path / str(round_))
        )
        with running_agent(config) as agent:
            for _ in range(5 + round_ * 7):
                mariadb_site.run("SELECT SLEEP(0.011)")
                rows += 1
            agent.kill()
    with running_agent(write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config)):
        eventually(lambda: len(backend.all_rows) >= rows)
        time.sleep(1)
    assert len(backend.all_rows) == mariadb_site.logged() == rows


def test_update_config_is_tried_stored_and_used(backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite) -> None:
    path = write_config(tmp_path, backend.url, "mysql", {**mariadb_site.db_config, "password": "wrong"})
    with running_agent(path):
        eventually(lambda: backend.heartbeats and backend.heartbeats[-1]["error"])
        assert last_stats(backend)["source"]["code"] == "login_refused"
        backend.command(1, "update_config", config=mariadb_site.db_config, config_version=4)
        eventually(lambda: len(backend.reports) == 1)
        eventually(lambda: last_stats(backend)["config_version"] == 4 and not backend.heartbeats[-1]["error"])
        backend.command(2, "update_config", config={**mariadb_site.db_config, "port": 9}, config_version=5)
        eventually(lambda: len(backend.reports) == 2)
        without_password = {k: v for k, v in mariadb_site.db_config.items() if k != "password"}
        backend.command(3, "update_config", config=without_password, config_version=6)
        eventually(lambda: len(backend.reports) == 3)
        backend.command(4, "update_config", config={**without_password, "options": "x"}, config_version=7)
        eventually(lambda: len(backend.reports) == 4)
        backend.command(5, "update_config", config={**without_password, "host": "elsewhere.invalid"}, config_version=8)
        eventually(lambda: len(backend.reports) == 5)
    assert [report["success"] for _, report in backend.reports] == [True, False, True, False, False]
    assert backend.reports[4][1]["result"]["code"] == "password_needed"
    assert PASSWORD not in json.dumps(backend.reports)
    stored = json.loads(path.read_text())
    assert (stored["config_version"], stored["db_config"]["password"]) == (6, PASSWORD)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_standby_agent_collects_nothing(backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite) -> None:
    backend.lease = {"held": False, "epoch": 3, "expires_in_seconds": None}
    with running_agent(write_config(tmp_path, backend.url, "postgres", postgresql_site.db_config)):
        eventually(lambda: last_stats(backend).get("source"))
        backend.command(1, "collect")
        eventually(lambda: backend.reports)
        assert backend.uploads == []
        assert backend.reports[0][1]["result"]["code"] == "standby"
        backend.lease = {"held": True, "epoch": 4, "expires_in_seconds": 90}
        eventually(lambda: backend.snapshots)
    assert backend.snapshots[0]["epoch"] == 4


def test_without_a_lease_answer_nothing_is_collected_yet(
    backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite
) -> None:
    backend.lease = None
    with running_agent(write_config(tmp_path, backend.url, "postgres", postgresql_site.db_config)):
        backend.command(1, "collect")
        eventually(lambda: len(backend.heartbeats) > 3)
        assert (backend.uploads, backend.reports) == ([], [])
        backend.lease = {"held": True, "epoch": 1, "expires_in_seconds": 90}
        eventually(lambda: backend.reports)
    assert backend.reports[0][1]["success"] is True


def test_heartbeats_and_stop_do_not_wait_for_a_long_collection(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    with running_agent(write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config)):
        eventually(lambda: last_stats(backend).get("last_collection_age_seconds") is not None)
        os.kill(mariadb_site.server.pid, signal.SIGSTOP)
        try:
            backend.command(1, "collect")
            backend.auto_collect = False
            backend.command(2, "stop")
            eventually(lambda: any(number == 2 for number, _ in backend.reports), seconds=5)
            before = len(backend.heartbeats)
            eventually(lambda: len(backend.heartbeats) >= before + 3, seconds=5)
            assert [number for number, _ in backend.reports] == [2]
        finally:
            os.kill(mariadb_site.server.pid, signal.SIGCONT)
        eventually(lambda: [number for number, _ in backend.reports] == [2, 1])


def test_a_database_that_goes_away_is_reported_and_found_again(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    backend.interval_minutes = 0.01
    with running_agent(write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config)):
        eventually(lambda: last_stats(backend).get("last_collection_age_seconds") is not None)
        mariadb_site.server.stop()
        try:
            eventually(lambda: last_stats(backend)["source"]["readable"] is False)
            assert "database" in backend.heartbeats[-1]["error"]
        finally:
            mariadb_site.server.start()
        mariadb_site.run("SELECT SLEEP(0.02)")
        eventually(lambda: backend.all_rows, seconds=40)
        eventually(lambda: backend.heartbeats[-1]["error"] is None)
    assert last_stats(backend)["errors_count"] >= 1


def test_a_backend_that_goes_away_gets_everything_later(
    backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite
) -> None:
    backend.interval_minutes = 0.01
    with running_agent(write_config(tmp_path, backend.url, "postgres", postgresql_site.db_config)) as agent:
        eventually(lambda: backend.snapshots)
        with backend.lock:
            backend.failures = [(500, {})] * 10
        eventually(lambda: not backend.failures, seconds=60)
        eventually(lambda: last_stats(backend)["spool"]["files"] == 0, seconds=60)
        agent.terminate()
    numbers = [snapshot["seq"] for snapshot in backend.snapshots]
    assert numbers == list(range(1, len(numbers) + 1))


def test_healthcheck_follows_the_life_of_the_process(
    backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite
) -> None:
    path = write_config(tmp_path, backend.url, "postgres", postgresql_site.db_config)
    assert run_agent("healthcheck", "--config", str(path)).returncode == 1
    with running_agent(path) as agent:
        eventually((tmp_path / "state" / "alive.json").exists)
        assert run_agent("healthcheck", "--config", str(path)).returncode == 0
        agent.kill()
        dead = run_agent("healthcheck", "--config", str(path))
    assert dead.returncode == 1
    assert "is gone" in dead.stderr


def test_two_agents_never_share_a_state_directory(backend: FakeBackend, tmp_path: Path) -> None:
    path = write_config(tmp_path, backend.url, "mysql", {"port": 9, "user": "x", "password": PASSWORD})
    with running_agent(path):
        eventually((tmp_path / "state" / "alive.json").exists)
        second = run_agent("--config", str(path))
    assert second.returncode == 2
    assert "another agent" in second.stderr


def test_no_secret_reaches_log_arguments_or_state(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    path = write_config(
        tmp_path, backend.url, "mysql", {**mariadb_site.db_config, "password": PASSWORD + "x"}, log_level="debug"
    )
    with running_agent(path) as agent:
        eventually(lambda: backend.heartbeats and backend.heartbeats[-1]["error"])
        backend.failures = [(401, {})]
        time.sleep(1)
        arguments = Path(f"/proc/{agent.pid}/cmdline").read_bytes().decode()
        agent.terminate()
        log = agent.log.read_text()
    state = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file()).decode("latin-1")
    for secret in (KEY, PASSWORD):
        assert secret not in log + arguments + state + json.dumps(backend.heartbeats)


def test_files_of_the_agent_are_its_own(backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite) -> None:
    with running_agent(write_config(tmp_path, backend.url, "postgres", postgresql_site.db_config)):
        eventually(lambda: backend.snapshots)
    for path in (tmp_path / "state").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_the_agent_answers_from_memory_when_a_command_comes_again(
    backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite
) -> None:
    with running_agent(write_config(tmp_path, backend.url, "postgres", postgresql_site.db_config)):
        eventually(lambda: backend.snapshots)
        backend.command(1, "collect")
        eventually(lambda: len(backend.reports) == 1)
        snapshots = len(backend.snapshots)
        backend.command(1, "collect")
        eventually(lambda: len(backend.reports) == 2)
    assert backend.reports[0] == backend.reports[1]
    assert len(backend.snapshots) == snapshots


def test_systemd_hears_ready_watchdog_and_stopping(
    backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite
) -> None:
    import socket

    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(address)
        channel.settimeout(10)
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
        path = write_config(tmp_path, backend.url, "postgres", postgresql_site.db_config)
        with running_agent(path, environment) as agent:
            heard = [channel.recv(100) for _ in range(3)]
            os.kill(agent.pid, 15)
            while heard[-1] != b"STOPPING=1":
                heard.append(channel.recv(100))
    assert heard[:2] == [b"READY=1", b"WATCHDOG=1"]


def test_healthcheck_asks_no_secret_manager(backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite) -> None:
    path = write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config)
    with running_agent(path):
        eventually((tmp_path / "state" / "alive.json").exists)
        down = {"DBPOWER_AGENT_DB_PASSWORD_COMMAND": "false"}
        assert run_agent("healthcheck", "--config", str(path), environment=down).returncode == 0


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_state_directory_that_others_may_write_is_refused(mode: int, tmp_path: Path) -> None:
    path = write_config(tmp_path, "http://127.0.0.1:1", "mysql", {})
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)
    refused = run_agent("run", "--config", str(path))
    assert refused.returncode == 2
    assert f"chmod 700 {tmp_path / 'state'}" in refused.stderr


def test_stored_keys_that_others_may_read_stop_the_start(tmp_path: Path) -> None:
    path = write_config(tmp_path, "http://127.0.0.1:1", "mysql", {})
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "keys.json").write_text("{}")
    (tmp_path / "state" / "keys.json").chmod(0o644)
    refused = run_agent("run", "--config", str(path))
    assert refused.returncode == 2
    assert "chmod 600" in refused.stderr
