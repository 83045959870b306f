"""Passwords that stay on this host: the control plane names one, and this host's own configuration says what that is.

`db_secrets` in the configuration file holds for each name where the password comes from (a file, a command or a credential
of systemd) and to which servers it may be sent. Nothing of that can be said over the wire, so a name can be used to take the
agent to another server only where the host's operator has allowed it. A password is read anew for each connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent import secret_sources
from dbpower_agent.database_config import SECRET_NAME, DatabaseConfig, DbType, parse_database_config
from dbpower_agent.sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SOURCES: Final = ("file", "command", "credential")
PLACE_MEMBERS: Final = frozenset({"host", "port", "socket", "tls"})
MAX_SECRETS: Final = 100
CREDENTIAL_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")


@dataclass(frozen=True)
class LocalSecret:
    """One password: where it comes from, and the connections it may be used for."""

    source: str
    origin: str
    to: tuple[DatabaseConfig, ...]


class LocalSecrets:
    """The host's passwords by name. `heard` is told each that was read, so that the log can hide it."""

    def __init__(self, secrets: Mapping[str, LocalSecret], db_type: DbType, environ: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._db_type = db_type
        self._environ = environ
        self.heard: Callable[[str], None] = lambda _: None
        self.handed_out: tuple[str, ...] = ()

    def attach(self, db_config: DatabaseConfig) -> DatabaseConfig:
        """The same connection, which finds its password here when it is opened."""
        return replace(db_config, look_up=self.password_for)

    def check(self, db_config: DatabaseConfig) -> LocalSecret:
        """The secret that the connection names. Raise SourceError where there is none, or it may not be sent there."""
        name = db_config.password_from
        secret = self._secrets.get(name or "")
        if secret is None:
            remedy = f"name {name} in db_secrets of the agent's configuration file, and restart the agent"
            raise SourceError("secret_unknown", f"this host has no secret of the name {name}", remedy)
        if not any(db_config.may_have_the_password_of(place, self._db_type) for place in secret.to):
            remedy = f"add the server to db_secrets.{name}.to in the agent's configuration file, and restart the agent"
            detail = (
                f"this host does not send the secret {name} to that host, port or socket, or not over so weak a TLS"
            )
            raise SourceError("secret_elsewhere", detail, remedy)
        return secret

    def password_for(self, db_config: DatabaseConfig) -> str:
        """Read the password that the connection names. Raise SourceError, which quotes nothing of it."""
        secret = self.check(db_config)
        try:
            password = self._read(secret)
        except secret_sources.FAILURES:
            detail = f"the secret {db_config.password_from} cannot be read from its {secret.source}"
            remedy = f"look at db_secrets.{db_config.password_from} in the agent's configuration file"
            raise SourceError("secret_unreadable", detail, remedy) from None
        self.handed_out = (*self.handed_out[-3:], password)
        self.heard(password)
        return password

    def _read(self, secret: LocalSecret) -> str:
        if secret.source == "file":
            password = secret_sources.from_file(secret.origin)
        elif secret.source == "command":
            password = secret_sources.printed_by(secret.origin, self._environ)
        else:
            path = secret_sources.credential_path(secret.origin, self._environ)
            if path is None:
                raise FileNotFoundError
            password = secret_sources.from_file(path)
        if not password:
            raise ValueError
        return password


def parse_local_secrets(raw: object, where: str = "db_secrets") -> tuple[dict[str, LocalSecret], list[str]]:
    """Read `db_secrets`; return what could be read and every problem found."""
    if not isinstance(raw, dict) or len(raw) > MAX_SECRETS:
        return {}, [f"{where}: must be an object of at most {MAX_SECRETS} members"]
    secrets: dict[str, LocalSecret] = {}
    problems: list[str] = []
    for name, content in raw.items():
        if not SECRET_NAME.fullmatch(name):
            problems.append(f"{where}: names are 1 to 32 of a-z, 0-9, _ and -")
            continue
        secret, found = _parse_one(content, f"{where}.{name}")
        problems += found
        if secret is not None:
            secrets[name] = secret
    return secrets, problems


def _parse_one(raw: object, where: str) -> tuple[LocalSecret | None, list[str]]:
    if not isinstance(raw, dict):
        return None, [f"{where}: must be an object"]
    given = [source for source in SOURCES if source in raw]
    if len(given) != 1 or set(raw) - {*SOURCES, "to"}:
        return None, [f"{where}: needs one of {', '.join(SOURCES)}, and to; nothing else"]
    source, origin = given[0], raw[given[0]]
    if not isinstance(origin, str) or not origin or "\0" in origin:
        return None, [f"{where}.{source}: must be a text"]
    if source == "file" and not origin.startswith("/"):
        return None, [f"{where}.file: must be an absolute path"]
    if source == "credential" and not CREDENTIAL_NAME.fullmatch(origin):
        return None, [f"{where}.credential: must be the name of a credential"]
    places, problems = _parse_places(raw.get("to"), f"{where}.to")
    return LocalSecret(source, origin, places), problems


def _parse_places(raw: object, where: str) -> tuple[tuple[DatabaseConfig, ...], list[str]]:
    if not isinstance(raw, list) or not raw:
        return (), [f'{where}: must be a list of servers, as [{{"host": "db.example.com"}}]']
    problems: list[str] = []
    places = []
    for place in raw:
        members: Any = place if isinstance(place, dict) else {}
        if not members or set(members) - PLACE_MEMBERS or not (members.get("host") or members.get("socket")):
            problems.append(f"{where}: each has host and port, or socket, and may have tls")
            continue
        parsed, found = parse_database_config(members, where=where)
        problems += found
        places.append(parsed)
    return tuple(places), problems
