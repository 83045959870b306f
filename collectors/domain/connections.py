"""How agents reach their databases: which members belong together, and where a password may go along."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

# From the weakest to the strongest.
TLS_MODES: Final = ("disable", "require", "verify_ca", "verify_identity")
# The name of a secret that the agent's host keeps; what it stands for, only that host knows.
SECRET_NAME: Final = r"\A[a-z0-9_-]{1,32}\Z"  # noqa: S105 - a pattern


def has_password(config: Mapping[str, Any]) -> bool:
    """Tell whether a password is given, be it empty, or the name of one."""
    return "password" in config or bool(config.get("password_from"))


def has_both(config: Mapping[str, Any]) -> bool:
    """Tell whether a password and the name of one are given, of which only one can be meant."""
    return bool(config.get("password")) and bool(config.get("password_from"))


def may_take_password_along(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether a stored password may be used for another connection.

    Only on the same server, over TLS that is no weaker and trusts the same authority: whoever may change the connection must
    not get the password sent to where they listen.
    """
    if any((stored.get(name) or None) != (wanted.get(name) or None) for name in ("host", "port", "socket")):
        return False
    present, following = TLS_MODES.index(_tls_mode(stored)), TLS_MODES.index(_tls_mode(wanted))
    authority = _tls(stored).get("ca") or None
    if authority is None and present < TLS_MODES.index("verify_ca"):
        return following >= present
    return following >= present and (_tls(wanted).get("ca") or None) == authority


def _tls(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return config.get("tls") or {}


def _tls_mode(config: Mapping[str, Any]) -> str:
    """Return the mode, as agents choose it where none is named: plain text on their own host, else verified."""
    mode: str | None = _tls(config).get("mode")
    return mode or (
        "disable" if config.get("socket") or _is_loopback(config.get("host") or "127.0.0.1") else TLS_MODES[-1]
    )


def _is_loopback(host: str) -> bool:
    bare = host.strip("[]").lower()
    if bare in {"localhost", "localhost.localdomain", "ip6-localhost"}:
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False
