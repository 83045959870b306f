"""The part of systemd's notify protocol the agent needs: READY, WATCHDOG, STOPPING (see sd_notify(3))."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServiceManager:
    """Speaks to the service manager that started this process, and is silent when none did."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._watchdog_usec = environ.get("WATCHDOG_USEC", "")
        self._watchdog_pid = environ.get("WATCHDOG_PID", "")

    @property
    def watchdog_seconds(self) -> float | None:
        """How often to call `alive()` (half of what systemd tolerates), or None without a watchdog for this process."""
        if not self._watchdog_usec.isdecimal() or self._watchdog_pid not in {"", str(os.getpid())}:
            return None
        return int(self._watchdog_usec) / 1_000_000 / 2

    def ready(self) -> None:
        self._send(b"READY=1")

    def alive(self) -> None:
        self._send(b"WATCHDOG=1")

    def stopping(self) -> None:
        self._send(b"STOPPING=1")

    def _send(self, message: bytes) -> None:
        if self._address[:1] not in {"/", "@"}:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1.0)
                channel.sendto(message, address)
        except OSError:
            # A service manager that does not listen must not take the agent down.
            return
