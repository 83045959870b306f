"""Who may log in to the demo: random passwords, made once and kept in a file that only its owner can read."""

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Organization:
    """One tenant of the demo: its teams, its people by role, and the team that owns its database."""

    name: str
    domain: str
    teams: tuple[str, str]

    @property
    def owning_team(self) -> str:
        """The team the lead leads and the user belongs to."""
        return self.teams[0]

    def email(self, role: str) -> str:
        """Return the address of the one person who has `role` here."""
        return f"{role.lower().replace('_', '.')}@{self.domain}"

    def person(self, role: str) -> str:
        """Return a name that tells at a glance who that is."""
        return f"{role.replace('_', ' ').capitalize()} of {self.name}"


EXAMPLE = Organization("Example GmbH", "example-gmbh.example", ("Webshop", "Warehouse"))
SAMPLE = Organization("Sample Srl", "sample-srl.example", ("Orders", "Reporting"))
ORGANIZATIONS: Sequence[Organization] = (EXAMPLE, SAMPLE)
ADMINISTRATOR = "super.admin@dbpower.example"
ROLES = ("ORG_ADMIN", "TEAM_LEAD", "USER")


class Logins:
    """The passwords of people and of database accounts, by name; a new name gets a new password."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._passwords: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def password(self, name: str) -> str:
        """Return the password of `name`, making and keeping it the first time."""
        if name not in self._passwords:
            self._passwords[name] = "-".join(secrets.token_hex(2) for _ in range(5))
            write_private(self._file, json.dumps(self._passwords, indent=2) + "\n")
        return self._passwords[name]


def write_private(file: Path, text: str) -> None:
    """Write `file` whole or not at all, readable by its owner only from its first byte on."""
    making = file.with_name(f"{file.name}.new")
    making.unlink(missing_ok=True)
    with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    making.replace(file)
