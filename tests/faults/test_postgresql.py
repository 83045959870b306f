"""What a PostgreSQL does to its own counters: restarts, crashes, resets, evictions."""

from collections.abc import Iterator

import pytest

from tests.faults.conftest import WorldOf
from tests.faults.load import postgresql_load
from tests.faults.totals import Totals, counted_by_postgresql, together, total
from tests.faults.world import World
from tests.servers import PostgreSQL
from tests.servers.suites import suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Before:
    """What the server had counted before it forgot: since then the truth is this and what it counts now."""

    def __init__(self, world: World, server: PostgreSQL) -> None:
        self.server = server
        self.counted = counted_by_postgresql(server)
        world.truth = self.truth

    def truth(self) -> dict[str, Totals]:
        return together(self.counted, counted_by_postgresql(self.server))


def test_a_clean_restart_of_the_database(any_postgresql: PostgreSQL, world_of: WorldOf) -> None:
    world, load = world_of(any_postgresql).watch(), postgresql_load(any_postgresql)
    load.run(30)
    world.collect()
    load.run(30)
    any_postgresql.restart()
    load.run(30)
    world.assert_balanced()
    assert total(world.truth()).calls == 90


def test_a_crash_of_the_database_loses_what_no_snapshot_had_seen_and_says_so(
    any_postgresql: PostgreSQL, world_of: WorldOf
) -> None:
    world, load = world_of(any_postgresql).watch(), postgresql_load(any_postgresql)
    load.run(30)
    world.collect()
    seen = counted_by_postgresql(any_postgresql)
    world.kill_agent()
    load.run(20)
    Before(world, any_postgresql)
    any_postgresql.crash()
    any_postgresql.start()
    load.run(30)
    world.start_agent()
    assert world.missing().calls == 20
    assert world.ledger() == together(seen, counted_by_postgresql(any_postgresql))
    assert [gap["amount"] for gap in world.gaps()] == [None]


def test_a_reset_loses_what_no_snapshot_had_seen_and_says_so(any_postgresql: PostgreSQL, world_of: WorldOf) -> None:
    world, load = world_of(any_postgresql).watch(), postgresql_load(any_postgresql)
    load.run(30)
    world.collect()
    seen = counted_by_postgresql(any_postgresql)
    world.kill_agent()
    load.run(20)
    Before(world, any_postgresql)
    any_postgresql.execute("SELECT pg_stat_statements_reset()")
    load.run(30)
    world.start_agent()
    assert world.missing().calls == 20
    assert world.ledger() == together(seen, counted_by_postgresql(any_postgresql))
    assert [gap["kind"] for gap in world.gaps()] == ["generation"]


def test_resets_in_the_middle_of_load_never_make_more_of_it(any_postgresql: PostgreSQL, world_of: WorldOf) -> None:
    world, load = world_of(any_postgresql).watch(), postgresql_load(any_postgresql)
    with load.going_on():
        for _ in range(4):
            world.uploads(2)
            any_postgresql.execute("SELECT pg_stat_statements_reset()")
        world.uploads(2)
    world.collect()
    stored = total(world.ledger()).calls
    assert 0 < stored <= load.answered.total()
    assert len(world.gaps("generation")) == 4


def test_a_reset_of_single_statements_is_never_counted_twice_and_shown(
    any_postgresql: PostgreSQL, world_of: WorldOf
) -> None:
    world, load = world_of(any_postgresql).watch(), postgresql_load(any_postgresql)
    load.run(30)
    world.collect()
    seen = counted_by_postgresql(any_postgresql)
    world.kill_agent()
    load.run(12)
    Before(world, any_postgresql)
    any_postgresql.execute(
        "SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements WHERE query LIKE '%load\\_%'"
    )
    load.run(8)
    world.start_agent()
    assert world.missing().calls == 12
    assert world.ledger() == together(seen, counted_by_postgresql(any_postgresql))
    assert world.gaps() != []


def test_a_statement_that_runs_longer_than_an_interval_counts_once_when_it_ends(
    postgresql: PostgreSQL, world_of: WorldOf
) -> None:
    postgresql.start()
    world = world_of(postgresql).watch()
    before = world.proxy.uploads
    postgresql.execute("SELECT upper(md5(pg_sleep(1.5)::text)) AS load_long")
    assert world.proxy.uploads - before >= 2, "it spans several intervals"
    world.assert_balanced()
    assert total(world.ledger()).calls == 1
    assert total(world.ledger()).time_ns >= 1_500_000_000


def test_one_statement_of_several_users_and_databases_is_summed(postgresql: PostgreSQL, world_of: WorldOf) -> None:
    postgresql.start()
    for number in (1, 2):
        if not postgresql.execute(f"SELECT 1 FROM pg_roles WHERE rolname = 'load_user_{number}'"):
            postgresql.execute(f"CREATE ROLE load_user_{number} LOGIN PASSWORD 'only on loopback'")
            postgresql.execute(f"CREATE DATABASE load_base_{number}")
    world = world_of(postgresql).watch()
    for user in (1, 2):
        for base in (1, 2):
            with postgresql.connect(f"load_base_{base}", f"load_user_{user}", "only on loopback") as connection:
                for _ in range(user + 2 * base):
                    connection.execute("SET TimeZone = 'Pacific/Kiritimati'")
                    connection.execute("SELECT lower(md5('café 🦜')) AS load_shared")
        world.collect()
    world.assert_balanced()
    assert total(world.ledger()).calls == 3 + 5 + 4 + 6


@pytest.fixture(scope="module", params=[15, 17])
def crowded(request: pytest.FixtureRequest) -> Iterator[PostgreSQL]:
    """A server that remembers a hundred statements only."""
    root = suite("trixie") if request.param == 17 else None
    with PostgreSQL(request.param, root=root, settings={"pg_stat_statements.max": "100"}) as server:
        with server.connect() as connection:
            for number in range(150):
                connection.execute(f"CREATE TABLE load_{number:03d} ()".encode())
        yield server


def run_crowd(server: PostgreSQL, *, statements: int, times: int) -> None:
    """Run many different statements so that most of them are evicted sooner or later."""
    with server.connect() as connection:
        for number in range(statements):
            for _ in range(times):
                connection.execute(f"SELECT count(*) FROM load_{number:03d}".encode())


def test_evictions_never_make_more_of_a_statement_and_are_shown(crowded: PostgreSQL, world_of: WorldOf) -> None:
    world = world_of(crowded).watch()
    for _ in range(3):
        run_crowd(crowded, statements=150, times=2)
        world.collect()
    ledger = world.ledger()
    assert len(ledger) > 50
    assert {key: totals.calls for key, totals in ledger.items() if totals.calls > 6} == {}
    assert total(ledger).calls < 900
    assert sum(gap["amount"] for gap in world.gaps("evictions")) > 0


def test_evictions_while_no_agent_ran_are_shown_by_the_next(crowded: PostgreSQL, world_of: WorldOf) -> None:
    world = world_of(crowded).watch()
    world.kill_agent()
    run_crowd(crowded, statements=150, times=1)
    world.start_agent()
    world.collect()
    assert total(world.ledger()).calls < 150
    assert world.gaps("evictions") != []
