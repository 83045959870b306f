"""Reads a compose file as `docker compose` would: variables filled in, `$$` for `$`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<kind>:-|:\?)(?P<word>[^}]*))?\})")


class MissingVariableError(Exception):
    """A variable the file asks for is not set."""


@dataclass(frozen=True)
class Service:
    """One service, with its texts filled in."""

    name: str
    members: dict[str, Any]

    @property
    def command(self) -> list[str]:
        """The words of its command."""
        return [str(word) for word in self.members["command"]]

    @property
    def health_command(self) -> list[str]:
        """What its health check executes."""
        kind, *words = self.members["healthcheck"]["test"]
        return ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else [str(word) for word in words]

    @property
    def environment(self) -> dict[str, str]:
        """Its variables."""
        return {name: str(value) for name, value in self.members.get("environment", {}).items()}


def read(file: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """Return the services by name. Raises MissingVariableError."""
    content = filled(yaml.safe_load(file.read_text()), variables)
    return {name: Service(name, members) for name, members in content["services"].items()}


def filled(value: Any, variables: Mapping[str, str]) -> Any:
    """Return the value with the variables of all its texts filled in."""
    if isinstance(value, dict):
        return {name: filled(inner, variables) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, variables) for inner in value]
    return VARIABLE.sub(lambda match: _value(match, variables), value) if isinstance(value, str) else value


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match["name"] is None:
        return "$"
    set_to = variables.get(match["name"], "")
    if match["kind"] == ":?" and not set_to:
        raise MissingVariableError(match["name"])
    return set_to or (match["word"] or "" if match["kind"] == ":-" else "")
