"""A private Redis that keeps nothing on disk."""

import contextlib
import socket
from pathlib import Path

from tests.servers.base import PrivateServer
from tests.servers.process import Unavailable, find_program


class Redis(PrivateServer):
    """Redis on a free loopback port; it asks for the password that is part of `url`."""

    name = "redis"
    accounts = ("redis",)

    def url(self, database: int = 0) -> str:
        """Return the address of the numbered database, for REDIS_URL."""
        return f"redis://:{self.password}@{self.host}:{self.port}/{database}"

    def ready(self) -> object:
        """Return when the server answers PING; spoken by hand, so that no client library is needed."""
        with socket.create_connection((self.host, self.port), timeout=2) as connection:
            connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            answer = b""
            while b"PONG" not in answer:
                received = connection.recv(100)
                if not received:
                    raise ConnectionError(answer.decode())
                answer += received
        return answer

    def _initialize(self) -> None:
        self.data.mkdir(mode=0o700)
        self.account.own(self.data)
        settings = self.run / "redis.conf"
        settings.touch(mode=0o600)
        self.account.own(settings)
        settings.write_text(f"requirepass {self.password}\n")

    def _arguments(self) -> list[str | Path]:
        place: list[str | Path] = ["--port", str(self.port), "--bind", self.host, "--dir", self.data]
        return [self._program(), self.run / "redis.conf", *place, "--save", "", "--appendonly", "no"]

    def _program(self) -> Path:
        """Return the server's program.

        It is the same file as redis-check-rdb, told apart by the name it is called by. Debian's package redis-tools
        has it under that name; the package redis-server adds the other one, and a service nobody here wants.
        """
        with contextlib.suppress(Unavailable):
            return find_program("redis-server")
        link = self.run / "redis-server"
        link.unlink(missing_ok=True)
        link.symlink_to(find_program("redis-check-rdb"))
        return link
