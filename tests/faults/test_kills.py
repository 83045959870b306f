"""Processes of ours that are killed: nothing is lost, nothing is counted twice, and nothing is unknown."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agent.agents import eventually
from tests.faults.conftest import WorldOf, make_world
from tests.faults.load import load_of
from tests.faults.proxy import Stage
from tests.faults.world import World
from tests.servers import MariaDB, PostgreSQL
from tests.servers.control_plane import ControlPlane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SEED = 20261
KILLS = 5


def test_an_agent_killed_at_random_moments_and_started_with_an_empty_state(
    either: PostgreSQL | MariaDB, world_of: WorldOf
) -> None:
    world, load, draw = world_of(either).watch(), load_of(either), random.Random(SEED)
    with load.going_on():
        for _ in range(KILLS):
            world.uploads()
            time.sleep(draw.uniform(0, 0.4))
            world.kill_agent()
            world.start_agent()
    world.all_counted(load.answered.total())
    world.assert_balanced()


def test_an_agent_killed_at_every_stage_of_an_upload(either: PostgreSQL | MariaDB, world_of: WorldOf) -> None:
    world, load = world_of(either).watch(), load_of(either)
    with load.going_on():
        for stage in Stage:
            world.uploads()
            act_at(world, stage, world.kill_agent)
            world.start_agent()
    world.all_counted(load.answered.total())
    world.assert_balanced()


def test_an_agent_that_keeps_its_spool_sends_it_after_the_kill_and_counts_nothing_twice(
    either: PostgreSQL | MariaDB, world_of: WorldOf
) -> None:
    world, load = world_of(either).watch(), load_of(either)
    with load.going_on():
        world.uploads()
        world.proxy.away = True
        eventually(lambda: len(world.spooled()) >= 3, what="three uploads on the spool")
        world.kill_agent()
        world.proxy.away = False
        world.start_agent(keep_state=True)
        world.uploads(4)
    world.all_counted(load.answered.total())
    world.assert_balanced()


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """A control plane on either of its databases."""
    if request.param == "sqlite":
        plane: ControlPlane = request.getfixturevalue("control_plane")
        yield plane
        return
    with PostgreSQL() as own, ControlPlane({"DATABASE_URL": own.url()}) as plane:
        yield plane


def test_a_backend_killed_in_the_middle_of_an_upload(
    backend: ControlPlane, postgresql: PostgreSQL, mariadb: MariaDB, tmp_path: Path
) -> None:
    postgresql.start()
    mariadb.start()
    servers: list[PostgreSQL | MariaDB] = [postgresql, mariadb]
    with contextlib.ExitStack() as stack:
        worlds = [stack.enter_context(make_world(backend, server, tmp_path / server.name)) for server in servers]
        loads, draw = [load_of(server) for server in servers], random.Random(SEED)
        for world, load in zip(worlds, loads, strict=True):
            world.watch()
            stack.enter_context(load.going_on())
        for world, stage in zip(worlds, (Stage.SENT, Stage.HALFWAY), strict=True):
            world.uploads()
            act_at(world, stage, world.kill_backend, pause=draw.uniform(0, 0.02))
            world.start_backend()
        for load in loads:
            load.stop()
        for world, load in zip(worlds, loads, strict=True):
            world.all_counted(load.answered.total())
            world.assert_balanced()


def act_at(world: World, stage: Stage, act: Callable[[], None], *, pause: float = 0.0) -> None:
    """Act a moment after the next upload has come to `stage`, and wait until that is done."""
    done = threading.Event()

    def acting() -> None:
        time.sleep(pause)
        act()
        done.set()

    world.proxy.once(stage, acting)
    assert done.wait(60), stage
