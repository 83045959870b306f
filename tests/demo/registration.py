"""Fills the control plane through its public API: two tenants, their teams, people of every role, and collectors.

Every step looks first whether an earlier run has done it, so a run that was interrupted is simply run again.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.demo.api import Api
from tests.demo.databases import Databases
from tests.demo.logins import EXAMPLE, ORGANIZATIONS, ROLES, SAMPLE, Logins, Organization, write_private
from tests.demo.places import Places

INTERVAL_MINUTES = 1  # The product's default is 5; who looks at a demo does not wait that long.


@dataclass(frozen=True)
class Watched:
    """One collector of the demo: who owns it and what it watches."""

    organization: Organization
    name: str
    db_type: str


WATCHED = (Watched(EXAMPLE, "webshop-mariadb", "mysql"), Watched(SAMPLE, "orders-postgresql", "postgres"))


@dataclass(frozen=True)
class Registered:
    """A collector that exists, and the configuration file of its agent."""

    watched: Watched
    collector_id: int
    config: Path


def register_tenants(administrator: Api, logins: Logins) -> None:
    """Make organizations, teams, people and their roles, as the administrator."""
    for tenant in ORGANIZATIONS:
        organization = ensure(administrator, "organizations", {"name": tenant.name})
        teams = [
            ensure(administrator, "teams", {"name": team, "organization_id": organization["id"]})
            for team in tenant.teams
        ]
        for role in ROLES:
            email = tenant.email(role)
            user = ensure(
                administrator,
                "users",
                {"email": email},
                {"password": logins.password(email), "name": tenant.person(role)},
            )
            place = {"organization_id": organization["id"]}
            if role != "ORG_ADMIN":
                place["team_id"] = teams[0]["id"]
            ensure(administrator, "memberships", {"user_id": user["id"], "role": role, **place})


def ensure(api: Api, noun: str, known_by: dict[str, Any], more: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the row of the list `noun` that has the members `known_by`; create it with `more` if there is none."""
    for row in api.rows(noun):
        if known_by.items() <= row.items():
            return row
    return api.post(noun, {**known_by, **(more or {})})


def register_collectors(address: str, databases: Databases, places: Places, logins: Logins) -> list[Registered]:
    """Register a collector for each database, as the team's lead, and write the agents' configurations."""
    registered = []
    for watched in WATCHED:
        email = watched.organization.email("TEAM_LEAD")
        lead = Api(address, email, logins.password(email))
        file = places.agents / f"{watched.name}.json"
        connection = databases.agent_config(watched.db_type)
        identity = kept_identity(file) or obtain_identity(lead, watched, connection)
        config = {**identity, "backend_url": address, "db_type": watched.db_type, "db_config": connection}
        write_private(file, json.dumps(config, indent=2) + "\n")
        registered.append(Registered(watched, identity["collector_id"], file))
    return registered


def kept_identity(file: Path) -> dict[str, Any] | None:
    """Return id and key of a collector registered earlier; its key was shown that once and is nowhere else."""
    if not file.exists():
        return None
    kept: dict[str, Any] = json.loads(file.read_text())
    return {name: kept[name] for name in ("collector_id", "api_key", "config_version") if name in kept}


def obtain_identity(lead: Api, watched: Watched, connection: dict[str, Any]) -> dict[str, Any]:
    """Register the collector; where it exists and its key was lost, have a new key made."""
    for row in lead.rows("collectors"):
        if row["name"] == watched.name:
            rotated = lead.post(f"collectors/{row['id']}/rotate-key")
            return {"collector_id": row["id"], "api_key": rotated["api_key"]}
    team = next(row for row in lead.rows("teams") if row["name"] == watched.organization.owning_team)
    body = {
        "name": watched.name,
        "type": watched.db_type,
        "team_id": team["id"],
        "config": connection,
        "collection_interval_minutes": INTERVAL_MINUTES,
    }
    created = lead.post("collectors/register", body)
    return {"collector_id": created["id"], "api_key": created["api_key"]}
