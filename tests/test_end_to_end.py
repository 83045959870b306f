"""The main job: real agents beside real databases, and the numbers that come out at the other end."""

from pathlib import Path
from typing import Any

import pytest

from tests.agent.agents import eventually, running_agent
from tests.servers import MariaDB, PostgreSQL
from tests.servers.control_plane import ControlPlane
from tests.watched import MONITOR_PASSWORD, Watched, watch_mariadb, watch_postgresql

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def watched_mariadb(control_plane: ControlPlane, mariadb: MariaDB) -> Watched:
    return watch_mariadb(control_plane, mariadb)


@pytest.fixture
def watched_postgresql(control_plane: ControlPlane, postgresql: PostgreSQL) -> Watched:
    return watch_postgresql(control_plane, postgresql)


def online(watched: Watched) -> None:
    eventually(lambda: watched.status() == "ONLINE", what="ONLINE")


def test_slow_statements_of_mariadb_arrive_with_their_count_and_their_time(
    watched_mariadb: Watched, mariadb: MariaDB, tmp_path: Path
) -> None:
    with running_agent(watched_mariadb.agent_config(tmp_path)):
        online(watched_mariadb)
        with mariadb.connect() as connection:
            cursor = connection.cursor()
            for number in range(7):
                cursor.execute(f"SELECT SLEEP(0.0{number + 2}), 'end to end {number}'")
                cursor.fetchall()

        def all_there() -> dict[str, Any] | None:
            watched_mariadb.collect()
            row = watched_mariadb.statement("select sleep(?), ?")
            return row if row and row["calls"] >= 7 else None

        row = eventually(all_there, what="seven executions")
    truth = mariadb.execute(
        "SELECT COUNT(*), SUM(TIME_TO_SEC(query_time) * 1000) FROM mysql.slow_log WHERE sql_text LIKE '%end to end%'"
    )
    assert (row["calls"], round(row["total_time_ms"], 3)) == (truth[0][0], round(float(truth[0][1]), 3))


def test_statements_of_postgresql_arrive_with_the_servers_own_counters(
    watched_postgresql: Watched, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    with running_agent(watched_postgresql.agent_config(tmp_path)):
        online(watched_postgresql)
        assert watched_postgresql.collect()["state"] == "succeeded", "the baseline"
        for number in range(23):
            postgresql.execute(f"SELECT count(*) AS end_to_end FROM generate_series(1, {number})")

        def all_there() -> dict[str, Any] | None:
            watched_postgresql.collect()
            row = watched_postgresql.statement("select count(*) as end_to_end from generate_series(?, ?)")
            return row if row and row["calls"] >= 23 else None

        row = eventually(all_there, what="23 executions")
    calls, total, rows = postgresql.execute(
        "SELECT calls, total_exec_time, rows FROM pg_stat_statements WHERE query LIKE '%end_to_end%series%'"
    )[0]
    assert (row["calls"], row["rows"]) == (calls, rows)
    assert row["total_time_ms"] == pytest.approx(total, abs=1e-5)


def test_commands_reach_the_agent_and_its_reports_show_what_became_of_them(
    watched_mariadb: Watched, tmp_path: Path
) -> None:
    with running_agent(watched_mariadb.agent_config(tmp_path)):
        online(watched_mariadb)
        stop = watched_mariadb.call("POST", f"collectors/{watched_mariadb.id}/stop")
        assert watched_mariadb.ended(stop["id"])["state"] == "succeeded"
        assert watched_mariadb.status() == "STOPPED"
        start = watched_mariadb.call("POST", f"collectors/{watched_mariadb.id}/start")
        assert watched_mariadb.ended(start["id"])["state"] == "succeeded"
        online(watched_mariadb)


def test_a_stopped_collector_stays_stopped_when_its_agent_is_restarted(
    watched_mariadb: Watched, tmp_path: Path
) -> None:
    config = watched_mariadb.agent_config(tmp_path)
    with running_agent(config):
        online(watched_mariadb)
        stop = watched_mariadb.call("POST", f"collectors/{watched_mariadb.id}/stop")
        watched_mariadb.ended(stop["id"])
    with running_agent(config):
        eventually(lambda: heard_anew(watched_mariadb), what="a heartbeat of the new process")
        assert watched_mariadb.status() == "STOPPED"


def heard_anew(watched: Watched) -> bool:
    collector = watched.call("GET", f"collectors/{watched.id}")
    return bool(collector["is_online"]) and collector["uptime_seconds"] <= 2


def test_a_new_configuration_reaches_the_agent_and_a_wrong_one_is_rolled_back(
    watched_mariadb: Watched, tmp_path: Path
) -> None:
    path = f"collectors/{watched_mariadb.id}"
    config = watched_mariadb.agent_config(tmp_path)
    with running_agent(config):
        online(watched_mariadb)
        watched_mariadb.call("PATCH", path, {"config": {**watched_mariadb.config, "port": 1}})
        refused = newest_command(watched_mariadb)
        assert watched_mariadb.ended(refused["id"])["state"] == "failed"
        assert watched_mariadb.collect()["state"] == "succeeded", "the old configuration is still in use"
        watched_mariadb.call("PATCH", path, {"config": watched_mariadb.config})
        assert watched_mariadb.ended(newest_command(watched_mariadb)["id"])["state"] == "succeeded"
        assert MONITOR_PASSWORD not in str(watched_mariadb.call("GET", f"{path}/commands"))


def newest_command(watched: Watched) -> dict[str, Any]:
    command: dict[str, Any] = watched.call("GET", f"collectors/{watched.id}/commands")["commands"][0]
    return command


def test_a_killed_agent_goes_offline_and_loses_nothing_when_it_is_back(
    watched_mariadb: Watched, mariadb: MariaDB, tmp_path: Path
) -> None:
    config = watched_mariadb.agent_config(tmp_path)
    with running_agent(config) as agent:
        online(watched_mariadb)
        agent.kill()
        eventually(lambda: watched_mariadb.status() == "OFFLINE", what="OFFLINE")
    with mariadb.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT SLEEP(0.05) AS while_nobody_looked")
        cursor.fetchall()
    with running_agent(config):
        online(watched_mariadb)

        def arrived() -> dict[str, Any] | None:
            watched_mariadb.collect()
            return watched_mariadb.statement("select sleep(?) as while_nobody_looked")

        assert eventually(arrived, what="the statement")["calls"] == 1
