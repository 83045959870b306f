"""How to reach the monitored database: the `db_config` of the configuration file and of the command `update_config`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

DbType = Literal["mysql", "postgres"]
TlsMode = Literal["disable", "require", "verify_ca", "verify_identity"]

DB_TYPES: Final[tuple[DbType, ...]] = ("mysql", "postgres")
TLS_MODES: Final[tuple[TlsMode, ...]] = ("disable", "require", "verify_ca", "verify_identity")
DEFAULT_PORTS: Final[dict[DbType, int]] = {"mysql": 3306, "postgres": 5432}

TEXT_MEMBERS: Final[dict[str, int]] = {"host": 255, "user": 128, "password": 1024, "database": 128, "socket": 1024}
TLS_PATHS: Final = ("ca", "cert", "key")
MAX_PATH: Final = 4096
# A comma makes libpq try several hosts, a slash or an at sign makes it take the host for a socket.
HOST_REFUSED: Final = frozenset(",/@\\'\" \t")


@dataclass(frozen=True)
class TlsConfig:
    """`mode` None means: decide by the kind of address. The rest are paths of PEM files on this host."""

    mode: TlsMode | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class DatabaseConfig:
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    socket: str | None = None
    tls: TlsConfig = field(default_factory=TlsConfig)

    @property
    def effective_host(self) -> str:
        return self.host or "127.0.0.1"

    @property
    def is_local(self) -> bool:
        """True over a socket or to a loopback address, where plain text never leaves this host."""
        return self.socket is not None or is_loopback(self.effective_host)

    @property
    def tls_mode(self) -> TlsMode:
        return self.tls.mode or ("disable" if self.is_local else "verify_identity")

    def as_json(self) -> dict[str, Any]:
        """The members that are set, with the password: for the configuration file, never for a log or an answer."""
        members: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("host", "port", "user", "password", "database", "socket")
            if getattr(self, name) is not None
        }
        tls = {name: getattr(self.tls, name) for name in ("mode", *TLS_PATHS) if getattr(self.tls, name) is not None}
        return {**members, "tls": tls} if tls else members


def is_loopback(host: str) -> bool:
    """Judged by the name alone: what a resolver says may change between this check and the connection."""
    bare = host.strip("[]").lower()
    if bare in {"localhost", "localhost.localdomain", "ip6-localhost"}:
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def parse_database_config(raw: object, *, where: str = "db_config") -> tuple[DatabaseConfig, list[str]]:
    """Read `raw`; return what could be read and every problem found, each naming the member, none naming a value."""
    if not isinstance(raw, dict):
        return DatabaseConfig(), [f"{where}: must be an object"]
    known = {*TEXT_MEMBERS, "port", "tls"}
    problems = [f"{where}.{name}: unknown member" for name in sorted(map(str, raw)) if name not in known]
    texts: dict[str, str | None] = {}
    for name, limit in TEXT_MEMBERS.items():
        texts[name], problem = _text(raw.get(name), f"{where}.{name}", limit)
        problems += problem
    host = texts["host"]
    if host and HOST_REFUSED & set(host):
        problems.append(f"{where}.host: must be one host name or address")
    if texts["socket"] and not texts["socket"].startswith("/"):
        problems.append(f"{where}.socket: must be an absolute path")
    port, port_problems = _port(raw.get("port"), f"{where}.port")
    tls, tls_problems = _tls(raw.get("tls"), f"{where}.tls")
    return DatabaseConfig(port=port, tls=tls, **texts), problems + port_problems + tls_problems


def _text(value: object, where: str, limit: int) -> tuple[str | None, list[str]]:
    if value is None or value == "":
        return None, []
    if not isinstance(value, str):
        return None, [f"{where}: must be a text"]
    if len(value) > limit:
        return None, [f"{where}: longer than {limit} characters"]
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in value):
        return None, [f"{where}: contains a control character"]
    return value, []


def _port(value: object, where: str) -> tuple[int | None, list[str]]:
    if value is None:
        return None, []
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        return None, [f"{where}: must be an integer from 1 to 65535"]
    return value, []


def _tls(value: object, where: str) -> tuple[TlsConfig, list[str]]:
    if value is None:
        return TlsConfig(), []
    if not isinstance(value, dict):
        return TlsConfig(), [f"{where}: must be an object"]
    problems = [
        f"{where}.{name}: unknown member" for name in sorted(map(str, value)) if name not in {"mode", *TLS_PATHS}
    ]
    mode = value.get("mode")
    chosen: TlsMode | None = next((known for known in TLS_MODES if known == mode), None)
    if mode is not None and chosen is None:
        problems.append(f"{where}.mode: must be one of {', '.join(TLS_MODES)}")
    paths: dict[str, str | None] = {}
    for name in TLS_PATHS:
        paths[name], found = _text(value.get(name), f"{where}.{name}", MAX_PATH)
        path = paths[name]
        if path is not None and not path.startswith("/"):
            found.append(f"{where}.{name}: must be an absolute path")
        problems += found
    if (paths["cert"] is None) != (paths["key"] is None):
        problems.append(f"{where}: cert and key belong together")
    return TlsConfig(mode=chosen, **paths), problems
