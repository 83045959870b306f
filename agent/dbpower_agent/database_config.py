"""How to reach the monitored database: the `db_config` of the configuration file and of the command `update_config`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

DbType = Literal["mysql", "postgres"]
TlsMode = Literal["disable", "require", "verify_ca", "verify_identity"]

DB_TYPES: Final[tuple[DbType, ...]] = ("mysql", "postgres")
TLS_MODES: Final[tuple[TlsMode, ...]] = ("disable", "require", "verify_ca", "verify_identity")
DEFAULT_PORTS: Final[dict[DbType, int]] = {"mysql": 3306, "postgres": 5432}

TEXT_MEMBERS: Final[dict[str, int]] = {"host": 255, "user": 128, "password": 1024, "database": 128, "socket": 1024}
TLS_PATHS: Final = ("ca", "cert", "key")
SECRET_NAME: Final = re.compile(r"[a-z0-9_-]{1,32}")
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
    password_from: str | None = None
    database: str | None = None
    socket: str | None = None
    tls: TlsConfig = field(default_factory=TlsConfig)
    # The password (or the name of one) is this host's own: it came from its configuration, not over the wire.
    own_password: bool = field(default=False, repr=False, compare=False)
    # Finds the password that `password_from` names. Raises SourceError.
    look_up: Callable[[DatabaseConfig], str] | None = field(default=None, repr=False, compare=False)

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

    @property
    def has_password(self) -> bool:
        return self.password is not None or self.password_from is not None

    def current_password(self) -> str:
        """The password for a connection that is opened now. Raise SourceError when a secret of this host has none."""
        if self.password_from is not None and self.look_up is not None:
            return self.look_up(self)
        return self.password or ""

    def with_password_of(self, other: DatabaseConfig) -> DatabaseConfig:
        kept = ("password", "password_from", "own_password")
        return replace(self, **{name: getattr(other, name) for name in kept})

    def may_have_the_password_of(self, given: DatabaseConfig, db_type: DbType) -> bool:
        """Whether a password that was given for another connection may be used for this one.

        Only on the same server, over TLS that is no weaker and trusts the same authority: whoever may change the connection
        must not be able to have the password sent to somebody else, or in plain text.
        """
        if self._server(db_type) != given._server(db_type):
            return False
        present, wanted = TLS_MODES.index(given.tls_mode), TLS_MODES.index(self.tls_mode)
        verified = present >= TLS_MODES.index("verify_ca")
        return wanted >= present and (self.tls.ca == given.tls.ca or (given.tls.ca is None and not verified))

    def _server(self, db_type: DbType) -> tuple[str, int]:
        """Where the driver connects to. With a socket it looks at no host."""
        return self.socket or self.effective_host, self.port or DEFAULT_PORTS[db_type]

    def as_json(self, *, with_own_password: bool = True) -> dict[str, Any]:
        """The members that are set, with the password: for the configuration file, never for a log or an answer.

        Without its own, a host's password is left out, and so is the name of one.
        """
        left_out = {"password", "password_from"} if self.own_password and not with_own_password else set()
        members: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("host", "port", "user", "password", "password_from", "database", "socket")
            if getattr(self, name) is not None and name not in left_out
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
    known = {*TEXT_MEMBERS, "password_from", "port", "tls"}
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
    secret, name_problems = _secret_name(raw.get("password_from"), f"{where}.password_from")
    if secret is not None and texts["password"] is not None:
        name_problems.append(f"{where}: holds password or password_from, not both")
    port, port_problems = _port(raw.get("port"), f"{where}.port")
    tls, tls_problems = _tls(raw.get("tls"), f"{where}.tls")
    problems += name_problems + port_problems + tls_problems
    members: dict[str, Any] = {**texts, "password_from": secret, "port": port, "tls": tls}
    return DatabaseConfig(**members), problems


def _secret_name(value: object, where: str) -> tuple[str | None, list[str]]:
    if value is None or value == "":
        return None, []
    if not isinstance(value, str) or not SECRET_NAME.fullmatch(value):
        return None, [f"{where}: must be 1 to 32 of a-z, 0-9, _ and -"]
    return value, []


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
