"""A database with its collector, as the person sees it who uses the API of a real control plane."""

from pathlib import Path
from typing import Any

from tests.agent.agents import eventually, write_config
from tests.servers import MariaDB, PostgreSQL
from tests.servers.control_plane import ControlPlane

MONITOR_PASSWORD = "monitor-of-the-test"


class Watched:
    """A database with its collector, and the person who looks at it."""

    def __init__(
        self, control_plane: ControlPlane, engine: str, config: dict[str, Any], beside: "Watched | None" = None
    ) -> None:
        """Register a collector in a new organization, or one more `beside` the collector of a database."""
        self.control_plane = control_plane
        self.headers: dict[str, str] = beside.headers if beside else control_plane.logged_in()
        body = {"name": engine, "type": engine, "config": config}
        if beside:
            body |= {name: beside.collector[name] for name in ("team_id", "database_id")}
        else:
            organization = self.call("POST", "organizations", {"name": "Example GmbH"})
            team = self.call("POST", "teams", {"name": "Shop", "organization_id": organization["id"]})
            body["team_id"] = team["id"]
        self.collector: dict[str, Any] = self.call("POST", "collectors/register", body)
        self.id = self.collector["id"]
        self.config = config
        self.engine = engine

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.control_plane.api(method, path, body, **self.headers)
        if answer.status_code == 401:
            # The token of a person who has looked on for long.
            self.headers = self.control_plane.log_in()
            answer = self.control_plane.api(method, path, body, **self.headers)
        assert answer.ok, answer.text
        content: dict[str, Any] = answer.json() if answer.content else {}
        return content

    @property
    def backend_url(self) -> str:
        """Where the agent finds the control plane."""
        return self.control_plane.address

    def agent_config(self, folder: Path, **settings: object) -> Path:
        """Write the configuration of an agent with a state of its own in `folder`."""
        return write_config(
            folder,
            self.backend_url,
            self.engine,
            self.config,
            collector_id=self.id,
            api_key=self.collector["api_key"],
            **settings,
        )

    def shown(self) -> dict[str, Any]:
        """Return the collector as the API shows it now."""
        return self.call("GET", f"collectors/{self.id}")

    def status(self) -> str:
        return str(self.shown()["status"])

    def collect(self) -> dict[str, Any]:
        """Ask for a collection and wait until the agent has reported it."""
        command = self.call("POST", f"collectors/{self.id}/collect")
        return self.ended(command["id"])

    def ended(self, command_id: int) -> dict[str, Any]:
        path = f"collectors/{self.id}/commands/{command_id}"

        def done() -> dict[str, Any] | None:
            command = self.call("GET", path)
            return command if command["ended_at"] else None

        ended: dict[str, Any] = eventually(done, seconds=30, what=f"command {command_id} ended")
        return ended

    def statement(self, fingerprint: str) -> dict[str, Any] | None:
        database = self.collector["database_id"]
        rows = self.call("GET", f"queries?database_id={database}&page_size=500")["queries"]
        return next((row for row in rows if row["fingerprint"] == fingerprint), None)


def watch_mariadb(control_plane: ControlPlane, mariadb: MariaDB) -> Watched:
    """Register a collector for the server's slow log, with a user who may read just that."""
    mariadb.execute("DROP USER IF EXISTS 'monitor'@'127.0.0.1'")
    mariadb.execute(f"CREATE USER 'monitor'@'127.0.0.1' IDENTIFIED BY '{MONITOR_PASSWORD}'")
    mariadb.execute("GRANT SELECT ON mysql.slow_log TO 'monitor'@'127.0.0.1'")
    config = {"host": mariadb.host, "port": mariadb.port, "user": "monitor", "password": MONITOR_PASSWORD}
    return Watched(control_plane, "mysql", config)


def watch_postgresql(control_plane: ControlPlane, postgresql: PostgreSQL) -> Watched:
    """Register a collector for the server's pg_stat_statements, with a user who may read just that."""
    postgresql.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    if not postgresql.execute("SELECT 1 FROM pg_roles WHERE rolname = 'monitor'"):
        postgresql.execute(f"CREATE ROLE monitor LOGIN PASSWORD '{MONITOR_PASSWORD}'")
        postgresql.execute("GRANT pg_monitor TO monitor")
    config = {
        "host": postgresql.host,
        "port": postgresql.port,
        "user": "monitor",
        "password": MONITOR_PASSWORD,
        "database": "postgres",
    }
    return Watched(control_plane, "postgres", config)
