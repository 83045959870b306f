"""The agents, one real process for each collector, and the wait for what they bring."""

import contextlib
import os
import sys
import time
from collections.abc import Sequence

from tests.demo.api import Api, ApiError
from tests.demo.logins import Logins
from tests.demo.places import REPOSITORY, DemoError, Places
from tests.demo.registration import Registered
from tests.servers.process import Account, ServerProcess

FIRST_DATA_SECONDS = 240.0
COLLECT_EVERY_SECONDS = 20.0


def start_agents(
    registered: Sequence[Registered], places: Places, stack: contextlib.ExitStack
) -> dict[str, ServerProcess]:
    """Start one agent for each collector and return the processes by the collector's name; `stack` stops them."""
    agents = {}
    for collector in registered:
        name = collector.watched.name
        agent = ServerProcess(
            f"the agent {name}",
            [sys.executable, REPOSITORY / "agent" / "collector_agent.py", "--config", collector.config],
            log=places.logs / f"{name}.log",
            account=Account.current(),
            ready=lambda: None,
            folder=places.agents,
            environment={name: value for name, value in os.environ.items() if not name.startswith("DBPOWER_")},
        )
        stack.callback(agent.stop)
        agent.start()
        agents[name] = agent
    return agents


class FirstData:
    """Waits until one collector's queries can be read through the API, asking for collections meanwhile."""

    def __init__(self, address: str, collector: Registered, agent: ServerProcess, logins: Logins) -> None:
        email = collector.watched.organization.email("TEAM_LEAD")
        self._api = Api(address, email, logins.password(email))
        self._collector = collector
        self._agent = agent

    def wait(self) -> int:
        """Return the number of different statements seen."""
        deadline = time.monotonic() + FIRST_DATA_SECONDS
        ask_again = 0.0
        while time.monotonic() < deadline:
            count = int(self._api.get("queries")["count"])
            if count:
                return count
            if not self._agent.alive():
                raise DemoError(f"{self._agent.name} has ended. Its log ends:\n{self._agent.log_tail()}")
            if time.monotonic() > ask_again:
                self._ask()
                ask_again = time.monotonic() + COLLECT_EVERY_SECONDS
            time.sleep(1)
        raise DemoError(
            f"no data from {self._agent.name} after {FIRST_DATA_SECONDS:.0f} s. Its log ends:\n{self._agent.log_tail()}"
        )

    def _ask(self) -> None:
        # The agent may not have been heard of yet, or the earlier command may still be on its way: both pass.
        with contextlib.suppress(ApiError):
            self._api.post(f"collectors/{self._collector.collector_id}/collect")
