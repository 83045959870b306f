"""Clients that say exactly what a test wants on the wire, at the pace it wants."""

import contextlib
import json
import socket
import time
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    """What came back until the other side closed the connection, or nothing more came."""

    raw: bytes

    @property
    def status(self) -> int:
        """The status code; 0 when there was no answer."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw.startswith(b"HTTP/") else 0

    @property
    def headers(self) -> dict[str, str]:
        """The headers, with names in lower case; of several of one name the last."""
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> bytes:
        """What follows the headers, without the framing of chunks."""
        content = self.raw.partition(b"\r\n\r\n")[2]
        if self.headers.get("transfer-encoding") != "chunked":
            return content
        whole = b""
        while content:
            size, _, content = content.partition(b"\r\n")
            whole += content[: int(size, 16)]
            content = content[int(size, 16) + 2 :]
        return whole

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def connect(port: int, *, window: int | None = None) -> socket.socket:
    """Open a connection; with a small `window` for what comes back."""
    client = socket.socket()
    if window is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    return client


def received(client: socket.socket, seconds: float = 10) -> Answer:
    """Read until the other side closes."""
    client.settimeout(seconds)
    content = b""
    with contextlib.suppress(OSError):
        while chunk := client.recv(65536):
            content += chunk
    client.close()
    return Answer(content)


def ask(port: int, content: bytes, *, half_close: bool = False, seconds: float = 10) -> Answer:
    """Send this and return the answer; with `half_close` the sending side is closed after it."""
    client = connect(port)
    with contextlib.suppress(OSError):
        client.sendall(content)
        if half_close:
            client.shutdown(socket.SHUT_WR)
    return received(client, seconds)


def request(method: str, path: str, *headers: str, body: bytes = b"", close: bool = True) -> bytes:
    """Return a request with these lines of headers besides `Host`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, *(["Connection: close"] if close else [])]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def closed_after(client: socket.socket, within: float) -> float:
    """Return after how many seconds the other side closed the connection. Fails when it did not."""
    begin = time.monotonic()
    client.settimeout(within)
    try:
        while client.recv(65536):
            pass
    except TimeoutError:
        raise AssertionError(f"still open after {within} s") from None
    except OSError:
        pass
    return time.monotonic() - begin
