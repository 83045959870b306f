"""Everything the demo runs, started in order and stopped in the reverse one."""

import contextlib
import signal
import time
from collections.abc import Callable

from tests.demo.agents import FirstData, start_agents
from tests.demo.api import Api
from tests.demo.control_plane import ControlPlane
from tests.demo.databases import start_databases
from tests.demo.load import running_load
from tests.demo.logins import ADMINISTRATOR, Logins
from tests.demo.places import DemoError, Places
from tests.demo.registration import Registered, register_collectors, register_tenants
from tests.servers.process import ServerProcess

Progress = Callable[[str], None]


class Stack:
    """The running demo. A context manager: leaving it stops all it started, whatever happened inside."""

    def __init__(self, places: Places, progress: Progress) -> None:
        self.places = places
        self.logins = Logins(places.logins)
        self.control_plane = ControlPlane(places, self.logins)
        self.registered: list[Registered] = []
        self.agents: dict[str, ServerProcess] = {}
        self._progress = progress
        self._running = contextlib.ExitStack()

    def __enter__(self) -> "Stack":
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        # A second Ctrl-C would leave half of it running.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._progress("stopping: agents, load, control plane, databases")
        self._running.close()

    def _start(self) -> None:
        self._progress("starting a private MariaDB and a private PostgreSQL, with a shop in each")
        databases = start_databases(self.places, self.logins, self._running)
        self._progress("starting the control plane: web, worker and beat on SQLite and the embedded broker")
        self.control_plane.start(self._running)
        address = self.control_plane.address
        self._progress("registering two organizations through the API: teams, people, collectors")
        register_tenants(Api(address, ADMINISTRATOR, self.logins.password(ADMINISTRATOR)), self.logins)
        self.registered = register_collectors(address, databases, self.places, self.logins)
        self._progress("starting the load: the shops, pgbench and sysbench")
        self._running.enter_context(running_load(databases, self.places))
        self._progress("starting an agent for each database")
        self.agents = start_agents(self.registered, self.places, self._running)
        for collector in self.registered:
            name = collector.watched.name
            self._progress(f"waiting for the first queries from {name} (up to a few minutes)")
            count = FirstData(address, collector, self.agents[name], self.logins).wait()
            self._progress(f"{name}: {count} different statements so far")

    def watch(self) -> None:
        """Return never: wait, and say when something ends by itself. Only without a control plane it is all over."""
        reported: set[str] = set()
        while True:
            time.sleep(1)
            if not self.control_plane.process.alive():
                tail = self.control_plane.process.log_tail()
                raise DemoError(f"the control plane has ended. Its log ends:\n{tail}")
            for name, agent in self.agents.items():
                if name not in reported and not agent.alive():
                    reported.add(name)
                    self._progress(f"the agent {name} has ended; watch its collector go OFFLINE after two minutes")
