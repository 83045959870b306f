"""Faults between the agent and the control plane: the ledger equals the server's own counters all the same."""

import random

import pytest

from tests.agent.agents import eventually
from tests.faults.conftest import WorldOf
from tests.faults.load import load_of
from tests.faults.proxy import Fault
from tests.servers import MariaDB, PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize("fault", [Fault.TWICE, Fault.ANSWER_LOST, Fault.REQUEST_LOST, Fault.CUT, Fault.LATE])
def test_what_happens_to_every_other_upload_changes_no_number(
    fault: Fault, either: PostgreSQL | MariaDB, world_of: WorldOf
) -> None:
    world, load, draw = world_of(either).watch(), load_of(either), random.Random(7)
    turn = iter([fault, Fault.NONE] * 1000)
    world.proxy.fault_of = lambda: next(turn)
    with load.going_on():
        eventually(lambda: world.proxy.seen[fault] >= 2, seconds=40, what=f"two uploads: {fault}")
        world.proxy.deliver_late(draw)
    world.proxy.fault_of = lambda: Fault.NONE
    world.collect()
    world.proxy.deliver_late(draw)
    world.all_counted(load.answered.total())
    world.assert_balanced()


def test_while_the_backend_is_away_the_spool_grows_and_then_drains_oldest_first(
    either: PostgreSQL | MariaDB, world_of: WorldOf
) -> None:
    world, load = world_of(either).watch(), load_of(either)
    with load.going_on():
        world.uploads()
        before = len(world.proxy.taken)
        world.proxy.away = True
        eventually(lambda: len(world.spooled()) >= 5, what="five uploads on the spool")
        world.proxy.away = False
    world.all_counted(load.answered.total())
    world.assert_balanced()
    since = world.proxy.taken[before:]
    assert len(since) >= 5
    assert since == sorted(since)
