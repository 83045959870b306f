"""What happens to a slow log and in it: restarts, crashes, rotation, truncation, zones, bytes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.agent.agents import eventually
from tests.faults.conftest import WorldOf
from tests.faults.load import mysql_load
from tests.faults.totals import logged_by_mysql, together, total
from tests.faults.world import World
from tests.servers import MariaDB, MySQL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
Server = MariaDB | MySQL


def forget(world: World, server: Server) -> None:
    """Empty the log, and let the truth remember what stood in it."""
    before = logged_by_mysql(server)
    server.execute("TRUNCATE TABLE mysql.slow_log")
    world.truth = lambda: together(before, logged_by_mysql(server))


def rename(server: Server) -> None:
    """Rotate the log as operators do, and keep the former one."""
    server.execute("DROP TABLE IF EXISTS mysql.slow_log_prev")
    server.execute("CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log")
    server.execute("RENAME TABLE mysql.slow_log TO mysql.slow_log_prev, mysql.slow_log_next TO mysql.slow_log")


def run(server: Server, *statements: str | bytes, zone: str = "+00:00") -> None:
    """Run statements in one session of a time zone."""
    with server.connect() as connection:
        cursor = connection.cursor()
        cursor.execute(f"SET time_zone = '{zone}'")
        for statement in statements:
            cursor.execute(statement)
            cursor.fetchall()


def test_a_clean_restart_of_the_database(any_mysql: Server, world_of: WorldOf) -> None:
    world, load = world_of(any_mysql).watch(), mysql_load(any_mysql)
    load.run(10)
    world.collect()
    load.run(10)
    world.all_counted(20)
    any_mysql.restart()
    load.run(10)
    world.all_counted(30)
    world.assert_balanced()


def test_a_crash_of_the_database_in_the_middle_of_load(any_mysql: Server, world_of: WorldOf) -> None:
    world, load = world_of(any_mysql).watch(), mysql_load(any_mysql)
    with load.going_on(4):
        world.uploads(2)
        any_mysql.crash()
        any_mysql.start()
        world.uploads(2)
    world.assert_balanced()
    # The server swallows what it could not write: a row of each session at most.
    assert 0 <= load.answered.total() - total(world.ledger()).calls <= 4


def test_rotation_by_rename_in_the_middle_of_load(any_mysql: Server, world_of: WorldOf) -> None:
    world, load = world_of(any_mysql).watch(), mysql_load(any_mysql)
    with load.going_on():
        world.uploads()
        rename(any_mysql)
        world.uploads(2)
    world.all_counted(load.answered.total())
    world.assert_balanced()


def test_an_agent_that_rotates_keeps_the_log_short_and_loses_nothing(any_mysql: Server, world_of: WorldOf) -> None:
    world, load = world_of(any_mysql), mysql_load(any_mysql)
    any_mysql.execute(f"GRANT ALL ON mysql.* TO {world.config['user']}@'127.0.0.1'")
    world.start_agent(rotate_slow_log_rows=40)
    world.collect()
    with load.going_on():
        eventually(lambda: load.answered.total() > 150, seconds=40, what="several times as many rows")
        world.kill_agent()
        world.start_agent(rotate_slow_log_rows=40)
        eventually(lambda: load.answered.total() > 300, seconds=40, what="several times as many rows")
    eventually(lambda: stored_calls(world) >= load.answered.total(), seconds=40, what="all rows are stored")
    assert stored_calls(world) == load.answered.total()
    assert world.gaps() == []
    rows = any_mysql.execute("SELECT COUNT(*) FROM mysql.slow_log")[0][0]
    assert rows < 150, "it was rotated"


def test_an_agent_that_may_not_rotate_says_what_it_needs_and_goes_on(mariadb: MariaDB, world_of: WorldOf) -> None:
    mariadb.start()
    world, load = world_of(mariadb), mysql_load(mariadb)
    world.start_agent(rotate_slow_log_rows=5)
    world.collect()
    load.run(12)
    world.all_counted(12)
    world.collect()
    eventually(lambda: "GRANT SELECT, INSERT" in world.shown()["last_error"], what="the remedy is shown")
    world.assert_balanced()


def stored_calls(world: World) -> int:
    world.collect()
    return total(world.ledger()).calls


def test_rotation_while_no_agent_ran(any_mysql: Server, world_of: WorldOf) -> None:
    world, load = world_of(any_mysql).watch(), mysql_load(any_mysql)
    load.run(5)
    world.all_counted(5)
    world.collect()
    world.kill_agent()
    load.run(5)
    world.all_counted(10)
    rename(any_mysql)
    load.run(5)
    world.all_counted(15)
    world.start_agent()
    world.assert_balanced()


def test_a_truncation_is_a_gap_as_large_as_what_it_took(any_mysql: Server, world_of: WorldOf) -> None:
    world, load = world_of(any_mysql).watch(), mysql_load(any_mysql)
    load.run(5)
    world.all_counted(5)
    world.collect()
    world.proxy.interval_seconds = 60
    world.collect()
    load.run(7)
    world.all_counted(12)
    forget(world, any_mysql)
    load.run(3)
    world.all_counted(15)
    missing = world.missing()
    assert (missing.calls, sum(gap["amount"] for gap in world.gaps("lost_rows"))) == (7, 7)


def test_a_truncation_after_which_nothing_is_logged_for_a_while_is_a_gap_all_the_same(
    any_mysql: Server, world_of: WorldOf
) -> None:
    world, load = world_of(any_mysql).watch(), mysql_load(any_mysql)
    load.run(5)
    world.all_counted(5)
    world.collect()
    world.proxy.interval_seconds = 60
    world.collect()
    load.run(7)
    world.all_counted(12)
    forget(world, any_mysql)
    world.collect()
    world.collect()
    load.run(3)
    world.all_counted(15)
    missing = world.missing()
    assert (missing.calls, sum(gap["amount"] for gap in world.gaps("lost_rows"))) == (7, 7)


def test_a_truncation_that_no_agent_saw_is_a_gap_of_unknown_size(any_mysql: Server, world_of: WorldOf) -> None:
    world, load = world_of(any_mysql).watch(), mysql_load(any_mysql)
    load.run(5)
    world.all_counted(5)
    world.collect()
    world.kill_agent()
    load.run(7)
    world.all_counted(12)
    forget(world, any_mysql)
    load.run(3)
    world.all_counted(15)
    world.start_agent()
    assert world.missing().calls == 7
    assert [gap["amount"] for gap in world.gaps()] == [None]


def test_truncations_in_the_middle_of_load_are_gaps_that_cover_what_they_took(
    any_mysql: Server, world_of: WorldOf
) -> None:
    world, load = world_of(any_mysql).watch(), mysql_load(any_mysql)
    with load.going_on():
        for _ in range(3):
            world.uploads(2)
            any_mysql.execute("TRUNCATE TABLE mysql.slow_log")
        world.uploads(2)
        rows = load.answered.total()
        eventually(lambda: load.answered.total() > rows + 3, what="more load")
    world.collect()
    world.collect()
    missing = load.answered.total() - total(world.ledger()).calls
    assert 0 <= missing <= sum(gap["amount"] for gap in world.gaps("lost_rows"))


def test_sessions_whose_clock_is_wrong_by_years_are_counted_once_and_in_time(
    any_mysql: Server, world_of: WorldOf
) -> None:
    world = world_of(any_mysql).watch()
    began = datetime.now(UTC)
    for year in (1999, 2037):
        for _ in range(3):
            run(any_mysql, f"SET timestamp = UNIX_TIMESTAMP('{year}-06-01')", "SELECT SLEEP(0.02) AS load_clock")
        world.collect()
    world.all_counted(6)
    world.assert_balanced()
    rows = world.call("GET", f"slow-queries?database_id={world.collector['database_id']}&page_size=500")["slow_queries"]
    times = [datetime.fromisoformat(row["started_at"]) for row in rows if "load_" in row["fingerprint"]]
    assert len(times) == 6
    assert began - timedelta(days=1) <= min(times) <= max(times) <= datetime.now(UTC) + timedelta(seconds=5)


def test_identical_rows_stay_several_executions(any_mysql: Server, world_of: WorldOf) -> None:
    world = world_of(any_mysql)
    run(any_mysql, "SELECT SLEEP(0.02) AS load_twin")
    world.all_counted(1)
    any_mysql.execute("SET GLOBAL slow_query_log = OFF")
    try:
        any_mysql.execute("CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log")
        for _ in range(3):
            any_mysql.execute("INSERT INTO mysql.slow_log_next SELECT * FROM mysql.slow_log")
        any_mysql.execute("RENAME TABLE mysql.slow_log TO mysql.slow_log_old, mysql.slow_log_next TO mysql.slow_log")
        any_mysql.execute("DROP TABLE mysql.slow_log_old")
    finally:
        any_mysql.execute("SET GLOBAL slow_query_log = ON")
    world.watch()
    world.assert_balanced()
    assert total(world.ledger()).calls == 3


def test_a_statement_that_runs_longer_than_an_interval_counts_once(any_mysql: Server, world_of: WorldOf) -> None:
    world = world_of(any_mysql).watch()
    run(any_mysql, "SELECT SLEEP(1.5) AS load_long")
    world.all_counted(1)
    world.assert_balanced()
    assert total(world.ledger()).time_ns >= 1_500_000_000


def test_sessions_in_any_zone_with_any_bytes_are_counted_once_and_in_time(any_mysql: Server, world_of: WorldOf) -> None:
    world = world_of(any_mysql).watch()
    began = datetime.now(UTC)
    for number, zone in enumerate(("+05:30", "-11:00", "+12:45", "+00:00", "-03:30")):
        run(
            any_mysql,
            f"SELECT SLEEP(0.02) AS load_zone, {number}",
            "SELECT SLEEP(0.02) AS load_parrot, '🦜 \U0001d11e'",
            b"SELECT SLEEP(0.02) AS load_bytes, _binary'\xff\xfe\x00\x01', X'C0AF'",
            zone=zone,
        )
        world.collect()
    world.all_counted(15)
    world.assert_balanced()
    rows = world.call("GET", f"slow-queries?database_id={world.collector['database_id']}&page_size=500")["slow_queries"]
    times = [datetime.fromisoformat(row["started_at"]) for row in rows if "load_" in row["fingerprint"]]
    assert len(times) == 15
    margin = timedelta(seconds=5)
    assert began - margin <= min(times) <= max(times) <= datetime.now(UTC) + margin


@pytest.fixture
def shifting(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[MariaDB, datetime]]:
    """A server whose clocks are put back by an hour in a few seconds, and the time of that."""
    # POSIX names the end of daylight saving by the local time on a day of the year; that day counts from zero.
    shift = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=12)
    local = shift + timedelta(hours=2)
    day, clock = local.timetuple().tm_yday - 1, f"{local:%H:%M:%S}"
    # Far enough before, so that daylight saving holds until the shift.
    monkeypatch.setenv("TZ", f"CET-1CEST-2,{(day - 90) % 365}/02:00:00,{day}/{clock}")
    with MariaDB() as server:
        yield server, shift


def test_daylight_saving_ends_while_statements_run(shifting: tuple[MariaDB, datetime], world_of: WorldOf) -> None:
    server, shift = shifting
    world, load = world_of(server).watch(), mysql_load(server)

    def server_offset() -> int:
        return int(server.execute("SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())")[0][0])

    assert server_offset() == 7200, "daylight saving holds"
    with load.going_on():
        eventually(lambda: server_offset() == 3600, seconds=30, what="the clocks were put back")
        world.uploads(3)
    world.all_counted(load.answered.total())
    world.assert_balanced()
    zoned = server.execute("SELECT MIN(start_time), MAX(start_time) FROM mysql.slow_log")[0]
    rows = world.call("GET", f"slow-queries?database_id={world.collector['database_id']}&page_size=500")["slow_queries"]
    times = [datetime.fromisoformat(row["started_at"]) for row in rows]
    margin = timedelta(seconds=40)
    assert shift - margin <= min(times) <= max(times) <= shift + margin, zoned
