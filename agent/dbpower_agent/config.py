"""The agent's configuration: a JSON file, overridden by environment variables, checked as a whole."""

from __future__ import annotations

import json
import os
import posixpath
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from dbpower_agent import secret_sources
from dbpower_agent.config_fields import (
    FIELDS,
    FIELDS_BY_NAME,
    MYSQL_SOURCES,
    POSTGRES_SOURCES,
    REQUIRED,
    BadValueError,
    Field,
    from_environment,
    read_value,
)
from dbpower_agent.config_store import read_override
from dbpower_agent.database_config import DatabaseConfig, DbType, is_loopback, parse_database_config
from dbpower_agent.local_secrets import LocalSecrets, parse_local_secrets
from dbpower_agent.secret_sources import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DB_MEMBERS: Final = ("host", "port", "user", "password", "database", "socket")
TLS_MEMBERS: Final = ("mode", "ca", "cert", "key")
MAX_CONFIG_BYTES: Final = 1024 * 1024
# What each engine can be read from; the first is read where nothing else is asked for.
SOURCES_OF: Final = {"mysql": MYSQL_SOURCES, "postgres": POSTGRES_SOURCES}


class ConfigError(Exception):
    """The configuration cannot be used. `problems` lists everything that is wrong, without any secret."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class AgentConfig:
    """Everything the agent was told. `path` is the file it came from; the secrets never appear in `repr()`."""

    path: Path
    collector_id: int
    api_key: str = field(repr=False)
    backend_url: str
    db_type: DbType
    db_config: DatabaseConfig
    config_version: int
    heartbeat_seconds: float
    collection_interval_minutes: float
    request_timeout_seconds: float
    state_dir: Path
    log_level: str
    log_format: str
    spool_max_bytes: int
    spool_max_age_hours: float
    backend_ca: str
    allow_insecure_http: bool
    allow_readable_config: bool
    sources: tuple[str, ...]
    slow_log_old_tables: tuple[str, ...]
    rotate_slow_log_rows: int
    rotate_key: bool
    tls_directory: str
    local_secrets: LocalSecrets = field(repr=False, compare=False)
    base_db_config: DatabaseConfig
    db_config_from_environment: bool

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be printed: the log masks these wherever they turn up."""
        known = (self.api_key, self.db_config.password, *self.local_secrets.handed_out)
        return tuple(secret for secret in known if secret)

    def with_database(self, db_config: DatabaseConfig, config_version: int) -> AgentConfig:
        return replace(self, db_config=self.local_secrets.attach(db_config), config_version=config_version)


def load_config(path: Path, environ: Mapping[str, str], *, allow_readable: bool = False) -> AgentConfig:
    """Read file and environment. Raise ConfigError with all problems at once.

    Without a file the environment alone may configure the agent, as in a container. A configuration that
    `update_config` had to keep in the state directory replaces `db_config` and its version.
    """
    problems: list[str] = []
    raw = _read_file(path, problems)
    from_environ = _read_environment(environ, problems)
    db_from_environ = from_environ.pop("db_config", {})
    merged = {**raw, **from_environ}
    values = _check_fields(merged, problems)
    base, db_problems = parse_database_config(_merge_database(raw.get("db_config", {}), db_from_environ))
    secrets, secret_problems = parse_local_secrets(merged.get("db_secrets", {}))
    problems += db_problems + secret_problems
    problems += _choose_sources(values)
    problems += _check_tls_directory(values)
    if not problems or "backend_url" in values:
        insecure = bool(values.get("allow_insecure_http"))
        problems += check_address(values.get("backend_url", ""), allow_insecure_http=insecure)
    if not (allow_readable or values.get("allow_readable_config")):
        problems += _check_permissions(path)
    if problems:
        raise ConfigError(problems)
    values["state_dir"] = _state_dir(values["state_dir"], path, values["collector_id"], environ)
    values["backend_url"] = values["backend_url"].rstrip("/")
    local_secrets = LocalSecrets(secrets, values["db_type"], environ)
    base = local_secrets.attach(replace(base, own_password=base.has_password))
    config = AgentConfig(
        path=path,
        local_secrets=local_secrets,
        db_config=base,
        base_db_config=base,
        db_config_from_environment=bool(db_from_environ),
        **values,
    )
    override = read_override(config)
    return config.with_database(*override) if override else config


def load_state_dir(path: Path, environ: Mapping[str, str]) -> Path:
    """Where the agent of this configuration keeps its state. Reads no secret. Raise ConfigError."""
    problems: list[str] = []
    needed = [FIELDS_BY_NAME[name] for name in ("collector_id", "state_dir")]
    values = _check_fields({**_read_file(path, problems), **_settings(environ, needed, problems)}, problems, needed)
    if problems:
        raise ConfigError(problems)
    return _state_dir(values["state_dir"], path, values["collector_id"], environ)


def _read_file(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
        return {}
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        # The decoder's own message could quote the file, and the file holds secrets.
        problems.append(f"{path}: is not valid JSON")
        return {}
    if not isinstance(raw, dict):
        problems.append(f"{path}: must hold one JSON object")
        return {}
    known = {*FIELDS_BY_NAME, "db_config", "db_secrets"}
    problems += [f"{name}: unknown setting" for name in sorted(raw) if name not in known]
    return raw


def _read_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """Settings from `DBPOWER_AGENT_<NAME>` or, for secrets, from elsewhere."""
    found = _settings(environ, FIELDS, problems)
    database: dict[str, Any] = {}
    for member in DB_MEMBERS:
        text = _variable(environ, f"db_{member}", problems)
        if text is not None:
            database[member] = int(text) if member == "port" and text.isdecimal() else text
    tls = {
        member: text for member in TLS_MEMBERS if (text := _variable(environ, f"db_tls_{member}", problems)) is not None
    }
    if tls:
        database["tls"] = tls
    if database:
        found["db_config"] = database
    return found


def _settings(environ: Mapping[str, str], wanted: Iterable[Field], problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for setting in wanted:
        text = _variable(environ, setting.name, problems)
        if text is None:
            continue
        try:
            found[setting.name] = from_environment(setting, text)
        except BadValueError as error:
            problems.append(f"{PREFIX}{setting.name.upper()}: {error}")
    return found


def _variable(environ: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    """One setting's text: from its variable, a file, what a command prints, or a systemd credential; None when nowhere."""
    variable = f"{PREFIX}{name.upper()}"
    given = [source for source in (variable, f"{variable}_FILE", f"{variable}_COMMAND") if source in environ]
    if len(given) > 1:
        problems.append(f"{' and '.join(given)}: set only one of them")
        return None
    try:
        if f"{variable}_FILE" in given:
            return secret_sources.from_file(environ[f"{variable}_FILE"])
        if f"{variable}_COMMAND" in given:
            return secret_sources.printed_by(environ[f"{variable}_COMMAND"], environ)
        credential = None if given else secret_sources.credential_path(f"{PREFIX}{name}".lower(), environ)
        if credential is not None:
            return secret_sources.from_file(credential)
    except secret_sources.FAILURES:
        # What was read or printed may be the secret: the message holds none of it.
        problems.append(f"{given[0] if given else variable}: the secret cannot be read")
        return None
    return environ.get(variable)


def _merge_database(raw: object, override: dict[str, Any]) -> object:
    if not override or not isinstance(raw, dict):
        return override or raw
    tls = {**(raw.get("tls") or {}), **override.get("tls", {})} if isinstance(raw.get("tls", {}), dict | None) else {}
    return {**raw, **override, **({"tls": tls} if tls else {})}


def _check_fields(raw: dict[str, Any], problems: list[str], wanted: Iterable[Field] = FIELDS) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in wanted:
        if setting.name not in raw:
            if setting.default is REQUIRED:
                problems.append(f"{setting.name}: is missing")
            else:
                values[setting.name] = setting.default
            continue
        try:
            values[setting.name] = read_value(setting, raw[setting.name])
        except BadValueError as error:
            problems.append(f"{setting.name}: {error}")
    return values


def _choose_sources(values: dict[str, Any]) -> list[str]:
    """Fill in the engine's usual source; sources of another engine are a problem."""
    possible = SOURCES_OF.get(values.get("db_type", ""))
    if possible is None or "sources" not in values:
        return []
    if any(name not in possible for name in values["sources"]):
        return [f"sources: with db_type {values['db_type']} must hold only {', '.join(possible)}"]
    values["sources"] = values["sources"] or possible[:1]
    return []


def _check_tls_directory(values: dict[str, Any]) -> list[str]:
    directory = values.get("tls_directory", "")
    if directory and not directory.startswith("/"):
        return ["tls_directory: must be an absolute path"]
    if directory:
        values["tls_directory"] = posixpath.normpath(directory)
    return []


def check_address(address: str, *, allow_insecure_http: bool) -> list[str]:
    """What is wrong with the address of a backend."""
    try:
        url = urlsplit(address)
        host, _ = url.hostname, url.port
    except ValueError:
        return ["backend_url: is not an address"]
    if url.scheme not in {"http", "https"} or not host:
        return ["backend_url: must begin with https:// (or http://) and name a host"]
    if url.username or url.password or url.query or url.fragment:
        return ["backend_url: must hold no user, password, query or fragment"]
    if url.scheme == "http" and not is_loopback(host) and not allow_insecure_http:
        return ["backend_url: http:// would send the key in plain text; use https:// or set allow_insecure_http"]
    return []


def _check_permissions(path: Path) -> list[str]:
    """The file holds the collector key and a password: only its owner may read it."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return []
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        shown = f"{path}: is readable by others (mode {stat.S_IMODE(mode):04o}) and holds secrets"
        return [f"{shown}; run: chmod 600 {path} (or set allow_readable_config)"]
    return []


def _state_dir(configured: str, path: Path, collector_id: int, environ: Mapping[str, str]) -> Path:
    """Named by the operator, else by systemd, else next to the configuration file, one for each collector."""
    chosen = configured or environ.get("STATE_DIRECTORY", "").split(os.pathsep)[0]
    return Path(chosen) if chosen else path.absolute().parent / f"dbpower-agent-{collector_id}"
