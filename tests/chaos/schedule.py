"""What is done to whom, and when: drawn with a seed, so that a run can be repeated."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Act(StrEnum):
    """What is done. The last five happen to monitored servers, and only to those that are not spared."""

    KILL_AGENT = "kill -9 the agent, start it with an empty state"
    KILL_AGENT_KEEP = "kill -9 the agent, start it with the state it left"
    CUT_OFF = "cut the agent off from the control plane"
    KILL_CONTROL_PLANE = "kill -9 web, worker and beat"
    KILL_WORKER = "kill -9 the worker alone"
    CRASH_ITS_DATABASE = "kill -9 the control plane's PostgreSQL"
    RESTART = "restart the server"
    CRASH = "kill -9 the server"
    RESET = "pg_stat_statements_reset()"
    TRUNCATE = "TRUNCATE mysql.slow_log"
    ROTATE = "rotate mysql.slow_log by RENAME"


ON_AGENTS: Final = (Act.KILL_AGENT, Act.KILL_AGENT_KEEP, Act.CUT_OFF)
ON_CONTROL_PLANE: Final = (Act.KILL_CONTROL_PLANE, Act.KILL_WORKER, Act.CRASH_ITS_DATABASE)
ON_POSTGRESQL: Final = (Act.RESTART, Act.CRASH, Act.RESET)
ON_MARIADB: Final = (Act.RESTART, Act.CRASH, Act.TRUNCATE, Act.ROTATE)


@dataclass(frozen=True)
class Target:
    """A monitored server by its place in the list. Those that are spared lose nothing but their agents."""

    name: str
    postgresql: bool
    spared: bool


@dataclass(frozen=True)
class Moment:
    """One act, `at` seconds after the beginning. `target` is None for what happens to the control plane."""

    at: float
    act: Act
    target: Target | None


def draw_schedule(*, seed: int, seconds: float, targets: list[Target]) -> list[Moment]:
    """Return the acts of a run of `seconds`, in their order; the same for the same arguments.

    Every few seconds something happens: mostly to agents, every fourth time to the control plane or to a server.
    """
    draw = random.Random(seed)
    moments: list[Moment] = []
    at = draw.uniform(2, 4)
    while at < seconds - 3:
        moments.append(_moment(draw, at, targets))
        at += draw.uniform(1.5, 6)
    return moments


def _moment(draw: random.Random, at: float, targets: list[Target]) -> Moment:
    kind = draw.random()
    if kind < 0.5:
        return Moment(at, draw.choice(ON_AGENTS), draw.choice(targets))
    if kind < 0.7:
        return Moment(at, draw.choice(ON_CONTROL_PLANE), None)
    target = draw.choice([target for target in targets if not target.spared])
    return Moment(at, draw.choice(ON_POSTGRESQL if target.postgresql else ON_MARIADB), target)
